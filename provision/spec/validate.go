package spec

import (
	"fmt"
	"slices"
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
			all = append(all, f.try(b, name))
		}
	}
	diags = append(diags, f.together(all)...)
	if !diags.HasErrors() {
		diags = append(diags, collisions(all)...)
		f.region = commonRegion(all)
	}
	return f.loaded(diags)
}

// together returns the diagnostics of all candidates. One that stands in the defaults or
// in a local value names the environments that have it, unless all of them do.
func (f *File) together(all []candidate) (diags hcl.Diagnostics) {
	type key struct {
		at              hcl.Range
		summary, detail string
	}
	in, times := map[key][]string{}, map[key]int{} // labels
	keyOf := func(d *hcl.Diagnostic) key { return key{subject(d), d.Summary, d.Detail} }
	labels := map[string]bool{}
	for _, c := range all {
		labels[c.label] = true
		for _, d := range c.diags {
			k := keyOf(d)
			times[k]++
			if !slices.Contains(in[k], c.label) {
				in[k] = append(in[k], c.label)
			}
		}
	}
	done := map[key]bool{}
	for _, c := range all {
		for _, d := range c.diags {
			k := keyOf(d)
			if done[k] {
				continue
			}
			done[k] = true
			inBlock := c.block.Range().ContainsPos(subject(d).Start)
			switch {
			case isPattern(c.label) && inBlock && times[k] == 1: // only with this name
				d.Detail = before(d.Detail, fmt.Sprintf(" (tried with the name %q)", c.env.Name))
			case !inBlock && len(in[k]) < len(labels):
				d.Detail = before(d.Detail, " (environment "+some(in[k])+")")
			}
			diags = append(diags, d)
		}
	}
	return diags
}

// before adds a text to a detail, before its hint.
func before(detail, text string) string {
	what, hint, hinted := strings.Cut(detail, " → ")
	if hinted {
		return what + text + " → " + hint
	}
	return what + text
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
	return f.samples(label, 2)
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
	block *hclsyntax.Block
	env   *Environment
	known Place // what the file says of its place
	d     *decoder
	diags hcl.Diagnostics
}

// try builds one environment of the file.
func (f *File) try(b *hclsyntax.Block, name string) candidate {
	one := *f
	one.selectAs(b, name)
	one.locate()
	c := candidate{label: b.Labels[0], block: b, known: Place{Account: one.account, Region: one.region}}
	c.env, c.d, c.diags = one.build(c.known)
	return c
}
