package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// diffLine is one line of a diff. The sign is '-' or '+' for a difference, ' ' for
// context, and '…' for omitted lines.
type diffLine struct {
	sign rune
	text string
}

// documentDiff compares two JSON documents member by member. It shows only the
// differences and the members around them. If an object differs in one member, its
// other simple members stay visible, so that a reader can tell which object it is. Unless
// full is set, a member that only one document has is one line, and a long comparison is cut.
func documentDiff(from, to string, full bool) []diffLine {
	f, ok1 := parse(from)
	t, ok2 := parse(to)
	if !ok1 || !ok2 {
		return append(signed('-', strings.Split(from, "\n")), signed('+', strings.Split(to, "\n"))...)
	}
	if same(f, t) {
		return []diffLine{{'…', "only the order or the formatting differs"}}
	}
	d := differ{full: full}
	d.value("", "", f, t)
	if n := len(d.lines) - mostDiffLines; n > 1 && !full {
		return append(d.lines[:mostDiffLines], diffLine{'…', fmt.Sprintf("… %d more lines, with -v", n)})
	}
	return d.lines
}

func signed(sign rune, texts []string) (lines []diffLine) {
	for _, t := range texts {
		lines = append(lines, diffLine{sign, t})
	}
	return lines
}

// mostDiffLines is how many lines of a comparison are read without being asked for.
const mostDiffLines = 40

type differ struct {
	lines []diffLine
	full  bool
}

func (d *differ) add(sign rune, format string, args ...any) {
	d.lines = append(d.lines, diffLine{sign, fmt.Sprintf(format, args...)})
}

// value compares two values with the same label, such as `"Action": `.
func (d *differ) value(indent, label string, f, t any) {
	fo, ok1 := f.(map[string]any)
	to, ok2 := t.(map[string]any)
	if ok1 && ok2 {
		d.add(' ', "%s%s{", indent, label)
		d.object(indent+"  ", fo, to)
		d.add(' ', "%s}", indent)
		return
	}
	_, ok1 = f.([]any)
	_, ok2 = t.([]any)
	if ok1 || ok2 {
		d.add(' ', "%s%s[", indent, label)
		d.list(indent+"  ", list(f), list(t))
		d.add(' ', "%s]", indent)
		return
	}
	d.whole('-', indent, label, f)
	d.whole('+', indent, label, t)
}

// whole adds a value that exists on one side only.
func (d *differ) whole(sign rune, indent, label string, v any) {
	if short := member(v); short != "" && !d.full {
		d.add(sign, "%s%s%s", indent, label, short)
		return
	}
	for i, l := range pretty(encode(v)) {
		if i == 0 {
			l = label + l
		}
		d.add(sign, "%s%s", indent, l)
	}
}

// member is a value with members of its own on one line, a statement of a policy in words; empty
// for a simple value.
func member(v any) string {
	switch v := v.(type) {
	case map[string]any:
		if v["Effect"] == nil {
			return cut(encode(v), longestMember)
		}
		text := statement(v)
		if v["Resource"] == "*" { // which statement takes for granted
			text += " on *"
		}
		if sid, ok := v["Sid"].(string); ok && sid != "" {
			text = sid + ": " + text
		}
		return text
	case []any:
		if len(pretty(encode(v))) > 3 {
			return cut(encode(v), longestMember)
		}
	}
	return ""
}

const longestMember = 120 // columns

func (d *differ) object(indent string, f, t map[string]any) {
	all := maps.Clone(f)
	maps.Copy(all, t)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		label := encode(k) + ": "
		fv, inF := f[k]
		tv, inT := t[k]
		switch {
		case !inT:
			d.whole('-', indent, label, fv)
		case !inF:
			d.whole('+', indent, label, tv)
		case !same(fv, tv):
			d.value(indent, label, fv, tv)
		default:
			d.add(' ', "%s%s%s", indent, label, brief(fv))
		}
	}
}

// brief is an unchanged value: simple values in full, others as {…} or […].
func brief(v any) string {
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			return "{…}"
		}
	case []any:
		if len(v) == 1 && brief(v[0]) == encode(v[0]) {
			return encode(v)
		}
		if len(v) > 0 {
			return "[…]"
		}
	}
	return encode(v)
}

// list compares lists as sets, because most lists in AWS documents are sets. It pairs
// the objects that remain on both sides, by their Sid or by their order, and shows them
// as changed.
func (d *differ) list(indent string, f, t []any) {
	gone, came := without(f, t), without(t, f)
	if n := len(f) - len(gone); n > 0 {
		d.add('…', "%s… %d unchanged", indent, n)
	}
	for _, g := range gone {
		i := partner(g, came)
		if i < 0 {
			d.whole('-', indent, "", g)
			continue
		}
		d.value(indent, "", g, came[i])
		came = slices.Delete(came, i, i+1)
	}
	for _, c := range came {
		d.whole('+', indent, "", c)
	}
}

// without returns the elements of a that are not in b. It counts duplicates.
func without(a, b []any) (rest []any) {
	count := map[string]int{}
	for _, v := range b {
		count[encode(normal(v))]++
	}
	for _, v := range a {
		key := encode(normal(v))
		if count[key]--; count[key] < 0 {
			rest = append(rest, v)
		}
	}
	return rest
}

func same(a, b any) bool { return encode(normal(a)) == encode(normal(b)) }

// normal is the canonical form of a value: a list with one element becomes that
// element, and lists are sorted.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = normal(e)
		}
		return m
	case []any:
		if len(v) == 1 {
			return normal(v[0])
		}
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = normal(e)
		}
		slices.SortFunc(l, func(a, b any) int { return strings.Compare(encode(a), encode(b)) })
		return l
	}
	return v
}

// partner is the index of the new version of an object, or -1.
func partner(g any, came []any) int {
	o, ok := g.(map[string]any)
	if !ok {
		return -1
	}
	return slices.IndexFunc(came, func(c any) bool {
		p, ok := c.(map[string]any)
		return ok && encode(o["Sid"]) == encode(p["Sid"])
	})
}
