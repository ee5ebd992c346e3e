package spec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// local is a local value of the file: a name for an expression. Each environment
// evaluates it anew, because it can refer to the environment's name and place.
type local struct {
	attr   *hclsyntax.Attribute
	broken bool // it has a mistake, which has been reported
	secret bool // an attribute that holds a secret refers to it

	refers []string // the names of other local values in it; nil if not known yet
}

func (f *File) localNames() []string { return slices.Sorted(maps.Keys(f.locals)) }

// local evaluates a local value, once for each context.
func (f *File) local(c *context, name string) localValue {
	if v, ok := c.locals[name]; ok {
		return v
	}
	v := localValue{value: cty.DynamicVal}
	if l := f.locals[name]; l != nil && !l.broken {
		v.value, v.diags = f.eval(c, l.attr.Expr)
	}
	c.locals[name] = v
	return v
}

// localsIn are the names of the local values that an expression refers to, without
// those that only they refer to.
func (f *File) localsIn(expr hclsyntax.Expression) (names []string) {
	for _, t := range expr.Variables() {
		switch name, _ := referred(t); {
		case t.RootName() != "local":
		case name == "": // a reference to all of local
			return f.localNames()
		default:
			names = append(names, name)
		}
	}
	return names
}

// localsBehind are the local values that an expression depends on, each of them once.
func (f *File) localsBehind(expr hclsyntax.Expression) (found []*local) {
	seen := map[*local]bool{}
	var follow func(names []string)
	follow = func(names []string) {
		for _, name := range names {
			if l := f.locals[name]; l != nil && !seen[l] {
				seen[l] = true
				found = append(found, l)
				if l.refers == nil {
					l.refers = append([]string{}, f.localsIn(l.attr.Expr)...)
				}
				follow(l.refers)
			}
		}
	}
	follow(f.localsIn(expr))
	return found
}

// references are the references in an expression and in the local values that it
// depends on.
func (f *File) references(expr hclsyntax.Expression) []hcl.Traversal {
	refs := expr.Variables()
	for _, l := range f.localsBehind(expr) {
		refs = append(refs, l.attr.Expr.Variables()...)
	}
	return refs
}

// localUsable reports a local value that does not exist. It is false for one that has
// a mistake, too.
func (d *decoder) localUsable(name string, at hcl.Range) bool {
	if l := d.file.locals[name]; l != nil {
		return !l.broken
	}
	hint := didYouMean(name, d.file.localNames())
	if hint == "" {
		hint = fmt.Sprintf("add it to the file: locals { %s = … }", name)
	}
	d.errorAt(at, "Unknown local value", fmt.Sprintf("There is no local value %q. → %s", name, hint))
	return false
}

// declareLocals reads a locals block.
func (d *decoder) declareLocals(b *hclsyntax.Block) {
	if len(b.Labels) > 0 {
		d.errorAt(b.LabelRanges[0], "Unexpected label", fmt.Sprintf("A locals block takes no label. → remove %q", b.Labels[0]))
	}
	for _, inner := range b.Body.Blocks {
		d.errorAt(inner.TypeRange, "Unknown block", fmt.Sprintf(
			"A locals block has no blocks, only attributes. → write it with an equals sign: %s = { … }", inner.Type))
	}
	for _, name := range slices.Sorted(maps.Keys(b.Body.Attributes)) {
		attr := b.Body.Attributes[name]
		if first := d.file.locals[name]; first != nil {
			d.errorAt(attr.NameRange, "Duplicate local value", fmt.Sprintf(
				"Line %d already defines %s. → rename or remove one of them", first.attr.NameRange.Start.Line, name))
			continue
		}
		d.file.locals[name] = &local{attr: attr}
	}
}

// checkCycles reports local values that refer to themselves.
func (d *decoder) checkCycles() {
	circular := map[*local]bool{}
	for _, name := range d.file.localNames() {
		l := d.file.locals[name]
		if !slices.Contains(d.file.localsBehind(l.attr.Expr), l) {
			continue
		}
		circular[l] = true
		d.errorAt(l.attr.NameRange, "Circular reference", fmt.Sprintf(
			"The local value %s refers to itself, directly or through others. → give one of them a value of its own", name))
	}
	for _, l := range d.file.locals {
		l.broken = slices.ContainsFunc(append(d.file.localsBehind(l.attr.Expr), l), func(o *local) bool { return circular[o] })
	}
}

// checkLocals evaluates all local values, also those that nothing refers to.
func (d *decoder) checkLocals() {
	for _, name := range d.file.localNames() {
		if l := d.file.locals[name]; !l.broken {
			d.evaluate(l.attr.Expr, l.secret, false)
		}
	}
}
