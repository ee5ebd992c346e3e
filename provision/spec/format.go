package spec

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns the text of a file in the canonical format of HCL, which changes only
// spaces. An error is an [*Error] with the mistakes in the syntax.
func Format(path string, src []byte) ([]byte, error) {
	f := newFile(Options{})
	parsed, diags := parseHCL(src, path, f.meter)
	if diags.HasErrors() {
		f.hidden.unparsed = true
		if parsed != nil {
			f.files = map[string]*hcl.File{path: parsed}
		}
		return nil, f.fail(first(diags))
	}
	// HCL's formatter takes the return of \r\n for the end of a comment or of a template.
	returns := bytes.Contains(src, []byte("\r\n"))
	if returns {
		src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	}
	out := hclwrite.Format(src)
	if returns {
		out = bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n"))
	}
	return out, nil
}

// ReadFile reads a file as all files of the user are read: a regular one, of at most 1 MiB.
// An error is an [*Error].
func ReadFile(path string) ([]byte, error) {
	src, err := readFile(path)
	if err != nil {
		return nil, newFile(Options{}).fail(hcl.Diagnostics{unreadable(path, err)})
	}
	return src, nil
}

// MaxFile is the size of the largest file that is read, in bytes.
const MaxFile = maxFile

// ValidateText is [Validate] for a text that is not in a file yet.
func ValidateText(path string, src []byte) (*File, error) {
	return newFile(Options{partial: true}).validate(path, src)
}
