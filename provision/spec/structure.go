package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// structure checks the names of all blocks and attributes in the blocks that describe
// environments, selected or not: it needs no values.
func (d *decoder) structure(b *hclsyntax.Block) {
	d.walk(b, reflect.TypeFor[Environment]())
}

func (d *decoder) walk(b *hclsyntax.Block, t reflect.Type) {
	mm := members(t)
	attributes, blocks := split(mm)
	d.closeBlock(b, mm)
	d.unknownNames(b.Body, attributes, blocks, article(b.Type)+" block")
	for _, m := range mm {
		if !m.block {
			if attr := b.Body.Attributes[m.name]; m.secret && attr != nil {
				d.hideLiterals(attr.Expr)
			}
			continue
		}
		ft := t.Field(m.index).Type
		for _, inner := range d.uniqueBlocks(b.Body, m.name, ft.Kind() == reflect.Slice) {
			d.walk(inner, ft.Elem())
		}
	}
}

// uniqueBlocks returns the blocks of one type, and reports labels and, unless there can
// be many, more than one block.
func (d *decoder) uniqueBlocks(body *hclsyntax.Body, name string, many bool) layers {
	found := blocksOf(body, name)
	for i, b := range found {
		switch {
		case len(b.Labels) > 0:
			d.errorAt(b.LabelRanges[0], "Unexpected label", fmt.Sprintf(
				"%s block takes no label. → remove %s", title(article(name)), d.labelText(b, 0)))
		case !many && i > 0:
			d.errorAt(b.DefRange(), "Duplicate block", fmt.Sprintf(
				"There can be only one %s block here, and line %d has one already. → put all attributes into one block",
				name, found[0].DefRange().Start.Line))
		}
	}
	return found
}

// unknownNames reports attributes and blocks that the language does not have.
func (d *decoder) unknownNames(body *hclsyntax.Body, attributes, blocks []string, where string) {
	d.closeUnknown(body, attributes, blocks)
	where = title(where)
	var kinds []string
	if len(attributes) > 0 {
		kinds = append(kinds, "the attributes "+list(attributes, "and"))
	}
	if len(blocks) > 0 {
		kinds = append(kinds, "the blocks "+list(blocks, "and"))
	}
	all := " → it has " + strings.Join(kinds, ", and ")
	for _, a := range body.Attributes {
		if !slices.Contains(attributes, a.Name) {
			d.means(body, nearest(a.Name, attributes))
			d.errorAt(a.NameRange, "Unknown attribute", fmt.Sprintf("%s has no %s.%s", where, d.nameText("attribute", a.Name, a.NameRange),
				hint(a.Name, attributes, blocks, " → it is a block; write it without the equals sign: %s { … }", all)))
		}
	}
	for _, b := range body.Blocks {
		if !slices.Contains(blocks, b.Type) {
			d.means(body, nearest(b.Type, blocks))
			d.errorAt(b.TypeRange, "Unknown block", fmt.Sprintf("%s has no %s.%s", where, d.nameText("block", b.Type, b.TypeRange),
				hint(b.Type, blocks, attributes, " → it is an attribute; write it with an equals sign: %s = …", all)))
		}
	}
}

// hint suggests what an unknown name stands for: a name of its own kind (attribute
// or block), one of the other kind, the same name in another block, or else all names.
func hint(name string, same, others []string, other, all string) string {
	if slices.Contains(others, name) {
		return fmt.Sprintf(other, name)
	}
	if name != "" && slices.Contains(topLevel, name) && !slices.Contains(same, name) {
		return " → it stands beside the environments, not in one"
	}
	if home := homes()[name]; home != "" {
		return " → it belongs in " + article(home) + " block"
	}
	if s := didYouMean(name, same); s != "" {
		return " → " + s
	}
	if s := nearest(name, others); s != "" {
		return " " + title(didYouMean(name, others)) + fmt.Sprintf(other, s)
	}
	return all
}

// topLevel are the blocks of a file.
var topLevel = []string{"environment", "defaults", "locals", "variable"}

// homes returns the block of each name that only one block has.
func homes() map[string]string {
	found := map[string]string{}
	var add func(block string, t reflect.Type)
	add = func(block string, t reflect.Type) {
		for _, m := range members(t) {
			if _, twice := found[m.name]; twice {
				found[m.name] = ""
			} else {
				found[m.name] = block
			}
			if m.block {
				add(m.name, t.Field(m.index).Type.Elem())
			}
		}
	}
	add("environment", reflect.TypeFor[Environment]())
	return found
}

func (d *decoder) means(body *hclsyntax.Body, name string) {
	d.file.meant[meant{body, name}] = true
}
