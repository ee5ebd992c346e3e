package spec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variableIdentifier matches names that an environment variable can have, too.
var variableIdentifier = compile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variable is a declared variable and its value.
type variable struct {
	value     cty.Value // with marks; unknown if it is not set
	set       bool
	sensitive bool
	broken    bool // its block has a mistake, which has been reported
	block     *hclsyntax.Block
}

func (f *File) variableNames() []string { return slices.Sorted(maps.Keys(f.vars)) }

// variable reads a variable block. fromFile is its value in a --var-file, or nil.
func (d *decoder) variable(b *hclsyntax.Block, fromFile *fileValue) {
	name, before := b.Labels[0], len(d.diags)
	v := &variable{value: cty.DynamicVal, block: b}
	d.file.vars[name] = v
	if v.sensitive = d.sensitive(b); v.sensitive && b.Body.Attributes["default"] != nil {
		d.closeVariable(b)
	}
	d.closeBlock(b, members(reflect.TypeFor[Variable]()))
	attributes, _ := split(members(reflect.TypeFor[Variable]()))
	d.unknownNames(b.Body, attributes, nil, "a variable block")
	if !variableIdentifier.matches(name) {
		d.errorAt(b.LabelRanges[0], "Invalid variable name", fmt.Sprintf(
			"%q is not a valid variable name. → use letters, digits and underscores, starting with a letter", name))
	}
	fallback := d.fallback(b, v.sensitive)
	// An empty secret is one that a CI system does not have. As a value, it would
	// delete the key of an environment that has one.
	if text, ok := d.file.outside(name); ok && (text != "" || !v.sensitive) {
		d.fromOutside(v, text, fallback)
	} else if fromFile != nil && (!v.sensitive || !fromFile.empty()) {
		d.fromFile(v, fromFile, fallback)
	} else if fallback != cty.NilVal && fallback.IsKnown() {
		v.value, v.set = fallback, true
	}
	v.broken = len(d.diags) > before
	if v.sensitive {
		d.file.hidden.addAll(v.value)
		v.value = v.value.Mark(sensitive)
	}
}

// outside reports whether the value comes from an environment variable or a file that the
// config file itself names.
func (v *variable) outside() bool {
	_, marks := unmark(v.value)
	return marks[outside]
}

// outside is a variable's value from --var or from an environment variable.
func (f *File) outside(name string) (string, bool) {
	if s, ok := f.o.Vars[name]; ok {
		return s, true
	}
	return f.o.Environ("FLOWBED_VAR_" + name)
}

func (d *decoder) sensitive(b *hclsyntax.Block) bool {
	attr, ok := b.Body.Attributes["sensitive"]
	if !ok {
		return false
	}
	v, diags := d.file.meter.read(attr.Expr, nil)
	if diags.HasErrors() || v.Type() != cty.Bool || v.IsNull() || !v.IsKnown() {
		d.errorAt(attr.Expr.Range(), "Wrong type", `"sensitive" must be true or false.`)
		return true // to be safe
	}
	return v.True()
}

// fallback is the default, or cty.NilVal. It can call functions, but cannot refer
// to variables.
func (d *decoder) fallback(b *hclsyntax.Block, secret bool) cty.Value {
	attr, ok := b.Body.Attributes["default"]
	if !ok {
		return cty.NilVal
	}
	if secret {
		d.hideLiterals(attr.Expr)
	}
	if refs := attr.Expr.Variables(); len(refs) > 0 {
		d.errorAt(refs[0].SourceRange(), "Reference in a default", "A default can call functions but cannot refer to variables, because flowbed evaluates it first.")
		return cty.NilVal
	}
	v, diags := d.file.meter.read(attr.Expr, &hcl.EvalContext{Functions: d.file.functions()})
	if !diags.HasErrors() {
		return v
	}
	if _, outside := d.file.outside(b.Labels[0]); outside || d.file.o.Destroy { // the default is not needed
		return cty.NilVal
	}
	for _, diag := range diags {
		if m, ok := missingFrom(diag); ok && (!secret || m.plain()) {
			diag.Summary, diag.Detail = m.summary, m.detail
		} else if secret {
			diag.Detail = "This is the default of a sensitive variable, so flowbed does not show the reason."
		}
	}
	d.diags = append(d.diags, diags...)
	return cty.NilVal
}

// fromOutside converts a value from outside to the type of the default.
func (d *decoder) fromOutside(v *variable, text string, fallback cty.Value) {
	v.value, v.set = cty.StringVal(text), true
	if v.sensitive {
		d.file.hidden.add(text)
	}
	if fallback == cty.NilVal || fallback.IsNull() || !fallback.IsKnown() {
		return
	}
	fallback, _ = unmark(fallback)
	want := fallback.Type()
	if want != cty.String && !want.IsPrimitiveType() {
		expr, diags := parseExpression([]byte(text), "value", d.file.meter)
		if !diags.HasErrors() {
			v.value, diags = d.file.meter.read(expr, nil)
		}
		if diags.HasErrors() || kind(v.value.Type()) != kind(want) {
			v.set = false
			d.errorAt(v.block.DefRange(), "Wrong type", fmt.Sprintf(
				"The value of the variable %q must be %s, like its default. → write it as you would in this file", v.block.Labels[0], kind(want)))
		}
		return
	}
	converted, err := convert.Convert(v.value, want)
	if err != nil {
		v.set = false
		d.errorAt(v.block.DefRange(), "Wrong type", fmt.Sprintf(
			"The value of the variable %q must be %s, like its default.", v.block.Labels[0], kind(want)))
		return
	}
	v.value = converted
}

// addAll registers all strings in a value.
func (h *hidden) addAll(v cty.Value) {
	v, _ = unmark(v)
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			h.add(v.AsString())
		}
		return true, nil
	})
}

// longestName is the longest unknown variable name that a message shows. A longer
// one may be a key.
const longestName = 30

// unknownVars reports --var flags for variables that the file does not declare. It
// points at the variable with the most similar name.
func (d *decoder) unknownVars(top hcl.Range) {
	names := d.file.variableNames()
	for _, name := range slices.Sorted(maps.Keys(d.file.o.Vars)) {
		if d.file.vars[name] != nil {
			continue
		}
		at := hcl.Range{Filename: top.Filename, Start: hcl.InitialPos, End: hcl.InitialPos}
		hint := fmt.Sprintf("declare it: variable %q {}", name)
		if s := nearest(name, names); s != "" {
			at, hint = d.file.vars[s].block.DefRange(), didYouMean(name, names)
		}
		if len(name) > longestName || !hclsyntax.ValidIdentifier(name) {
			// The name may be part of a secret: a value that contains a =.
			d.errorAt(at, "Unknown variable", "The text before the = of a --var is not a variable of this file. → use --var name=value")
			continue
		}
		d.errorAt(at, "Unknown variable", fmt.Sprintf("The file has no variable %q for --var. → %s", name, hint))
	}
}
