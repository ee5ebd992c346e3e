package spec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Problem is one diagnostic, for programs. Like the text of [Error.WriteTo], it has no secret.
type Problem struct {
	Severity     string // "error" or "warning"
	Summary      string
	Detail, Hint string
	File         string // as the user has named it; empty if the problem is in no file
	Line, Column int    // from 1; 0 if the problem has no place
}

// Problems are the diagnostics in the order of [Error.WriteTo], all of them.
func (e *Error) Problems() []Problem { return problems(e.Diags) }

// Problems are the warnings about the file.
func (f *File) Problems() []Problem { return problems(f.Warnings) }

func problems(diags hcl.Diagnostics) []Problem {
	list := make([]Problem, len(diags))
	for i, d := range diags {
		detail, hint, _ := strings.Cut(plain(shorten(d.Detail)), " → ")
		at := subject(d)
		list[i] = Problem{
			Severity: "error", Summary: plain(lower(d.Summary)), Detail: detail, Hint: hint,
			File: at.Filename, Line: at.Start.Line, Column: at.Start.Column,
		}
		if d.Severity == hcl.DiagWarning {
			list[i].Severity = "warning"
		}
	}
	return list
}
