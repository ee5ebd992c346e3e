package faultmatrix

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Table holds the outcomes of runs: a row for each write, a column for each fault.
type Table map[string]map[Fault]string

// Set records the outcome for one call and fault.
func (t Table) Set(call string, f Fault, verdict string) {
	if t[call] == nil {
		t[call] = map[Fault]string{}
	}
	t[call][f] = verdict
}

// Markdown returns the table with sorted rows.
func (t Table) Markdown(faults []Fault) string {
	var b strings.Builder
	b.WriteString("| call |")
	for _, f := range faults {
		fmt.Fprintf(&b, " %s |", f)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(faults)) + "\n")
	for _, call := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "| %s |", call)
		for _, f := range faults {
			fmt.Fprintf(&b, " %s |", t[call][f])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// marks returns the comments around the part of a document that a test writes.
func marks(part string) (from, to string) {
	return "<!-- " + part + ": written by a test -->\n", "<!-- end of " + part + " -->\n"
}

// Part reads a part of a document.
func Part(path, part string) (string, error) {
	_, text, _, err := cut(path, part)
	return text, err
}

// Replace overwrites a part of a document.
func Replace(path, part, text string) error {
	before, _, after, err := cut(path, part)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(before+text+after), 0o644)
}

func cut(path, part string) (before, text, after string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", "", "", err
	}
	from, to := marks(part)
	before, rest, ok1 := strings.Cut(string(b), from)
	text, after, ok2 := strings.Cut(rest, to)
	if !ok1 || !ok2 {
		return "", "", "", fmt.Errorf("%s has no part %q", path, part)
	}
	return before + from, text, to + after, nil
}

// Parse reads a table that Markdown wrote.
func Parse(text string, faults []Fault) Table {
	t := Table{}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if i < 2 || len(cells) != len(faults)+1 {
			continue
		}
		for j, f := range faults {
			t.Set(strings.TrimSpace(cells[0]), f, strings.TrimSpace(cells[j+1]))
		}
	}
	return t
}
