package spec

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// hidden holds the secrets that no message may show.
type hidden struct {
	values   []string
	places   []hcl.Range // of secrets that the file itself contains
	unparsed bool        // the file has no syntax tree, so places is empty
}

// add remembers a secret.
func (h *hidden) add(value string) {
	if value != "" && !slices.Contains(h.values, value) {
		h.values = append(h.values, value)
	}
}

// forms returns the ways to write each secret, longest first: as it is, with
// escapes, and line by line. It skips very short ones: overwriting each "a" would
// make every message unreadable.
func (h *hidden) forms() []string {
	const short = 4
	var forms []string
	for _, v := range h.values {
		quoted := strconv.Quote(v)
		for _, s := range append(strings.Split(v, "\n"), v, strings.TrimSpace(v), quoted[1:len(quoted)-1]) {
			if len(s) >= short && strings.TrimSpace(s) != "" && !slices.Contains(forms, s) {
				forms = append(forms, s)
			}
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	return forms
}

// scrub replaces the secrets in the texts of diagnostics.
func (h *hidden) scrub(diags hcl.Diagnostics) hcl.Diagnostics {
	forms := h.forms()
	for _, d := range diags {
		for _, text := range []*string{&d.Summary, &d.Detail} {
			for _, s := range forms {
				*text = strings.ReplaceAll(*text, s, "(secret)")
			}
			*text = userInfo().ReplaceAllString(*text, "://(secret)@")
		}
	}
	return diags
}

// literalSecret finds text that looks like a secret in a file with a syntax error.
var literalSecret = compile(`(?m)\b(?:api_key|auth_string|default)[ \t]*=[ \t]*(.+)$`)

// userInfo finds the user name and password in a URL, wherever it is written.
var userInfo = compile(`:/+(\w[^/\s"@]*)@`)

// overwrite replaces each character of a secret with an asterisk.
func (h *hidden) overwrite(src []byte) []byte {
	src = bytes.Clone(src)
	for _, r := range h.places {
		asterisks(src[r.Start.Byte:r.End.Byte])
	}
	if h.unparsed {
		for _, m := range literalSecret().FindAllSubmatchIndex(src, -1) {
			asterisks(src[m[2]:m[3]])
		}
	}
	for _, m := range userInfo().FindAllSubmatchIndex(src, -1) {
		asterisks(src[m[2]:m[3]])
	}
	for _, s := range h.forms() {
		for at := 0; ; {
			i := bytes.Index(src[at:], []byte(s))
			if i < 0 {
				break
			}
			asterisks(src[at+i : at+i+len(s)])
			at += i + len(s)
		}
	}
	return src
}

func asterisks(b []byte) {
	for i, c := range b {
		if c != '\n' && c != '"' {
			b[i] = '*'
		}
	}
}

// hideLiterals hides the literals in an expression for a secret, and in the local values
// that it refers to, except the names of environment variables and files.
func (d *decoder) hideLiterals(expr hclsyntax.Expression) {
	_ = hclsyntax.Walk(expr, &literals{hide: d.file.hidden})
	for _, l := range d.file.localsBehind(expr) {
		l.secret = true
		_ = hclsyntax.Walk(l.attr.Expr, &literals{hide: d.file.hidden})
	}
}

type literals struct {
	hide    *hidden
	outside int // depth of calls to env and file
}

func (l *literals) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case *hclsyntax.FunctionCallExpr:
		if n.Name == "env" || n.Name == "file" {
			l.outside++
		}
	case *hclsyntax.LiteralValueExpr:
		if l.outside == 0 {
			l.hide.places = append(l.hide.places, n.SrcRange)
		}
	}
	return nil
}

func (l *literals) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && (call.Name == "env" || call.Name == "file") {
		l.outside--
	}
	return nil
}
