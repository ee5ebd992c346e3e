package view

import (
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/flowbed/flowbed/provision"
)

// maxDiff is how many lines of a script's diff a plan shows, unless Options.Full is set.
const maxDiff = 40

// script writes a script that is new: its length, or all of it with Options.Full.
func (o Options) script(b *strings.Builder, name string, v provision.Value) {
	if !o.Full {
		o.fit(b, name, scriptSize(v)+"; -v shows them")
		return
	}
	o.line(b, name)
	for _, l := range scriptLines(v.String()) {
		if l != "" {
			l = "      " + clean(l, true)
		}
		b.WriteString(l + "\n")
	}
}

// scripts writes why a script differs, and in what.
func (o Options) scripts(b *strings.Builder, name string, c provision.Change) {
	if len(c.Causes) > 0 {
		o.fit(b, name, clean(strings.Join(c.Causes, "; "), false), bold)
	} else {
		o.line(b, name)
	}
	switch {
	case c.From.IsScript() && c.To.IsScript():
		o.diff(b, o.scriptDiff(c.From.String(), c.To.String()))
	case c.From.IsNothing() && o.Full:
		o.diff(b, signed('+', scriptLines(c.To.String())))
	case c.From.IsNothing():
		o.fit(b, "      + ", scriptSize(c.To)+"; -v shows them", green)
	default:
		o.fit(b, "      - ", clean(show(scriptSide(c.From)), true), red)
		o.fit(b, "      + ", clean(show(scriptSide(c.To)), true), green)
	}
}

// scriptSide is a side of a difference of which only one side is a script.
func scriptSide(v provision.Value) provision.Value {
	if v.IsScript() {
		return provision.Text(scriptSize(v))
	}
	return v
}

func scriptSize(v provision.Value) string {
	return plural(len(scriptLines(v.String())), "line", "lines")
}

func scriptLines(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }

// scriptDiff compares two scripts line by line, with three lines around each difference.
func (o Options) scriptDiff(from, to string) (lines []diffLine) {
	all := unified(from, to)
	if all == "" {
		return []diffLine{{'…', "the script is the same"}}
	}
	for _, l := range scriptLines(all) {
		switch {
		case strings.HasPrefix(l, "@@ "):
			lines = append(lines, diffLine{'…', l})
		case strings.HasPrefix(l, `\`):
			lines = append(lines, diffLine{'…', strings.TrimPrefix(l, `\ `)})
		default:
			lines = append(lines, diffLine{rune(l[0]), l[1:]})
		}
	}
	if !o.Full && len(lines) > maxDiff {
		rest := len(lines) - maxDiff
		lines = append(lines[:maxDiff], diffLine{'…', fmt.Sprintf("… %d more lines; -v shows them", rest)})
	}
	return lines
}

// unified is the difference of two texts in the unified format, without its head; empty if they
// are equal.
func unified(from, to string) string {
	text := string(diff.Diff("from", []byte(from), "to", []byte(to)))
	at := strings.Index(text, "\n@@ ")
	if at < 0 {
		return ""
	}
	return text[at+1:]
}
