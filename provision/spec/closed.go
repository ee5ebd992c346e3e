package spec

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Messages show no text of a block that holds a secret, or that may hold one by mistake: they
// say only where the mistake is, and the name of the attribute if it is one of the language.
// Such a block is closed.

// closedTypes are the blocks that are made for secrets.
var closedTypes = map[string]bool{"variable": true, "prefect": true}

// close hides all of a range.
func (h *hidden) close(at hcl.Range) { h.places = append(h.places, at) }

// closed reports whether messages must not show the text at a place.
func (h *hidden) closed(at hcl.Range) bool {
	return slices.ContainsFunc(h.places, func(r hcl.Range) bool {
		return r.Filename == at.Filename && r.Start.Byte <= at.Start.Byte && at.Start.Byte < max(r.End.Byte, r.Start.Byte+1)
	})
}

// closeBlock hides a block that is made for secrets, if it may hold one: it has a secret that
// is not only the name of a variable, an environment variable or a file, or something that
// the language does not know, or a label, which may be a secret in the wrong place.
func (d *decoder) closeBlock(b *hclsyntax.Block, mm []member) {
	if !closedTypes[b.Type] {
		return
	}
	attributes, blocks := split(mm)
	labels := 0
	if b.Type == "variable" {
		labels = 1
	}
	may := len(b.Labels) > labels
	for name, attr := range b.Body.Attributes {
		secret := slices.ContainsFunc(mm, func(m member) bool { return m.secret && m.name == name })
		may = may || secret && !d.file.elsewhere(attr.Expr) || !slices.Contains(attributes, name)
	}
	for _, inner := range b.Body.Blocks {
		may = may || !slices.Contains(blocks, inner.Type)
	}
	if may {
		d.file.hidden.close(hcl.RangeBetween(b.TypeRange, b.Range()))
	}
}

// elsewhere reports whether an expression only refers to secrets, and has none in its text.
func (f *File) elsewhere(expr hclsyntax.Expression) bool {
	l := &literals{hide: &hidden{}}
	_ = hclsyntax.Walk(expr, l)
	for _, t := range expr.Variables() { // api_key = pnu_1234, without quotes, is a reference, too
		name, _ := referred(t)
		known := t.RootName() == "var" && f.vars[name] != nil || t.RootName() == "local" && f.locals[name] != nil
		if !known {
			return false
		}
	}
	return len(l.hide.places) == 0 && !l.strange
}

// closeVariable hides a variable block with a default that may be a secret.
func (d *decoder) closeVariable(b *hclsyntax.Block) {
	if len(b.Body.Attributes)+len(b.Body.Blocks) > 0 || len(b.Labels) > 1 {
		d.file.hidden.close(hcl.RangeBetween(b.TypeRange, b.Range()))
	}
}

// closeUnknown hides the values of attributes and blocks that the language does not have:
// api_keyy = "…" is a secret, too.
func (d *decoder) closeUnknown(body *hclsyntax.Body, attributes, blocks []string) {
	for _, a := range body.Attributes {
		if !slices.Contains(attributes, a.Name) {
			d.file.hidden.close(a.SrcRange)
		}
	}
	for _, b := range body.Blocks {
		if empty := len(b.Labels)+len(b.Body.Attributes)+len(b.Body.Blocks) == 0; !empty && !slices.Contains(blocks, b.Type) {
			d.file.hidden.close(hcl.RangeBetween(b.TypeRange, b.Range()))
		}
	}
}

// nameText is the name of something that the language does not have, unless the name itself
// may be a secret.
func (d *decoder) nameText(what, name string, at hcl.Range) string {
	inClosed := slices.ContainsFunc(d.file.hidden.places, func(r hcl.Range) bool {
		return r.Filename == at.Filename && r.Start.Byte < at.Start.Byte && at.Start.Byte < r.End.Byte
	})
	if inClosed || len(name) > longestName {
		return "such " + what
	}
	return fmt.Sprintf("%s %q", what, name)
}

// labelText is a label, unless it may be a secret.
func (d *decoder) labelText(b *hclsyntax.Block, i int) string {
	if closedTypes[b.Type] || len(b.Labels[i]) > longestName {
		return "it"
	}
	return quote(b.Labels[i])
}

// attributeAt is the name of the attribute at a place, if the language has it.
func attributeAt(file *hcl.File, at hcl.Range) string {
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return ""
	}
	open, secret := vocabulary()
	name := ""
	for body != nil {
		var inner *hclsyntax.Body
		for _, a := range body.Attributes {
			if a.SrcRange.ContainsPos(at.Start) && (open[a.Name] || secret[a.Name]) {
				name = a.Name
			}
		}
		for _, b := range body.Blocks {
			if b.Range().ContainsPos(at.Start) || b.Body.Range().ContainsPos(at.Start) {
				inner = b.Body
			}
		}
		body = inner
	}
	return name
}

