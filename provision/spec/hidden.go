package spec

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// hidden holds the secrets that no message may show.
type hidden struct {
	values   []string
	known    map[string]bool
	places   []hcl.Range // of secrets that the file itself contains, and of closed blocks
	unparsed bool        // the file has no syntax tree, so places is empty
}

// add remembers a secret.
func (h *hidden) add(value string) {
	if value == "" || h.known[value] {
		return
	}
	if h.known == nil {
		h.known = map[string]bool{}
	}
	h.known[value] = true
	h.values = append(h.values, value)
}

// forms returns the ways to write each secret, longest first: as it is, with
// escapes, and line by line. It skips very short ones: overwriting each "a" would
// make every message unreadable.
//
// If there are too many to look for, it returns false: then no message shows anything.
func (h *hidden) forms() (forms []string, ok bool) {
	const short, most = 4, 2000
	seen := map[string]bool{}
	for _, v := range h.values {
		quoted := strconv.Quote(v)
		for _, s := range append(strings.Split(v, "\n"), v, strings.TrimSpace(v), quoted[1:len(quoted)-1]) {
			if len(s) >= short && strings.TrimSpace(s) != "" && !seen[s] {
				seen[s] = true
				forms = append(forms, s)
			}
		}
		if len(forms) > most {
			return nil, false
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	return forms, true
}

// scrub replaces the secrets in the texts of diagnostics.
func (h *hidden) scrub(diags hcl.Diagnostics) hcl.Diagnostics {
	forms, ok := h.forms()
	for _, d := range diags {
		if !ok {
			d.Detail = "The file has so many secrets that flowbed does not show what is wrong here."
		}
		for _, text := range []*string{&d.Summary, &d.Detail} {
			for _, s := range forms {
				*text = strings.ReplaceAll(*text, s, "(secret)")
			}
			*text = userInfo().ReplaceAllString(*text, "${1}(secret)@")
		}
	}
	return diags
}

// vocabulary returns the names of the language: those that hold no secret, and those that may.
func vocabulary() (open, secret map[string]bool) {
	open, secret = map[string]bool{}, map[string]bool{"default": true}
	for _, name := range []string{"environment", "variable", "locals", "defaults", "sensitive", "description"} {
		open[name] = true
	}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		for _, m := range members(t) {
			if m.secret {
				secret[m.name] = true
				continue
			}
			open[m.name] = true
			if m.block {
				add(t.Field(m.index).Type.Elem())
			}
		}
	}
	add(reflect.TypeFor[Environment]())
	return open, secret
}

// userInfo finds the user name and password in a URL, wherever it is written.
var userInfo = compile(`([A-Za-z][A-Za-z0-9+.-]*:/+)([^\s"]+)@`)

// overwrite replaces each byte of a secret with masked.
func (h *hidden) overwrite(src []byte, path string) []byte {
	src = bytes.Clone(src)
	forms, ok := h.forms()
	if !ok {
		mask(src)
		return src
	}
	if h.unparsed {
		obscure(src, path)
	}
	for _, r := range h.places {
		if r.Filename == path {
			mask(src[min(r.Start.Byte, len(src)):min(r.End.Byte, len(src))])
		}
	}
	for _, m := range userInfo().FindAllSubmatchIndex(src, -1) {
		mask(src[m[4]:m[5]])
	}
	for _, s := range forms {
		for at := 0; ; {
			i := bytes.Index(src[at:], []byte(s))
			if i < 0 {
				break
			}
			mask(src[at+i : at+i+len(s)])
			at += i + len(s)
		}
	}
	return src
}

// masked stands for each character that must not be shown.
const masked = 0

func mask(b []byte) {
	for i, c := range b {
		if c != '\n' {
			b[i] = masked
		}
	}
}

// hideLiterals hides the literals in an expression for a secret, and in the local values
// that it refers to, except the names of environment variables and files.
func (d *decoder) hideLiterals(expr hclsyntax.Expression) {
	_ = hclsyntax.Walk(expr, &literals{hide: d.file.hidden})
	d.file.eachLocal(expr, func(l *local) bool {
		if l.secret { // and so are those behind it
			return false
		}
		l.secret = true
		d.file.hidden.close(l.attr.SrcRange)
		_ = hclsyntax.Walk(l.attr.Expr, &literals{hide: d.file.hidden})
		return true
	})
}

type literals struct {
	hide    *hidden
	outside int  // depth of calls to env and file
	strange bool // the name of an environment variable or a file looks like a secret
}

func (l *literals) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case *hclsyntax.FunctionCallExpr:
		if outsideFunctions[n.Name] {
			l.outside++
		}
	case *hclsyntax.LiteralValueExpr:
		if l.outside == 0 {
			l.hide.places = append(l.hide.places, n.SrcRange)
		} else if n.Val.Type() == cty.String && n.Val.IsKnown() && !n.Val.IsNull() && !plainName.matches(n.Val.AsString()) {
			l.strange = true
		}
	}
	return nil
}

func (l *literals) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && outsideFunctions[call.Name] {
		l.outside--
	}
	return nil
}

// outsideFunctions read values from outside the file.
var outsideFunctions = map[string]bool{"env": true, "file": true}

// callsOutside reports whether an expression calls one of them.
func callsOutside(expr hclsyntax.Expression) bool {
	found := false
	_ = hclsyntax.VisitAll(expr, func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		found = found || ok && outsideFunctions[call.Name]
		return nil
	})
	return found
}
