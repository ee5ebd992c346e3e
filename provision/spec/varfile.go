package spec

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// fileValue is the value of a variable in a file that --var-file names.
type fileValue struct {
	value cty.Value
	at    hcl.Range
}

// empty reports whether the value counts as not set for a sensitive variable.
func (v *fileValue) empty() bool {
	return v.value.IsNull() || v.value.Type() == cty.String && v.value.AsString() == ""
}

// readVarFiles reads the files with values of variables. They may hold secrets, so no
// message shows their text.
func (d *decoder) readVarFiles() map[string]*fileValue {
	all := map[string]*fileValue{}
	for _, path := range d.file.o.VarFiles {
		maps.Copy(all, d.readVarFile(path))
	}
	return all
}

func (d *decoder) readVarFile(path string) map[string]*fileValue {
	start := hcl.Range{Filename: path, Start: hcl.InitialPos, End: hcl.InitialPos}
	src, err := readFile(path)
	if err != nil {
		d.errorAt(start, "Unreadable file", fmt.Sprintf("--var-file %s: %v. → check the path, which is relative to the working directory", path, cause(err)))
		return nil
	}
	parser := hclparse.NewParser()
	parse := parser.ParseHCL
	if filepath.Ext(path) == ".json" {
		parse = parser.ParseJSON
	}
	parsed, diags := parse(src, path)
	if diags.HasErrors() {
		d.errorAt(*diags[0].Subject, "Invalid file of variables", "This is not a list of variables, which has one name = value on each line, or one JSON object in a file whose name ends in .json. → correct the syntax")
		return nil
	}
	attributes, diags := parsed.Body.JustAttributes()
	if diags.HasErrors() {
		d.errorAt(*diags[0].Subject, "Invalid file of variables", "A file of variables has only attributes, and no blocks. → write one name = value for each variable")
		return nil
	}
	values := map[string]*fileValue{}
	for name, attr := range attributes {
		v, diags := attr.Expr.Value(nil)
		if diags.HasErrors() || !v.IsWhollyKnown() {
			d.errorAt(attr.Expr.Range(), "Expression in a file of variables", "A file of variables can have only plain values, without references and functions. → write the value itself")
			continue
		}
		values[name] = &fileValue{v, attr.NameRange}
	}
	return values
}

// fromFile takes a variable's value from a file, and converts it to the type of the
// default.
func (d *decoder) fromFile(v *variable, f *fileValue, fallback cty.Value) {
	v.value, v.set = f.value, !f.value.IsNull()
	if !v.set || fallback == cty.NilVal || fallback.IsNull() || !fallback.IsKnown() {
		return
	}
	fallback, _ = unmark(fallback)
	want := fallback.Type()
	if want.IsPrimitiveType() {
		if converted, err := convert.Convert(f.value, want); err == nil {
			v.value = converted
			return
		}
	}
	if kind(f.value.Type()) != kind(want) {
		v.set = false
		d.errorAt(f.at, "Wrong type", fmt.Sprintf("The value of the variable %q must be %s, like its default.", v.block.Labels[0], kind(want)))
	}
}

// unknownFromFiles reports values for variables that the file does not declare.
func (d *decoder) unknownFromFiles(given map[string]*fileValue) {
	names := d.file.variableNames()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if d.file.vars[name] != nil {
			continue
		}
		if len(name) > longestName || !hclsyntax.ValidIdentifier(name) { // it may be a part of a secret
			d.errorAt(given[name].at, "Unknown variable", "This is not a variable of the config file. → remove it")
			continue
		}
		d.errorAt(given[name].at, "Unknown variable", fmt.Sprintf("The config file has no variable %q.%s", name,
			advice(didYouMean(name, names), fmt.Sprintf("declare it: variable %q {}", name))))
	}
}
