package spec

import (
	"bytes"
	"reflect"
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

// The lines of a file with a syntax error: the head or the end of a block, with its name,
// and an attribute, with its name and value.
var (
	headLine  = compile(`^\s*(?:([a-z_]+)(?:\s+"[^"]*"?)?\s*\{?\s*|\}\s*)$`)
	valueLine = compile(`^\s*(?:[a-z_]+(?:\s+"[^"]*")?\s*\{\s*)?([a-z_]+)\s*=(.*)$`)
)

// obscure overwrites the lines of a file with a syntax error, except those that cannot be a
// part of a secret: the head and the end of a block, and attributes that hold none.
func obscure(src []byte) {
	open, secret := vocabulary()
	for start := 0; start < len(src); {
		end := start + bytes.IndexByte(src[start:], '\n')
		if end < start {
			end = len(src)
		}
		line := src[start:end]
		if m := valueLine().FindSubmatchIndex(line); m != nil {
			switch name := line[m[2]:m[3]]; {
			case secret[string(name)]:
				asterisks(bytes.TrimSpace(line[m[4]:m[5]]))
			case !open[string(name)]:
				asterisks(line)
			}
		} else if m := headLine().FindSubmatch(line); len(bytes.TrimSpace(line)) > 0 && (m == nil || len(m[1]) > 0 && !open[string(m[1])]) {
			asterisks(line)
		}
		start = end + 1
	}
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
var userInfo = compile(`:/+(\w[^/\s"@]*)@`)

// overwrite replaces each character of a secret with an asterisk.
func (h *hidden) overwrite(src []byte) []byte {
	src = bytes.Clone(src)
	for _, r := range h.places {
		asterisks(src[r.Start.Byte:r.End.Byte])
	}
	if h.unparsed {
		obscure(src)
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
	d.file.eachLocal(expr, func(l *local) bool {
		if l.secret { // and so are those behind it
			return false
		}
		l.secret = true
		_ = hclsyntax.Walk(l.attr.Expr, &literals{hide: d.file.hidden})
		return true
	})
}

type literals struct {
	hide    *hidden
	outside int // depth of calls to env and file
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
