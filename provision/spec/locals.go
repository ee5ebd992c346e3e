package spec

import (
	"errors"
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
	secret bool // an attribute that holds a secret depends on it

	visited  bool
	circular bool
	chain    int      // how many local values refer to each other from here
	refers   []string // the names of other local values in it
	traits   traits
}

// traits are what an expression depends on, directly or through local values.
type traits struct {
	place     bool // the account or the region
	sensitive bool // a sensitive variable
	outside   bool // an environment variable or a file
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
		at := l.attr.Expr.Range()
		tooLarge := !v.diags.HasErrors() && large(v.value) || v.diags.HasErrors() && v.diags[0].Summary == largeValue && subject(v.diags[0]) == at
		if tooLarge {
			v.diags = hcl.Diagnostics{{
				Severity: hcl.DiagError, Summary: largeValue, Subject: &at,
				Detail: fmt.Sprintf("The local value %s has more than a million characters and elements. → make it smaller", name),
			}}
		}
	}
	c.locals[name] = v
	return v
}

// large reports whether a value is too large to go on with: each local value can double
// the one before it.
func large(v cty.Value) bool {
	left := 1 << 20
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		v, _ = v.Unmark()
		left--
		if v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			left -= len(v.AsString())
		}
		if left < 0 {
			return false, errLarge
		}
		return true, nil
	})
	return left < 0
}

var errLarge = errors.New("large")

// localsIn are the names of the local values that an expression refers to, each of them
// once, without those that only they refer to.
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
	slices.Sort(names)
	return slices.Compact(names)
}

// eachLocal calls visit with the local values that an expression depends on, until it
// returns false for one: then it leaves out those behind that one.
func (f *File) eachLocal(expr hclsyntax.Expression, visit func(*local) bool) {
	seen := map[*local]bool{}
	var follow func(names []string)
	follow = func(names []string) {
		for _, name := range names {
			if l := f.locals[name]; l != nil && !seen[l] {
				seen[l] = true
				if visit(l) {
					follow(l.refers)
				}
			}
		}
	}
	follow(f.localsIn(expr))
}

// depends returns the traits of an expression.
func (f *File) depends(expr hclsyntax.Expression) (t traits) {
	t.outside = callsOutside(expr)
	for _, ref := range expr.Variables() {
		name, _ := referred(ref)
		switch ref.RootName() {
		case "account", "region":
			t.place = true
		case "var":
			v := f.vars[name]
			t.sensitive = t.sensitive || name == "" || v == nil || v.sensitive // all of var may include a secret
			t.outside = t.outside || v != nil && v.outside()
		}
	}
	for _, name := range f.localsIn(expr) {
		if l := f.locals[name]; l != nil {
			t.place, t.sensitive, t.outside = t.place || l.traits.place, t.sensitive || l.traits.sensitive, t.outside || l.traits.outside
		}
	}
	return t
}

// isSecret reports whether an expression depends on a local value on which a secret
// depends, too.
func (f *File) isSecret(expr hclsyntax.Expression) (secret bool) {
	f.eachLocal(expr, func(l *local) bool {
		secret = secret || l.secret
		return !secret
	})
	return secret
}

// localUsable reports a local value that does not exist. It is false for one that has
// a mistake, too.
func (d *decoder) localUsable(name string, at hcl.Range) bool {
	l := d.file.locals[name]
	if l == nil {
		what, todo := fmt.Sprintf("local value %q", name), fmt.Sprintf("add it to the file: locals { %s = … }", name)
		if d.file.hidden.closed(at) {
			what, todo = "such local value", "add it to a locals block"
		}
		d.errorAt(at, "Unknown local value", fmt.Sprintf("There is no %s.%s", what, meantOr(name, d.file.localNames(), todo)))
		return false
	}
	if l.broken {
		return false
	}
	if ok, known := d.usableLocals[l]; known {
		return ok
	}
	ok := d.usable(l.attr.Expr)
	if d.usableLocals == nil {
		d.usableLocals = map[*local]bool{}
	}
	d.usableLocals[l] = ok
	return ok
}

// declareLocals reads a locals block.
func (d *decoder) declareLocals(b *hclsyntax.Block) {
	if len(b.Labels) > 0 {
		d.errorAt(b.LabelRanges[0], "Unexpected label", fmt.Sprintf("A locals block takes no label. → remove %q", b.Labels[0]))
	}
	for _, inner := range b.Body.Blocks {
		d.file.hidden.close(inner.Range())
		d.errorAt(inner.TypeRange, "Unknown block", fmt.Sprintf(
			"A locals block has no blocks, only attributes. → write it with an equals sign: %s = { … }", inner.Type))
	}
	for _, name := range slices.Sorted(maps.Keys(b.Body.Attributes)) {
		attr := b.Body.Attributes[name]
		if first := d.file.locals[name]; first != nil {
			d.file.hidden.close(attr.SrcRange) // nobody looks whether it is a secret
			d.errorAt(attr.NameRange, "Duplicate local value", fmt.Sprintf(
				"Line %d already defines %s. → rename or remove one of them", first.attr.NameRange.Start.Line, name))
			continue
		}
		d.file.locals[name] = &local{attr: attr}
	}
}

// longestChain is how many local values can each refer to the next. Evaluation calls itself
// for each of them.
const longestChain = 200

// connectLocals finds out what each local value depends on, and reports those that refer
// to themselves.
func (d *decoder) connectLocals() {
	var path []*local // those that are being visited, each refers to the next
	var visit func(l *local)
	visit = func(l *local) {
		if at := slices.Index(path, l); at >= 0 {
			for _, one := range path[at:] {
				one.circular = true
			}
			return
		}
		if l.visited {
			return
		}
		l.visited, l.refers = true, d.file.localsIn(l.attr.Expr)
		path = append(path, l)
		for _, name := range l.refers {
			if to := d.file.locals[name]; to != nil {
				visit(to)
			}
		}
		path = path[:len(path)-1]
		d.connect(l)
	}
	names := d.file.localNames()
	for _, name := range names {
		visit(d.file.locals[name])
	}
	for _, name := range names {
		switch l := d.file.locals[name]; {
		case l.circular:
			d.errorAt(l.attr.NameRange, "Circular reference", fmt.Sprintf(
				"The local value %s refers to itself, directly or through others. → give one of them a value of its own", name))
		case l.chain == longestChain+1:
			d.errorAt(l.attr.NameRange, "Deep nesting", fmt.Sprintf(
				"The local value %s refers to another one, that to a third, and so on: more than %d times. → let it refer to fewer", name, longestChain))
		}
	}
}

// connect completes what is known of a local value after all those that it refers to.
func (d *decoder) connect(l *local) {
	l.traits, l.broken, l.chain = d.file.depends(l.attr.Expr), l.circular, 1
	for _, name := range l.refers {
		if to := d.file.locals[name]; to != nil {
			l.broken = l.broken || to.broken
			l.chain = max(l.chain, to.chain+1)
		}
	}
	l.broken = l.broken || l.chain > longestChain
}

// checkLocals evaluates all local values, also those that nothing refers to.
func (d *decoder) checkLocals() {
	for _, name := range d.file.localNames() {
		if l := d.file.locals[name]; !l.broken {
			d.evaluate(l.attr.Expr, l.secret, false)
		}
	}
}
