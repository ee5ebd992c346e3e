package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// compact writes one line for an action: what, which object, and which of its fields.
func (o Options) compact(b *strings.Builder, a provision.Action, width int) {
	m := markOf(a)
	step := clean(a.Step, false)
	line := m.symbol + " " + pad(m.word, 9) + " " + pad(step, width)
	about := compactly(a)
	if room := o.Width - cells(line) - 2; o.Width > 0 {
		about = cut(about, max(room, 16))
	}
	b.WriteString(o.paint(m.symbol+" "+pad(m.word, 9), m.style) + " " + o.paint(step, bold))
	if about != "" {
		b.WriteString(strings.Repeat(" ", width-cells(step)) + "  " + o.paint(about, dim))
	}
	b.WriteString("\n")
}

// compactly is what a line says of an action: the object, the fields that change, and how many
// warnings and errors there are. The message of the command has the errors.
func compactly(a provision.Action) string {
	var fields []string
	if a.Op == provision.Update || a.Op == provision.Replace {
		for _, c := range a.Changes {
			fields = append(fields, clean(c.Field, false))
		}
	}
	text := clean(a.Object, false)
	if len(fields) > 0 {
		text = strings.TrimPrefix(text+": "+strings.Join(slices.Compact(fields), ", "), ": ")
	}
	var rest []string
	if w := whose(a); w != "" {
		rest = append(rest, w)
	}
	if a.Awaits != "" {
		rest = append(rest, "cannot be read without "+clean(a.Awaits, false))
	}
	for _, n := range []struct {
		severity  provision.Severity
		one, many string
	}{{provision.Warn, "warning", "warnings"}, {provision.Error, "error", "errors"}} {
		if k := countNotes(a, n.severity); k > 0 {
			rest = append(rest, plural(k, n.one, n.many))
		}
	}
	if len(rest) > 0 {
		text = strings.TrimSpace(fmt.Sprintf("%s (%s)", text, strings.Join(rest, ", ")))
	}
	return text
}

func countNotes(a provision.Action, s provision.Severity) (n int) {
	for _, note := range a.Notes {
		if note.Severity == s {
			n++
		}
	}
	return n
}
