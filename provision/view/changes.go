package view

import (
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// changes writes an action's differences. An object to create gets one line for each
// field, even for a document, unless Options.Full is set.
func (o Options) changes(b *strings.Builder, a provision.Action) {
	width := 0
	for _, c := range a.Changes {
		width = max(width, cells(clean(c.Field, false)))
	}
	width = min(width, 32)
	for i, c := range a.Changes {
		if a.Op == provision.Create {
			o.created(b, c, a.Object, width)
			continue
		}
		o.changed(b, c, width)
		if r := why(c); !slices.ContainsFunc(a.Changes[i+1:], func(later provision.Change) bool { return why(later) == r }) {
			o.because(b, c)
		}
	}
}

// because writes why a change needs a new object. Changes with the same reason say it once, after
// the last of them.
func (o Options) because(b *strings.Builder, c provision.Change) {
	if c.Why != "" {
		o.fit(b, "      because ", clean(c.Why, false), dim)
	} else if c.Replace {
		o.fit(b, "      ", "cannot be changed in place", dim)
	}
}

// why is what because writes, for comparison.
func why(c provision.Change) string {
	if c.Why == "" && !c.Replace {
		return ""
	}
	return "because " + c.Why
}

func (o Options) created(b *strings.Builder, c provision.Change, object string, width int) {
	text := clean(c.To.String(), true)
	if c.Field == "tags" && !o.Full {
		text = clean(userTags(c.To.String(), object), true)
	}
	if c.To.IsNothing() || text == "" {
		return
	}
	name := "    " + pad(clean(c.Field, false), width) + "  "
	switch {
	case c.To.IsJSON() && o.Full:
		b.WriteString(strings.TrimRight(name, " ") + "\n")
		for _, l := range pretty(c.To.String()) {
			b.WriteString("      " + clean(l, false) + "\n")
		}
	case c.To.IsJSON():
		b.WriteString(name + o.outline(c.To, cells(name)) + "\n")
	case c.To.IsScript():
		o.script(b, name, c.To)
	default:
		o.fit(b, name, text)
	}
}

// userTags leaves out the tags that flowbed adds to every object, and the name that the heading
// has.
func userTags(list, object string) string {
	rest := slices.DeleteFunc(strings.Split(list, ", "), func(t string) bool {
		return strings.HasPrefix(t, "flowbed:") || t == "Name="+object
	})
	return strings.Join(rest, ", ")
}

func (o Options) changed(b *strings.Builder, c provision.Change, width int) {
	name := "    " + pad(clean(c.Field, false), width) + "  "
	from, to := c.From, c.To
	switch {
	case from.IsJSON() && to.IsJSON():
		o.line(b, name)
		o.diff(b, documentDiff(from.String(), to.String(), o.Full))
	case from.IsJSON(), to.IsJSON():
		o.line(b, name)
		o.whole(b, "- ", from, red)
		o.whole(b, "+ ", to, green)
	case from.IsScript(), to.IsScript():
		o.scripts(b, name, c)
	default:
		o.sides(b, name, from, to)
	}
}

func (o Options) line(b *strings.Builder, s string) {
	b.WriteString(strings.TrimRight(s, " ") + "\n")
}

// sides writes both sides of a difference on one line, or on two lines if they do not
// fit.
func (o Options) sides(b *strings.Builder, name string, from, to provision.Value) {
	f, t := clean(show(from), true), clean(show(to), true)
	if !strings.Contains(f+t, "\n") && (o.Width <= 0 || cells(name)+cells(f)+4+cells(t) <= o.Width) {
		b.WriteString(name + o.paint(f, red) + " → " + o.paint(t, green) + "\n")
		return
	}
	o.line(b, name)
	o.fit(b, "      - ", f, red)
	o.fit(b, "      + ", t, green)
}

// whole writes a document that exists on one side only.
func (o Options) whole(b *strings.Builder, sign string, v provision.Value, st style) {
	switch {
	case v.IsNothing():
	case v.IsJSON() && o.Full:
		for _, l := range pretty(v.String()) {
			b.WriteString("      " + o.paint(sign+clean(l, false), st) + "\n")
		}
	case v.IsJSON():
		b.WriteString("      " + o.paint(sign+o.outline(v, 8), st) + "\n")
	default:
		o.fit(b, "      "+sign, clean(v.String(), true), st)
	}
}

// outline shortens a document to the rest of a line. Without a width, a line has 120
// columns.
func (o Options) outline(v provision.Value, taken int) string {
	width := 120
	if o.Width > 0 {
		width = o.Width
	}
	return cut(clean(outline(v.String()), false), max(width-taken, 24))
}

func (o Options) diff(b *strings.Builder, lines []diffLine) {
	for _, l := range lines {
		st := style("")
		switch l.sign {
		case '-':
			st = red
		case '+':
			st = green
		case '…':
			st = dim
		}
		sign := string(l.sign)
		if l.sign == '…' {
			sign = " "
		}
		text := "      " + o.paint(sign+" "+clean(l.text, true), st)
		if l.text == "" {
			text = strings.TrimRight("      "+o.paint(strings.TrimSpace(sign), st), " ")
		}
		b.WriteString(text + "\n")
	}
}

func show(v provision.Value) string {
	if v.IsNothing() {
		return "(none)"
	}
	return v.String()
}
