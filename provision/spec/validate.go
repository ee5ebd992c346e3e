package spec

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// validate checks all environments in the text of a file.
func (f *File) validate(path string, src []byte) (*File, error) {
	body, d, err := f.parse(path, src)
	if err != nil {
		return nil, err
	}
	if len(f.environments) == 0 {
		f.choose(d, body.MissingItemRange())
	}
	diags := d.diags
	var all []candidate
	for _, b := range f.environments {
		if why := f.ambiguous(b); why.HasErrors() {
			diags = append(diags, why...)
			continue
		}
		for _, name := range f.examples(b) {
			c, more := f.try(b, name)
			diags = append(diags, more...)
			all = append(all, c)
		}
	}
	if !diags.HasErrors() {
		diags = append(diags, collisions(all)...)
		f.region = commonRegion(all)
	}
	return f.loaded(diags)
}

// commonRegion is the region that all environments have; empty if they differ or one of
// them has none.
func commonRegion(all []candidate) string {
	region := all[0].known.Region
	for _, c := range all {
		if c.known.Region != region {
			return ""
		}
	}
	return region
}

// examples are the names under which validate tries a block: that of the environment, or
// two for which a pattern stands.
func (f *File) examples(b *hclsyntax.Block) []string {
	label := b.Labels[0]
	switch {
	case !isPattern(label):
		return []string{label}
	case !environmentPattern.matches(label): // has been reported
		return nil
	}
	one := f.sample(label)
	return []string{one, one[:len(one)-1] + "x"}
}

// ambiguous reports a pattern whose example matches another pattern, too.
func (f *File) ambiguous(b *hclsyntax.Block) hcl.Diagnostics {
	names := f.examples(b)
	if !isPattern(b.Labels[0]) || len(names) == 0 {
		return nil
	}
	one := *f
	one.o.Env = names[0]
	d := &decoder{file: &one}
	one.chooseNamed(d)
	return d.diags
}

// candidate is an environment that validate has tried.
type candidate struct {
	label string
	env   *Environment
	known Place // what the file says of its place
	d     *decoder
}

// try builds one environment of the file.
func (f *File) try(b *hclsyntax.Block, name string) (candidate, hcl.Diagnostics) {
	one := *f
	one.selectAs(b, name)
	one.locate()
	c := candidate{label: b.Labels[0], known: Place{Account: one.account, Region: one.region}}
	var diags hcl.Diagnostics
	c.env, c.d, diags = one.build(c.known)
	return c, diags
}

// claim is an object that an environment would own under a name that the file can set. No
// other environment can own it, too.
type claim struct {
	what  string  // the kind, for messages
	name  *string // the field; compared without regard to case
	scope string  // in which the name is unique
}

// claimer is a block whose object has such a name.
type claimer interface{ claims(p Place) []claim }

// claims are those of a resource, unless the environment only uses it.
func claims(what, ownership, scope string, name *string) []claim {
	if ownership == "external" {
		return nil
	}
	return []claim{{what, name, scope}}
}

// account and region are scopes. A place that is not known is the same for all.
func (p Place) accountScope() string { return p.Account }
func (p Place) regionScope() string  { return p.Account + "/" + p.Region }

func (e *Environment) claims(p Place) (list []claim) {
	if e.Agent != nil {
		agent := p.names(e.Name).Agent()
		list = claims("role", "own", p.accountScope(), &agent)
	}
	for b := range blocks[claimer](e) {
		list = append(list, b.claims(p)...)
	}
	return list
}

// collisions reports objects that several environments would own.
func collisions(all []candidate) (diags hcl.Diagnostics) {
	type key struct{ what, scope, name string }
	first := map[key]candidate{}
	for _, c := range all {
		if c.env == nil {
			continue
		}
		for _, cl := range c.env.claims(c.known) {
			k := key{cl.what, cl.scope, strings.ToLower(*cl.name)}
			other, taken := first[k]
			if !taken {
				first[k] = c
				continue
			}
			who := fmt.Sprintf("The environments %q and %q", other.label, c.label)
			if other.label == c.label {
				who = fmt.Sprintf("All environments that match %q", c.label)
			}
			at := c.d.place([]any{cl.name})
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Name taken twice", Subject: &at,
				Detail: fmt.Sprintf("%s would own the same %s, %q, and each would change and delete it. → use another name, for example with ${env_name} in it", who, cl.what, *cl.name),
			})
		}
	}
	return diags
}
