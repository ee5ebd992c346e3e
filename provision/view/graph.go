package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Drawing is the graph of an environment: its resources, as they are or as up would make them, what
// each of them needs, and which other environments share them.
type Drawing struct {
	Header Header
	Plan   provision.Plan
	Needs  map[string][]string // by step; see provision.Graph.Needs
	Owner  string              // the environment, as name@region
}

// node is a resource in a drawing.
type node struct {
	id    string
	lines []string // of its label
	class string   // the action, or "unknown"
}

func (d Drawing) nodes() (list []node, ids map[string]string) {
	ids = map[string]string{}
	for i, a := range d.Plan.Actions {
		n := node{id: fmt.Sprintf("n%d", i+1), class: a.Op.String()}
		if a.Err != nil {
			n.class = "unknown"
		}
		n.lines = []string{clean(a.Step, false)}
		if a.Object != "" {
			n.lines = append(n.lines, clean(a.Object, false))
		}
		if word := inGraph[n.class]; word != "" {
			n.lines = append(n.lines, word)
		}
		list = append(list, n)
		ids[a.Step] = n.id
	}
	return list, ids
}

// inGraph says what up would do, or what a resource is; nothing of one that is as it should be.
var inGraph = map[string]string{
	"create": "to create", "change": "to change", "replace": "to replace", "delete": "to delete", "release": "to release",
	"use": "used as is", "conflict": "in conflict", "missing": "missing", "skip": "skipped", "leave": "left", "unknown": "unknown",
}

// colors are the borders of the nodes by class: they can be seen on white and on black. The labels
// say the same.
var colors = [][2]string{
	{"create", "#2da44e"}, {"change", "#bf8700"}, {"replace", "#bf8700"}, {"delete", "#cf222e"}, {"release", "#bf8700"}, {"use", "#0969da"},
	{"conflict", "#cf222e"}, {"missing", "#cf222e"}, {"unknown", "#cf222e"},
}

// eachEdge calls f with each resource and one that it needs, and with each environment that shares
// a resource.
func (d Drawing) eachEdge(ids map[string]string, needs, shares func(from, to string)) (others []string) {
	for _, a := range d.Plan.Actions {
		for _, o := range d.Needs[a.Step] {
			needs(ids[a.Step], ids[o])
		}
	}
	for _, a := range d.Plan.Actions {
		for _, env := range a.Owner.Others(d.Owner) {
			if !slices.Contains(others, env) {
				others = append(others, env)
			}
			shares(fmt.Sprintf("e%d", slices.Index(others, env)+1), ids[a.Step])
		}
	}
	return others
}

func (d Drawing) title() string {
	h := d.Header
	return clean(fmt.Sprintf("%s in account %s, region %s", h.Environment, h.Account, h.Region), false)
}

// Mermaid writes the drawing as a Mermaid flowchart, which GitHub shows in Markdown.
// https://mermaid.js.org/syntax/flowchart.html
func Mermaid(w io.Writer, d Drawing) error {
	var b, edges strings.Builder
	nodes, ids := d.nodes()
	fmt.Fprintf(&b, "flowchart LR\n  subgraph env[\"%s\"]\n", MermaidText(d.title()))
	for _, n := range nodes {
		fmt.Fprintf(&b, "    %s[\"%s\"]:::%s\n", n.id, MermaidText(n.lines...), n.class)
	}
	b.WriteString("  end\n")
	others := d.eachEdge(ids, func(from, to string) { fmt.Fprintf(&edges, "  %s --> %s\n", from, to) },
		func(from, to string) { fmt.Fprintf(&edges, "  %s -. shares .-> %s\n", from, to) })
	for i, env := range others {
		fmt.Fprintf(&b, "  e%d([\"%s\"])\n", i+1, MermaidText(clean(env, false)))
	}
	b.WriteString(edges.String())
	for _, c := range colors {
		if slices.ContainsFunc(nodes, func(n node) bool { return n.class == c[0] }) {
			fmt.Fprintf(&b, "  classDef %s stroke:%s,stroke-width:2px\n", c[0], c[1])
		}
	}
	return write(w, b.String())
}

// MermaidText is a label of several lines. Mermaid has its own form of HTML's entities.
func MermaidText(lines ...string) string {
	return labelOf(lines, "<br/>", strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;", "#", "#35;", "&", "#amp;", "`", "#96;"))
}

// DOT writes the drawing in the language of Graphviz, whose dot makes SVG of it.
// https://graphviz.org/doc/info/lang.html
func DOT(w io.Writer, d Drawing) error {
	var b, edges strings.Builder
	nodes, ids := d.nodes()
	b.WriteString("digraph flowbed {\n  rankdir=LR\n  node [shape=box]\n  subgraph cluster_env {\n")
	fmt.Fprintf(&b, "    label=\"%s\"\n", DOTText(d.title()))
	for _, n := range nodes {
		fmt.Fprintf(&b, "    %s [label=\"%s\"%s]\n", n.id, DOTText(n.lines...), dotColor(n.class))
	}
	b.WriteString("  }\n")
	others := d.eachEdge(ids, func(from, to string) { fmt.Fprintf(&edges, "  %s -> %s\n", from, to) },
		func(from, to string) { fmt.Fprintf(&edges, "  %s -> %s [style=dashed, label=\"shares\"]\n", from, to) })
	for i, env := range others {
		fmt.Fprintf(&b, "  e%d [label=\"%s\", shape=oval]\n", i+1, DOTText(clean(env, false)))
	}
	return write(w, b.String()+edges.String()+"}\n")
}

// DOTText is a label of several lines.
func DOTText(lines ...string) string {
	return labelOf(lines, `\n`, strings.NewReplacer(`\`, `\\`, `"`, `\"`))
}

func labelOf(lines []string, between string, escape *strings.Replacer) string {
	var list []string
	for _, l := range lines {
		list = append(list, escape.Replace(l))
	}
	return strings.Join(list, between)
}

func dotColor(class string) string {
	for _, c := range colors {
		if c[0] == class {
			return fmt.Sprintf(", color=%q", c[1])
		}
	}
	return ""
}
