package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// decoder fills the structs from the blocks. It remembers where the file sets each
// value, so that a check of a field can point at its line.
//
// It reads the structs' hcl tags itself: gohcl supports neither secret values nor
// values that are not known yet.
type decoder struct {
	file   *File
	scope  scope
	diags  hcl.Diagnostics
	given  map[any]given            // by pointer to field
	blocks map[any]*hclsyntax.Block // by pointer to struct
	told   map[string]bool          // variables that have been reported as not set
	meant  map[meant]bool           // names that the file misspells
}

// meant is the name that a misspelled one in a block probably stands for. It is not
// reported as missing, too.
type meant struct {
	body *hclsyntax.Body
	name string
}

// given is an attribute in the file.
type given struct {
	attr *hclsyntax.Attribute
	set  bool // the field has its value
	null bool // the value is null, which means not set
	open bool // messages may show it: no part comes from a sensitive variable, env or file
}

// member is a field of a struct and its tags.
type member struct {
	index    int
	name     string
	block    bool
	label    bool
	optional bool
	names    bool // tells what a resource is called or where it is
	secret   bool // may hold a secret
}

func members(t reflect.Type) []member {
	var list []member
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		name, kind, _ := strings.Cut(tag.Get("hcl"), ",")
		if name == "" {
			continue
		}
		list = append(list, member{
			index: i, name: name, block: kind == "block", label: kind == "label", optional: kind == "optional",
			names: tag.Get("spec") == "names", secret: tag.Get("spec") == "secret",
		})
	}
	return list
}

// block decodes b into a struct.
func (d *decoder) block(b *hclsyntax.Block, into reflect.Value) {
	d.blocks[into.Addr().Interface()] = b
	mm := members(into.Type())
	attributes, blocks := split(mm)
	d.unknownNames(b.Body, attributes, blocks, article(b.Type)+" block")
	for _, m := range mm {
		field := into.Field(m.index)
		switch {
		case m.label:
			field.SetString(b.Labels[0])
		case m.block:
			d.nested(b.Body, m, field)
		default:
			d.attribute(b, m, field)
		}
	}
}

func split(mm []member) (attributes, blocks []string) {
	for _, m := range mm {
		switch {
		case m.block:
			blocks = append(blocks, m.name)
		case !m.label:
			attributes = append(attributes, m.name)
		}
	}
	return attributes, blocks
}

// nested decodes the blocks of one type into a pointer or a slice.
func (d *decoder) nested(body *hclsyntax.Body, m member, field reflect.Value) {
	found := d.blocksOf(body, m.name, field.Kind() == reflect.Slice)
	if len(found) == 0 {
		return
	}
	if field.Kind() == reflect.Slice {
		field.Set(reflect.MakeSlice(field.Type(), len(found), len(found)))
		for i, b := range found {
			d.block(b, field.Index(i))
		}
		return
	}
	field.Set(reflect.New(field.Type().Elem()))
	d.block(found[0], field.Elem())
}

func (d *decoder) blocksOf(body *hclsyntax.Body, name string, many bool) []*hclsyntax.Block {
	var found []*hclsyntax.Block
	for _, b := range body.Blocks {
		switch {
		case b.Type != name:
		case len(b.Labels) > 0:
			d.errorAt(b.LabelRanges[0], "Unexpected label", fmt.Sprintf(
				"%s block takes no label. → remove %q", title(article(name)), b.Labels[0]))
		case !many && len(found) > 0:
			d.errorAt(b.DefRange(), "Duplicate block", fmt.Sprintf(
				"There can be only one %s block here, and line %d has one already. → put all attributes into one block",
				name, found[0].DefRange().Start.Line))
		default:
			found = append(found, b)
		}
	}
	return found
}

// structure checks the names of blocks and attributes in an environment that is not
// selected.
func (d *decoder) structure(b *hclsyntax.Block) {
	if !environmentName.matches(b.Labels[0]) {
		d.errorAt(b.LabelRanges[0], "Invalid environment name", badEnvironment(b.Labels[0]))
	}
	d.walk(b, reflect.TypeFor[Environment]())
}

func (d *decoder) walk(b *hclsyntax.Block, t reflect.Type) {
	mm := members(t)
	attributes, blocks := split(mm)
	d.unknownNames(b.Body, attributes, blocks, article(b.Type)+" block")
	for _, m := range mm {
		if !m.block {
			if attr := b.Body.Attributes[m.name]; m.secret && attr != nil {
				d.hideLiterals(attr.Expr)
			}
			continue
		}
		ft := t.Field(m.index).Type
		for _, inner := range d.blocksOf(b.Body, m.name, ft.Kind() == reflect.Slice) {
			d.walk(inner, ft.Elem())
		}
	}
}

// unknownNames reports attributes and blocks that the language does not have.
func (d *decoder) unknownNames(body *hclsyntax.Body, attributes, blocks []string, where string) {
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
			d.errorAt(a.NameRange, "Unknown attribute", fmt.Sprintf("%s has no attribute %q.%s", where, a.Name,
				hint(a.Name, attributes, blocks, " → it is a block; write it without the equals sign: %s { … }", all)))
		}
	}
	for _, b := range body.Blocks {
		if !slices.Contains(blocks, b.Type) {
			d.means(body, nearest(b.Type, blocks))
			d.errorAt(b.TypeRange, "Unknown block", fmt.Sprintf("%s has no block %q.%s", where, b.Type,
				hint(b.Type, blocks, attributes, " → it is an attribute; write it with an equals sign: %s = …", all)))
		}
	}
}

// hint suggests what an unknown name stands for: a name of its own kind (attribute
// or block), one of the other kind, or else all names.
func hint(name string, same, others []string, other, all string) string {
	if slices.Contains(others, name) {
		return fmt.Sprintf(other, name)
	}
	if s := didYouMean(name, same); s != "" {
		return " → " + s
	}
	if s := nearest(name, others); s != "" {
		return " " + title(didYouMean(name, others)) + fmt.Sprintf(other, s)
	}
	return all
}

func (d *decoder) means(body *hclsyntax.Body, name string) {
	if d.meant == nil {
		d.meant = map[meant]bool{}
	}
	d.meant[meant{body, name}] = true
}

// oneLabel checks that a block has exactly one label.
func (d *decoder) oneLabel(b *hclsyntax.Block) bool {
	switch len(b.Labels) {
	case 0:
		d.errorAt(b.DefRange(), "Missing name", fmt.Sprintf(`%s block needs a name. → for example: %s "…" {`, title(article(b.Type)), b.Type))
	case 1:
		return true
	default:
		d.errorAt(b.LabelRanges[1], "Unexpected label", fmt.Sprintf("%s block takes only one name. → remove %q", title(article(b.Type)), b.Labels[1]))
	}
	return false
}

func (d *decoder) errorAt(at hcl.Range, summary, detail string) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at})
}

func (d *decoder) warnAt(at hcl.Range, summary, detail string) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: summary, Detail: detail, Subject: &at})
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) || noun == "ssh" {
		return "an " + noun
	}
	return "a " + noun
}
