package view

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/columns"
)

// style is an SGR sequence of a terminal.
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	purple style = "35"
	cyan   style = "36"
	banner style = "1;37;41"
)

func (o Options) paint(s string, in ...style) string {
	if !o.Color || s == "" {
		return s
	}
	for _, st := range in {
		if st == "" {
			continue
		}
		s = "\x1b[" + string(st) + "m" + s + "\x1b[0m"
	}
	return s
}

// mark is how an op is shown. The symbol always comes with the word.
type mark struct {
	symbol, word string
	past         string // for a finished step
	style        style
}

var marks = map[provision.Op]mark{
	provision.None:     {"·", "unchanged", "unchanged", dim},
	provision.Create:   {"+", "create", "created", green},
	provision.Update:   {"~", "change", "changed", yellow},
	provision.Replace:  {"±", "replace", "replaced", purple},
	provision.Delete:   {"-", "delete", "deleted", red},
	provision.Release:  {"-", "release", "released", red},
	provision.Use:      {"·", "use", "used", cyan},
	provision.Conflict: {"!", "conflict", "in conflict", red},
	provision.Missing:  {"!", "missing", "missing", red},
	provision.Skip:     {"·", "skip", "skipped", cyan},
	provision.Leave:    {"!", "leave", "left", yellow},
}

// clean escapes control characters, so that text from outside, such as a tag's value,
// cannot move the cursor. With lines, it keeps line breaks and tabs. What is not UTF-8
// becomes a replacement character, because nobody knows how wide a terminal shows it.
func clean(s string, lines bool) string {
	bad := func(r rune) bool {
		if r == '\n' || r == '\t' {
			return !lines
		}
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
	}
	s = strings.ToValidUTF8(s, "\ufffd")
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if bad(r) {
			q := fmt.Sprintf("%+q", r)
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Clean is a text of several lines without control characters: it may come from outside, such as the
// log of a program.
func Clean(text string) string { return clean(text, true) }

// cells is the width of a text in columns. The text must have no color and no line
// breaks.
func cells(s string) int { return columns.Of(s) }

// strip removes the color from a line that paint colored.
func strip(s string) string {
	for {
		before, rest, ok := strings.Cut(s, "\x1b[")
		if !ok {
			return s
		}
		_, after, _ := strings.Cut(rest, "m")
		s = before + after
	}
}

func pad(s string, width int) string { return columns.Pad(s, width) }

func cut(s string, width int) string { return columns.Cut(s, width) }

func wrap(s string, width int) []string { return columns.Wrap(s, width) }

// narrowIndent is the indent of a text whose words are too long for the rest of the line.
const narrowIndent = 6

// fit writes a prefix and a text. It wraps the text and aligns its lines. If a word is too
// long for that, such as an ARN, the text begins on a line of its own.
func (o Options) fit(b *strings.Builder, first, text string, in ...style) {
	indent := cells(first)
	width := 0
	if o.Width > 0 {
		width = max(o.Width-indent, 16)
	}
	if longest := longestWord(text); width > 0 && longest > width && indent > narrowIndent && longest <= o.Width-narrowIndent {
		b.WriteString(strings.TrimRight(first, " ") + "\n")
		first, indent, width = strings.Repeat(" ", narrowIndent), narrowIndent, o.Width-narrowIndent
	}
	for i, l := range wrap(text, width) {
		if i > 0 {
			first = strings.Repeat(" ", indent)
		}
		b.WriteString(first + o.paint(l, in...) + "\n")
	}
}

func longestWord(text string) (n int) {
	for _, w := range strings.Fields(text) {
		n = max(n, cells(w))
	}
	return n
}

// seconds is an elapsed time for people.
func seconds(d time.Duration) string {
	switch d = d.Round(100 * time.Millisecond); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Round(time.Second).Seconds()))
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
