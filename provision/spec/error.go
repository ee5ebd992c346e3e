package spec

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Error is everything that is wrong with a spec. It holds no secret: neither its
// texts nor the lines of the file that WriteTo shows.
type Error struct {
	Diags hcl.Diagnostics
	Files map[string]*hcl.File // with secrets made unreadable
}

// Error is one line for each diagnostic.
func (e *Error) Error() string {
	var b bytes.Buffer
	for i, d := range e.Diags {
		if i > 0 {
			b.WriteByte('\n')
		}
		if d.Subject != nil {
			fmt.Fprintf(&b, "%s:%d: ", d.Subject.Filename, d.Subject.Start.Line)
		}
		fmt.Fprintf(&b, "%s: %s", d.Summary, d.Detail)
	}
	return b.String()
}

// WriteTo writes the diagnostics with the lines of the file that they are about.
// A width of 0 does not wrap lines.
func (e *Error) WriteTo(w io.Writer, width int, color bool) error {
	return write(w, e.Files, e.Diags, width, color)
}

// WriteWarnings writes the warnings as [Error.WriteTo] writes errors.
func (f *File) WriteWarnings(w io.Writer, width int, color bool) error {
	return write(w, f.hidden.mask(f.files), f.Warnings, width, color)
}

// fail makes an error of diagnostics. Errors come in the file's order, and
// before the warnings.
func (f *File) fail(diags hcl.Diagnostics) *Error {
	diags = f.hidden.scrub(diags)
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Severity != b.Severity {
			return int(a.Severity) - int(b.Severity)
		}
		return position(a) - position(b)
	})
	return &Error{Diags: diags, Files: f.hidden.mask(f.files)}
}

func position(d *hcl.Diagnostic) int {
	if d.Subject == nil {
		return -1
	}
	return d.Subject.Start.Byte
}

// mask is the files with the secrets in them overwritten, so that a line can be
// shown and every position in it still fits.
func (h *hidden) mask(files map[string]*hcl.File) map[string]*hcl.File {
	masked := maps.Clone(files)
	for name, file := range masked {
		c := *file
		c.Bytes = h.overwrite(file.Bytes)
		masked[name] = &c
	}
	return masked
}
