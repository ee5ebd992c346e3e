package spec

import (
	"fmt"
	"maps"
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
// values that are not known yet, and it cannot merge blocks.
type decoder struct {
	file   *File
	scope  scope
	diags  hcl.Diagnostics
	given  map[any]given   // by pointer to field
	blocks map[any]layers  // by pointer to struct
	told   map[string]bool // variables that have been reported as not set

	usableLocals map[*local]bool

	unset []unset

	// undecided means that an attribute has no value yet, other than a secret.
	undecided bool
}

// unset is an attribute without a value, because something that it depends on is missing.
type unset struct {
	field        any
	name, remedy string
}

// layers are the blocks that together describe a struct, the strongest first: the
// environment's block, then the one in the defaults.
type layers []*hclsyntax.Block

// meant is the name that a misspelled one in a block probably stands for. It is not
// reported as missing, too.
type meant struct {
	body *hclsyntax.Body
	name string
}

// misspells reports whether one of the blocks has a misspelled name that probably
// stands for this one.
func (d *decoder) misspells(ll layers, name string) bool {
	return slices.ContainsFunc(ll, func(b *hclsyntax.Block) bool { return d.file.meant[meant{b.Body, name}] })
}

// given is an attribute in the file.
type given struct {
	attr *hclsyntax.Attribute
	set  bool // the field has its value
	null bool // the value is null, which means not set
	open bool // no part comes from a sensitive variable, env or file

	keys map[string]*hclsyntax.Attribute // the attribute that sets each key of a map
}

// member is a field of a struct and its tags.
type member struct {
	index    int
	of       string // the struct
	name     string
	block    bool
	label    bool
	optional bool
	names    bool   // tells what a resource is called or where it is
	place    bool   // the account or the region
	secret   bool   // may hold a secret
	cautious bool   // down takes it as true if it cannot tell the value
	group    string // of alternatives, which replace each other
	side     string // of the two ways to describe the struct, which replace each other
}

func members(t reflect.Type) []member {
	var list []member
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		name, kind, _ := strings.Cut(tag.Get("hcl"), ",")
		if name == "" {
			continue
		}
		m := member{index: i, of: t.Name(), name: name, block: kind == "block", label: kind == "label", optional: kind == "optional"}
		for word := range strings.SplitSeq(tag.Get("spec"), ",") {
			group, alternative := strings.CutPrefix(word, "one-of:")
			side, sided := strings.CutPrefix(word, "side:")
			switch {
			case sided:
				m.side = side
			case alternative:
				m.group = group
			case word == "names":
				m.names = true
			case word == "place":
				m.names, m.place = true, true
			case word == "secret":
				m.secret = true
			case word == "cautious":
				m.cautious = true
			}
		}
		list = append(list, m)
	}
	return list
}

// block decodes blocks into a struct.
func (d *decoder) block(ll layers, into reflect.Value) {
	d.blocks[into.Addr().Interface()] = ll
	mm := members(into.Type())
	for _, m := range mm {
		field := into.Field(m.index)
		own := d.ofSide(ll, mm, m, into.Type())
		switch {
		case m.label:
			field.SetString(d.file.name)
		case m.block:
			d.nested(own, m, field)
		default:
			d.attribute(ll, m, d.sources(own, mm, m), field)
		}
	}
}

// ofSide returns the layers that may describe a member. A layer that describes the struct in
// the other way replaces what weaker layers say in this one.
func (d *decoder) ofSide(ll layers, mm []member, m member, t reflect.Type) layers {
	if m.side == "" {
		return ll
	}
	for i, b := range ll {
		if slices.ContainsFunc(mm, func(o member) bool { return o.side != "" && o.side != m.side && d.says(b, o, t) }) {
			return ll[:i+1]
		}
	}
	return ll
}

// says reports whether a block has a member that counts.
func (d *decoder) says(b *hclsyntax.Block, m member, t reflect.Type) bool {
	if !m.block {
		return d.sets(b, m)
	}
	inner := blocksOf(b.Body, m.name)
	return len(inner) > 0 && d.enabled(inner, reflect.New(t.Field(m.index).Type.Elem()).Elem())
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

// nested decodes the blocks of one type into a pointer or a slice. A slice gets the
// blocks of all layers, the defaults' first.
func (d *decoder) nested(ll layers, m member, field reflect.Value) {
	var found layers
	for _, b := range ll {
		found = append(found, blocksOf(b.Body, m.name)...)
	}
	switch {
	case len(found) == 0:
	case field.Kind() == reflect.Slice:
		found = found[:0]
		for _, b := range slices.Backward(ll) {
			found = append(found, blocksOf(b.Body, m.name)...)
		}
		field.Set(reflect.MakeSlice(field.Type(), len(found), len(found)))
		for i, b := range found {
			d.block(layers{b}, field.Index(i))
		}
	default:
		into := reflect.New(field.Type().Elem())
		if d.enabled(found, into.Elem()) {
			d.block(found, into.Elem())
			field.Set(into)
		}
	}
}

func blocksOf(body *hclsyntax.Body, name string) (found layers) {
	for _, b := range body.Blocks {
		if b.Type == name {
			found = append(found, b)
		}
	}
	return found
}

// enabled reports whether an optional block counts. If its enabled attribute has no
// value yet, it does.
func (d *decoder) enabled(ll layers, into reflect.Value) bool {
	for _, m := range members(into.Type()) {
		if m.name != "enabled" {
			continue
		}
		field := into.Field(m.index)
		// If the block counts, block evaluates the attribute again, and reports what is wrong.
		before, told := len(d.diags), maps.Clone(d.told)
		d.attribute(ll, m, d.sources(ll, nil, m), field)
		d.diags, d.told = d.diags[:before], told
		if on, ok := field.Interface().(*bool); ok && on != nil {
			return *on
		}
	}
	return true
}

// blockOf is the strongest of the blocks that describe a struct; nil if the file has
// none.
func (d *decoder) blockOf(structure any) *hclsyntax.Block {
	if ll := d.blocks[structure]; len(ll) > 0 {
		return ll[0]
	}
	return nil
}

// oneLabel checks that a block has exactly one label.
func (d *decoder) oneLabel(b *hclsyntax.Block) bool {
	switch len(b.Labels) {
	case 0:
		d.errorAt(b.DefRange(), "Missing name", fmt.Sprintf(`%s block needs a name. → for example: %s "…" {`, title(article(b.Type)), b.Type))
	case 1:
		return true
	default:
		d.errorAt(b.LabelRanges[1], "Unexpected label", fmt.Sprintf("%s block takes only one name. → remove %s", title(article(b.Type)), d.labelText(b, 1)))
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
