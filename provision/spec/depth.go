package spec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The parsers of HCL and JSON have no limits. They call themselves for each level of
// brackets, templates and operators, and evaluation does the same again. A Go program that
// runs out of stack cannot recover.
const (
	deepest    = 500    // levels of brackets
	mostTokens = 50_000 // of a file; each of them takes some hundred bytes
	longest    = 5000   // operators, parts of texts and levels that are open at the same time
)

// parseHCL parses the text of a file, unless it is too deep or too complex. Its expressions
// are evaluated within the limits of a meter.
func parseHCL(src []byte, path string, m *meter) (*hcl.File, hcl.Diagnostics) {
	tokens, _ := hclsyntax.LexConfig(src, path, hcl.InitialPos)
	if bad := tooComplex(tokens); bad != nil {
		return nil, hcl.Diagnostics{bad}
	}
	file, diags := hclparse.NewParser().ParseHCL(src, path)
	if !diags.HasErrors() {
		diags = append(diags, m.install(file.Body.(*hclsyntax.Body))...)
	}
	return file, diags
}

// parseExpression does what parseHCL does, for one expression.
func parseExpression(src []byte, name string, m *meter) (hclsyntax.Expression, hcl.Diagnostics) {
	tokens, _ := hclsyntax.LexExpression(src, name, hcl.InitialPos)
	if bad := tooComplex(tokens); bad != nil {
		return nil, hcl.Diagnostics{bad}
	}
	expr, diags := hclsyntax.ParseExpression(src, name, hcl.InitialPos)
	if !diags.HasErrors() {
		diags = append(diags, m.install(expr)...)
	}
	return expr, diags
}

// tooComplex reports what is too deep or too much in a text; nil if nothing is.
func tooComplex(tokens hclsyntax.Tokens) *hcl.Diagnostic {
	complain := func(t hclsyntax.Token, summary, detail string) *hcl.Diagnostic {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Subject: &t.Range, Detail: detail}
	}
	n := nesting{level: []int{0}}
	for i, t := range tokens {
		n.add(t.Type)
		switch {
		case i > mostTokens:
			return complain(t, "Large file", fmt.Sprintf("The file has more than %d words and signs. → remove what it does not need", mostTokens))
		case len(n.level) > deepest:
			return complain(t, "Deep nesting", fmt.Sprintf("Brackets are nested more than %d levels deep. → write the values without so many brackets", deepest))
		case n.sum > longest:
			return complain(t, "Long expression", fmt.Sprintf("An expression has more than %d operators, or a text more than %d lines. → write less, or put a text into a file of its own: file(\"…\")", longest, longest))
		}
	}
	return nil
}

// nesting is the part of a text that is open at a token. It is an upper bound for how deep
// the parser can be there.
type nesting struct {
	level  []int // operators so far, for each level of brackets
	sum    int   // of all levels
	braces []bool
	last   hclsyntax.TokenType // that was no newline and no comment
}

func (n *nesting) add(t hclsyntax.TokenType) {
	top := len(n.level) - 1
	switch t {
	case hclsyntax.TokenNewline:
		if top == 0 || n.braces[top-1] { // the end of an attribute
			n.reset(top)
		}
		return
	case hclsyntax.TokenComment:
		return
	case hclsyntax.TokenComma:
		n.reset(top)
	case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
		hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		// [ may be an index, and %{ may begin a part that ends much later.
		n.level[top]++
		n.sum++
		n.level = append(n.level, 0)
		// A block begins after its type or its labels, an object after anything else.
		n.braces = append(n.braces, t == hclsyntax.TokenOBrace && (n.last == hclsyntax.TokenIdent || n.last == hclsyntax.TokenCQuote))
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
		hclsyntax.TokenTemplateSeqEnd:
		if top > 0 {
			n.reset(top)
			n.level, n.braces = n.level[:top], n.braces[:top-1]
		}
	case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenEOF:
	default: // an operator, a part of a text, which the parser joins, or something invalid
		n.level[top]++
		n.sum++
	}
	n.last = t
}

func (n *nesting) reset(level int) {
	n.sum -= n.level[level]
	n.level[level] = 0
}

// tooDeep reports whether brackets in a JSON text are nested too deep. It leaves out those in
// strings.
func tooDeep(src []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		}
		if depth > deepest {
			return true
		}
	}
	return false
}