// The lines of a file with a syntax error: the head or the end of a block, with its name,
// and an attribute, with its name and value.
var (
	headLine  = compile(`^\s*(?:([a-z_]+)(?:\s+"[^"]*"?)?\s*\{?\s*|\}\s*)$`)
	valueLine = compile(`^\s*(?:[a-z_]+(?:\s+"[^"]*")?\s*\{\s*)?([a-z_]+)\s*=(.*)$`)
)

// obscure overwrites the lines of a file with a syntax error, except those that cannot be a
// part of a secret: the head and the end of a block, and attributes that hold none, outside
// of blocks that are made for secrets and of texts with several lines. Where the error
// leaves in doubt what the rest of the file is, it overwrites the rest.
func obscure(src []byte, path string) {
	open, secret := vocabulary()
	doubtful := doubtfulLines(src, path)
	number := 0
	for start := 0; start < len(src); {
		end := start + bytes.IndexByte(src[start:], '\n')
		if end < start {
			end = len(src)
		}
		line := src[start:end]
		if number++; doubtful(number) || !harmless(line, open, secret) {
			mask(line)
		}
		start = end + 1
	}
}

// harmless reports whether a line of a file with a syntax error can be shown.
func harmless(line []byte, open, secret map[string]bool) bool {
	if m := valueLine().FindSubmatch(line); m != nil {
		return open[string(m[1])] && !secret[string(m[1])]
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return true
	}
	m := headLine().FindSubmatch(line)
	return m != nil && (len(m[1]) == 0 || open[string(m[1])] && !closedTypes[string(m[1])])
}

// doubtfulLines tells which lines are in a block that is made for secrets, or continue a text,
// or follow a text without an end.
func doubtfulLines(src []byte, path string) func(line int) bool {
	tokens, _ := hclsyntax.LexConfig(src, path, hcl.InitialPos)
	r := reading{doubtful: map[int]bool{}, fresh: true}
	for _, t := range tokens {
		r.add(t)
	}
	return func(line int) bool { return r.doubtful[line] || r.lost > 0 && line > r.lost }
}

// reading follows the blocks and texts of a file with a syntax error.
type reading struct {
	doubtful map[int]bool
	closed   []bool // for each open brace, whether it begins a block that is made for secrets
	word     string // at the beginning of the line or of the block
	fresh    bool   // at the beginning of a line or of a block
	text     int    // the line on which the last text began
	lost     int    // the line from which nothing is certain; 0 if there is none
}

func (r *reading) add(t hclsyntax.Token) {
	dark, text := slices.Contains(r.closed, true), false
	switch t.Type {
	case hclsyntax.TokenIdent:
		if r.fresh {
			r.word = string(t.Bytes)
		}
	case hclsyntax.TokenOBrace:
		r.closed = append(r.closed, closedTypes[r.word])
		dark = dark || closedTypes[r.word]
	case hclsyntax.TokenCBrace:
		r.closed = r.closed[:max(0, len(r.closed)-1)]
	case hclsyntax.TokenOHeredoc, hclsyntax.TokenOQuote:
		r.text = t.Range.Start.Line
	case hclsyntax.TokenStringLit, hclsyntax.TokenQuotedLit, hclsyntax.TokenCHeredoc, hclsyntax.TokenCQuote:
		text = true
	case hclsyntax.TokenQuotedNewline, hclsyntax.TokenInvalid, hclsyntax.TokenBadUTF8:
		if r.lost == 0 {
			r.lost = t.Range.Start.Line
		}
	}
	r.fresh = t.Type == hclsyntax.TokenNewline || t.Type == hclsyntax.TokenOBrace
	for line := t.Range.Start.Line; line <= t.Range.End.Line; line++ {
		if dark || text && line > r.text {
			r.doubtful[line] = true
		}
	}
}

// dynamic are HCL's messages about the syntax that quote the file, in words that do not.
var dynamic = map[string]string{
	"Attribute redefined":              "The attribute is set twice in this block.",
	"Argument definition required":     "A block on one line can have only one attribute, with an equals sign.",
	"Invalid escape sequence":          `This is not an escape sequence. A backslash itself is written \\.`,
	"Invalid template control keyword": "After %{ can be only if, else, endif, for and endfor. A percent sign before a brace is written %%{.",
	"Invalid string literal":           "This is not valid in a string.",
	"Invalid legacy index syntax":      "Write indexes in brackets.",
}

// quiet removes what HCL quotes of the file.
func quiet(d *hcl.Diagnostic) {
	if detail, ok := dynamic[d.Summary]; ok {
		d.Detail = detail
	}
}
