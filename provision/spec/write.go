package spec

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/flowbed/flowbed/provision/columns"
)

// write renders diagnostics: what is wrong, the line of the file, and a hint. HCL's
// own writer underlines with color only, which is lost without a terminal, and it
// shows the values of variables.
func write(w io.Writer, files map[string]*hcl.File, diags hcl.Diagnostics, width int, color bool) error {
	var b bytes.Buffer
	p := painter{&b, color}
	for _, d := range diags[:min(len(diags), mostShown)] {
		p.head(d)
		at := subject(d)
		if file := files[at.Filename]; file != nil {
			p.snippet(file, at)
		} else if at.Filename != "" { // a file whose text may be secret
			fmt.Fprintf(&b, "  on %s line %d\n\n", at.Filename, at.Start.Line)
		}
		detail, hint, hinted := strings.Cut(d.Detail, " → ")
		fmt.Fprintf(&b, "%s\n", wrap(detail, width, ""))
		if hinted {
			fmt.Fprintf(&b, "  → %s\n", wrap(hint, width, "    "))
		}
		b.WriteByte('\n')
	}
	if more := len(diags) - mostShown; more > 0 {
		fmt.Fprintf(&b, "%d more messages are not shown.\n\n", more)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write diagnostics: %w", err)
	}
	return nil
}

func subject(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{}
	}
	return *d.Subject
}

type painter struct {
	out   *bytes.Buffer
	color bool
}

func (p painter) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) head(d *hcl.Diagnostic) {
	word := p.paint("1;31", "error:")
	if d.Severity == hcl.DiagWarning {
		word = p.paint("1;33", "warning:")
	}
	fmt.Fprintf(p.out, "%s %s\n\n", word, lower(d.Summary))
}

// mostShown is how many mistakes are shown: nobody corrects more at once.
const mostShown = 50

// hides reports whether the line of a place may be a part of a secret. It returns where the
// line begins and ends.
func hides(file *hcl.File, at hcl.Range) (first, last int, hidden bool) {
	start := min(at.Start.Byte, len(file.Bytes))
	first, last = bytes.LastIndexByte(file.Bytes[:start], '\n')+1, len(file.Bytes)
	if i := bytes.IndexByte(file.Bytes[start:], '\n'); i >= 0 {
		last = start + i
	}
	return first, last, bytes.IndexByte(file.Bytes[first:last], masked) >= 0
}

// longestLine is the longest line of a file that is shown. A longer one is no help.
const longestLine = 500

// snippet shows the first line of the range and underlines the range in it.
func (p painter) snippet(file *hcl.File, at hcl.Range) {
	start := min(at.Start.Byte, len(file.Bytes))
	end := min(max(at.End.Byte, start), len(file.Bytes))
	first, last, hidden := hides(file, at)
	if hidden || last-first > longestLine {
		within := ""
		if name := attributeAt(file, at); name != "" {
			within = ", in " + name
		}
		fmt.Fprintf(p.out, "  on %s line %d, column %d%s\n\n", at.Filename, at.Start.Line, at.Start.Column, within)
		return
	}
	within := ""
	if nav, ok := file.Nav.(interface{ ContextString(offset int) string }); ok {
		if s := nav.ContextString(at.Start.Byte); s != "" {
			within = ", in " + s
		}
	}
	fmt.Fprintf(p.out, "  on %s line %d%s:\n", at.Filename, at.Start.Line, within)
	end = min(end, last)
	line := strings.TrimRight(string(file.Bytes[first:last]), "\r")
	fmt.Fprintf(p.out, "  %4d: %s\n", at.Start.Line, plain(line))
	indent := below(string(file.Bytes[first:start]))
	carets := strings.Repeat("^", max(1, columns.Of(strings.TrimRight(string(file.Bytes[start:end]), "\r"))))
	fmt.Fprintf(p.out, "        %s%s\n\n", indent, p.paint("1;31", carets))
}

// below is the space under a text. A tab under a tab keeps the columns aligned.
func below(text string) string {
	parts := strings.Split(text, "\t")
	for i, p := range parts {
		parts[i] = strings.Repeat(" ", columns.Of(p))
	}
	return strings.Join(parts, "\t")
}

// plain replaces characters that could move a terminal's cursor.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == 0x7f {
			return utf8.RuneError
		}
		return r
	}, s)
}

// lower is a summary after "error:". A word that starts with two capitals stays.
func lower(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' && !strings.HasPrefix(s, "Prefect") {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// shorten cuts very long words, such as values that somebody has pasted.
func shorten(s string) string {
	const most, kept = 300, 100
	if len(s) <= most {
		return s
	}
	words := strings.Split(s, " ")
	for i, w := range words {
		if len(w) > most {
			words[i] = strings.ToValidUTF8(w[:kept], "") + "…"
		}
	}
	return strings.Join(words, " ")
}

// wrap wraps a text, and indents every line but the first.
func wrap(s string, width int, indent string) string {
	if width > 0 {
		width = max(width-len(indent), 16)
	}
	return strings.Join(columns.Wrap(shorten(plain(s)), width), "\n"+indent)
}
