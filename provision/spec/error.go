package spec

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Error is the list of all mistakes in a file. It contains no secret, neither in its
// messages nor in the lines of the file that WriteTo shows.
type Error struct {
	Diags hcl.Diagnostics
	Files map[string]*hcl.File // with secrets overwritten
}

// Error returns one line for each diagnostic.
func (e *Error) Error() string {
	var b bytes.Buffer
	for i, d := range e.Diags[:min(len(e.Diags), mostShown)] {
		if i > 0 {
			b.WriteByte('\n')
		}
		if d.Subject != nil {
			fmt.Fprintf(&b, "%s:%d: ", d.Subject.Filename, d.Subject.Start.Line)
		}
		fmt.Fprintf(&b, "%s: %s", lower(d.Summary), oneLine(shorten(d.Detail)))
	}
	if more := len(e.Diags) - mostShown; more > 0 {
		fmt.Fprintf(&b, "\n%d more messages are not shown", more)
	}
	return b.String()
}

// oneLine is a text without line breaks: it may quote a value that has some.
func oneLine(s string) string { return strings.ReplaceAll(plain(s), "\n", " ") }

// WriteTo writes the diagnostics with the lines of the file that they point at, and
// wraps texts at width columns; 0 does not wrap them.
func (e *Error) WriteTo(w io.Writer, width int, color bool) error {
	return write(w, e.Files, e.Diags, width, color)
}

// WriteWarnings writes the warnings the way [Error.WriteTo] writes errors.
func (f *File) WriteWarnings(w io.Writer, width int, color bool) error {
	return write(w, f.hidden.mask(f.files), f.Warnings, width, color)
}

// fail turns diagnostics into an error: errors first, then warnings, each in the
// order of the file.
func (f *File) fail(diags hcl.Diagnostics) *Error {
	diags = f.hidden.scrub(diags)
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Severity != b.Severity {
			return int(a.Severity) - int(b.Severity)
		}
		return cmp.Or(strings.Compare(subject(a).Filename, subject(b).Filename), position(a)-position(b))
	})
	files := f.hidden.mask(f.files)
	for _, d := range diags {
		if file := files[subject(d).Filename]; file != nil {
			if _, _, hidden := hides(file, subject(d)); hidden {
				quiet(d)
			}
		}
	}
	return &Error{Diags: diags, Files: files}
}

func position(d *hcl.Diagnostic) int {
	if d.Subject == nil {
		return -1
	}
	return d.Subject.Start.Byte
}

// mask returns the files with their secrets overwritten. It keeps every position,
// so that a line can still be shown and underlined.
func (h *hidden) mask(files map[string]*hcl.File) map[string]*hcl.File {
	masked := maps.Clone(files)
	for name, file := range masked {
		c := *file
		c.Bytes = h.overwrite(file.Bytes, name)
		masked[name] = &c
	}
	return masked
}
