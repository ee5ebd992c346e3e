package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Plan writes a plan: the account, the planned changes, and a summary. It shows an
// unchanged step only if the step has a note, or with Options.Full. With Options.Compact,
// each step is one line.
func Plan(w io.Writer, p provision.Plan, o Options) error {
	var b strings.Builder
	o.header(&b)
	width := 0
	for _, a := range p.Actions {
		if o.shows(a) {
			width = max(width, cells(clean(a.Step, false)))
		}
	}
	shown := 0
	for _, a := range p.Actions {
		switch {
		case !o.shows(a):
			continue
		case o.Compact:
			o.compact(&b, a, width)
		default:
			o.action(&b, a, width)
		}
		shown++
	}
	if shown > 0 {
		b.WriteString("\n")
	}
	o.fit(&b, "", o.summary(p), bold)
	o.cost(&b, o.Cost)
	return write(w, b.String())
}

func (o Options) header(b *strings.Builder) {
	h := o.Header
	if h.empty() {
		return
	}
	for _, l := range h.Banners() {
		b.WriteString(o.paint(l, banner) + "\n\n")
	}
	rows := append([][2]string{
		{"environment", h.Environment}, {"account", h.Account}, {"caller", h.Caller}, {"region", h.Region},
	}, h.endpoints()...)
	width := 0
	for _, r := range rows {
		width = max(width, cells(r[0])+2)
	}
	for _, r := range rows {
		b.WriteString(o.paint(pad(r[0], width), dim) + clean(r[1], false) + "\n")
	}
	b.WriteString("\n")
}

func (o Options) shows(a provision.Action) bool {
	notes := len(a.Notes)
	if o.Compact {
		notes -= countNotes(a, provision.Info)
	}
	return o.Full || a.Op != provision.None || a.Err != nil || notes > 0
}

func markOf(a provision.Action) mark {
	if a.Err != nil {
		return mark{"?", "unknown", "", red}
	}
	return marks[a.Op]
}

func (o Options) action(b *strings.Builder, a provision.Action, width int) {
	m := markOf(a)
	b.WriteString(o.paint(m.symbol+" "+pad(m.word, 9), m.style) + " " + o.paint(clean(a.Step, false), bold))
	if why := about(a); why != "" {
		b.WriteString(strings.Repeat(" ", width-cells(clean(a.Step, false))) + "  " + o.paint(why, dim))
	}
	b.WriteString("\n")
	o.changes(b, a)
	switch {
	case a.Awaits != "":
		o.fit(b, "    ", "cannot be read without "+clean(a.Awaits, false), dim)
	case a.Err != nil:
		o.fit(b, "    ", "cannot read it: "+o.message(a.Err), red)
	}
	for _, n := range a.Notes {
		o.note(b, n)
	}
}

// about names the object and, if it is not obvious, its owner.
func about(a provision.Action) string {
	return strings.Join(slices.DeleteFunc([]string{clean(a.Object, false), whose(a)},
		func(s string) bool { return s == "" }), ", ")
}

func whose(a provision.Action) string {
	switch {
	case a.Op != provision.Use && a.Op != provision.Update:
		return ""
	case a.Owner.By == "":
		return "created outside flowbed"
	case a.Op == provision.Use:
		return "created by " + clean(a.Owner.By, false)
	}
	return ""
}

func (o Options) note(b *strings.Builder, n provision.Note) {
	first, st := "    ", dim
	switch n.Severity {
	case provision.Warn:
		first, st = "    warning: ", yellow
	case provision.Error:
		first, st = "    error: ", red
	}
	o.fit(b, first, clean(n.Text, true), st)
}

// summary is the last line of a plan.
func (o Options) summary(p provision.Plan) string {
	n := tally(p)
	if n.unread == 0 && p.Err() == nil && p.Empty() {
		return o.nothing(n)
	}
	var s string
	if o.Verb == "down" {
		s = fmt.Sprintf("Plan: %d to delete", n.Delete)
	} else {
		s = fmt.Sprintf("Plan: %d to create, %d to change, %d to replace, %d to delete",
			n.Create, n.Change, n.Replace, n.Delete)
	}
	if n.Release > 0 {
		s += fmt.Sprintf(", %d to release", n.Release)
	}
	var rest []string
	if o.Verb != "down" {
		rest = append(rest, fmt.Sprintf("%d unchanged", n.Unchanged))
	}
	if n.Use > 0 {
		rest = append(rest, fmt.Sprintf("%d used as is", n.Use))
	}
	if n.Conflict > 0 {
		rest = append(rest, fmt.Sprintf("%d in conflict", n.Conflict))
	}
	if n.Missing > 0 {
		rest = append(rest, fmt.Sprintf("%d missing", n.Missing))
	}
	if n.Skip > 0 {
		rest = append(rest, fmt.Sprintf("%d skipped", n.Skip))
	}
	if n.Leave > 0 {
		rest = append(rest, fmt.Sprintf("%d left", n.Leave))
	}
	if n.unread > 0 {
		rest = append(rest, fmt.Sprintf("%d unknown", n.unread))
	}
	if len(rest) > 0 {
		s += "; " + strings.Join(rest, ", ")
	}
	s += "."
	if k := n.problems; k > 0 {
		s += " " + plural(k, "problem", "problems") + ": nothing will be changed."
	}
	return s
}

func (o Options) nothing(n Tally) string {
	if o.Verb == "down" {
		s := "Nothing to delete."
		if h := o.Header; !h.empty() {
			s = fmt.Sprintf("No resources of environment %s in account %s, region %s.",
				clean(h.Environment, false), clean(h.Account, false), clean(h.Region, false))
		}
		if n.Skip > 0 {
			s += fmt.Sprintf(" %d skipped.", n.Skip)
		}
		if n.Leave > 0 {
			s += fmt.Sprintf(" %d left.", n.Leave)
		}
		return s
	}
	s := fmt.Sprintf("Nothing to do: %d unchanged", n.Unchanged)
	if n.Use > 0 {
		s += fmt.Sprintf(", %d used as is", n.Use)
	}
	return s + "."
}

// Tally counts a plan's steps by their action.
type Tally struct {
	Create    int `json:"create"`
	Change    int `json:"change"`
	Replace   int `json:"replace"`
	Delete    int `json:"delete"`
	Release   int `json:"release"`
	Use       int `json:"use"`
	Conflict  int `json:"conflict"`
	Missing   int `json:"missing"`
	Skip      int `json:"skip"`
	Leave     int `json:"leave"`
	Unchanged int `json:"unchanged"`

	unread   int // steps that could not be read
	problems int
}

func tally(p provision.Plan) Tally {
	t := Tally{
		Create: p.Count(provision.Create), Change: p.Count(provision.Update),
		Replace: p.Count(provision.Replace), Delete: p.Count(provision.Delete),
		Release: p.Count(provision.Release), Use: p.Count(provision.Use),
		Conflict: p.Count(provision.Conflict), Missing: p.Count(provision.Missing), Skip: p.Count(provision.Skip),
		Leave: p.Count(provision.Leave),
	}
	for _, a := range p.Actions {
		switch {
		case a.Err != nil:
			t.unread++
		case a.Op == provision.None:
			t.Unchanged++
		}
	}
	t.problems = len(split(p.Err()))
	return t
}
