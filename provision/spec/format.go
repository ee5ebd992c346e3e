package spec

import (
	"bytes"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
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

// Veil returns a text with the strings overwritten where a secret may be: in the blocks
// variable, locals and prefect, and in all of a file that is no config file, as those with
// values of variables. Spaces stay. The text must be one that Format accepts; nothing is left of another one.
func Veil(src []byte) []byte {
	parsed, diags := parseHCL(src, "", &meter{})
	if diags.HasErrors() {
		return nil
	}
	body := parsed.Body.(*hclsyntax.Body)
	closed := closedRanges(body)
	if len(body.Attributes) > 0 || len(body.Blocks) == 0 {
		closed = []hcl.Range{body.Range()}
	}
	out := bytes.Clone(src)
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	for _, t := range tokens {
		in := slices.ContainsFunc(closed, func(r hcl.Range) bool { return r.Start.Byte <= t.Range.Start.Byte && t.Range.Start.Byte < r.End.Byte })
		if in && (t.Type == hclsyntax.TokenQuotedLit || t.Type == hclsyntax.TokenStringLit) {
			text := out[t.Range.Start.Byte:t.Range.End.Byte]
			for i, c := range text {
				if c > ' ' {
					text[i] = '*'
				}
			}
		}
	}
	return out
}

// closedRanges are the blocks that may have a secret in them.
func closedRanges(body *hclsyntax.Body) (list []hcl.Range) {
	for _, b := range body.Blocks {
		switch b.Type {
		case "environment", "defaults":
			list = append(list, closedRanges(b.Body)...)
		case "variable", "locals", "prefect":
			list = append(list, b.Body.Range())
		}
	}
	return list
}
