// Package columns measures text in the columns of a terminal, and fits it into a number
// of them. All texts for people are wrapped here: at words, and nowhere else.
//
// A wide character takes two columns, a combining one none, and an emoji of several
// characters as many as one. The text must have no escape sequences.
package columns

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// Of is the number of columns that a text takes. The text must have no line breaks.
func Of(s string) int { return displaywidth.String(s) }

// Pad adds spaces at the end, up to a number of columns.
func Pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-Of(s)))
}

// Cut shortens a text to a number of columns, with an ellipsis at the end. 0 does not
// shorten it.
func Cut(s string, width int) string {
	if width <= 0 || Of(s) <= width {
		return s
	}
	return displaywidth.TruncateString(s, width, "…")
}

// Wrap breaks a text at spaces into lines of at most width columns; 0 does not wrap. A
// word that is longer than a line stays whole, so that it can be copied. Lines of an
// indented text stay indented.
func Wrap(s string, width int) (lines []string) {
	for _, l := range strings.Split(s, "\n") {
		if width <= 0 || Of(l) <= width {
			lines = append(lines, l)
			continue
		}
		lines = append(lines, wrapLine(l, width)...)
	}
	return lines
}

func wrapLine(l string, width int) (lines []string) {
	indent := l[:len(l)-len(strings.TrimLeft(l, " "))]
	line := ""
	for _, word := range strings.Fields(l) {
		if line != "" && Of(line+" "+word) > width {
			lines, line = append(lines, line), ""
		}
		if line == "" {
			line = indent + word
		} else {
			line += " " + word
		}
	}
	return append(lines, line)
}
