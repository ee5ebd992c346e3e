package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// isPattern reports whether an environment's label is a pattern: it ends in an
// asterisk, which stands for at least one character.
func isPattern(label string) bool { return strings.HasSuffix(label, "*") }

// fits reports whether a label is the environment's name, or a pattern for it.
func fits(label, name string) bool {
	prefix, pattern := strings.CutSuffix(label, "*")
	return label == name || pattern && len(name) > len(prefix) && strings.HasPrefix(name, prefix)
}

// choose selects the environment that Options.Env names, or else the only one.
func (f *File) choose(d *decoder, top hcl.Range) {
	var exact []*hclsyntax.Block
	for _, b := range f.environments {
		if !isPattern(b.Labels[0]) {
			exact = append(exact, b)
		}
	}
	switch {
	case len(f.environments) == 0:
		d.errorAt(top, "No environment", `The file has no environment block. → add at least: environment "dev" {}`)
	case f.o.Env != "":
		f.chooseNamed(d)
	case len(exact) == 1:
		f.selectAs(exact[0], exact[0].Labels[0])
	case len(exact) == 0:
		label, example := f.environments[0].Labels[0], ""
		for _, name := range f.samples(label, 1) {
			example = ", for example: -e " + name
		}
		d.errorAt(f.environments[0].DefRange(), "No environment selected", fmt.Sprintf(
			"%q is a pattern, which stands for many environments. → name one of them with -e%s", label, example))
	default:
		d.errorAt(exact[1].DefRange(), "Several environments", fmt.Sprintf(
			"The file has the environments %s. → select one with -e, for example: -e %s", some(f.Names()), exact[0].Labels[0]))
	}
}

func (f *File) chooseNamed(d *decoder) {
	name := f.o.Env
	if strings.Contains(name, "*") {
		d.errorAt(f.environments[0].DefRange(), "Pattern instead of a name", fmt.Sprintf(
			"-e %q is a pattern, and flowbed works on one environment at a time. → name one environment, without an asterisk", name))
		return
	}
	var fitting []*hclsyntax.Block
	for _, b := range f.environments {
		if b.Labels[0] == name { // it wins over all patterns
			f.selectAs(b, name)
			return
		}
		if fits(b.Labels[0], name) {
			fitting = append(fitting, b)
		}
	}
	switch len(fitting) {
	case 0:
		f.notFound(d)
	case 1:
		f.selectAs(fitting[0], name)
		if !environmentName.matches(name) {
			d.errorAt(fitting[0].LabelRanges[0], "Invalid environment name", badEnvironment(name))
		}
	default:
		d.errorAt(fitting[1].DefRange(), "Ambiguous environment", fmt.Sprintf(
			"Both %q and %q match the name %q. → change one of the patterns, or add an environment %q", fitting[0].Labels[0], fitting[1].Labels[0], name, name))
	}
}

// notFound reports a name that the file does not have. It points at the most similar
// one.
func (f *File) notFound(d *decoder) {
	names := f.Names()
	at := f.environments[0]
	exact := slices.DeleteFunc(f.Names(), isPattern)
	if s := nearest(f.o.Env, exact); s != "" {
		at = f.environments[slices.Index(names, s)]
	}
	hint := advice(didYouMean(f.o.Env, exact), "the file has "+some(names))
	switch {
	case slices.Contains(names, f.o.Env+"*"):
		hint = fmt.Sprintf(" → %q needs at least one character in place of the asterisk", f.o.Env+"*")
	case f.o.Destroy:
		hint += fmt.Sprintf("; to remove one that the file no longer has, run: flowbed sweep %s --yes", f.o.Env)
	}
	d.errorAt(at.DefRange(), "Unknown environment", fmt.Sprintf("The file has no environment %q.%s", f.o.Env, hint))
}

// selectAs selects the environment that a block describes under a name.
func (f *File) selectAs(b *hclsyntax.Block, name string) { f.block, f.name = b, name }

// samples are names for which a pattern stands: numbers in place of the asterisk, as in
// pr-4711, without those that have a block of their own.
func (f *File) samples(pattern string, n int) (names []string) {
	prefix := strings.TrimSuffix(pattern, "*")
	if prefix == "" {
		prefix = "env-"
	}
	taken := f.Names()
	for i := 1; len(names) < n; i++ {
		name := prefix + strconv.Itoa(i)
		if len(name) > longestEnvironment { // then there are only few names
			return names
		}
		if !slices.Contains(taken, name) {
			names = append(names, name)
		}
	}
	return names
}

// some lists names: all of them, or the first ten of many.
func some(names []string) string {
	const most = 10
	if len(names) <= most+1 {
		return list(names, "and")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(quoted(names[:most]), ", "), len(names)-most)
}
