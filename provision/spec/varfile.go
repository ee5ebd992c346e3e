package spec

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// fileValue is the value of a variable in a file that --var-file names.
type fileValue struct {
	value cty.Value
	at    hcl.Range
}

// empty reports whether the value counts as not set for a sensitive variable.
func (v *fileValue) empty() bool { return v.value.Type() == cty.String && v.value.AsString() == "" }

// readVarFiles reads the files with values of variables. They may hold secrets, so no
// message shows their text.
func (d *decoder) readVarFiles() map[string]*fileValue {
	all := map[string]*fileValue{}
	for _, path := range d.file.o.VarFiles {
		maps.Copy(all, d.readVarFile(path))
	}
	return all
}

// syntax is what a file of variables has to look like.
func syntax(isJSON bool) string {
	if isJSON {
		return `use one JSON object with a value for each variable, for example {"days": 30}`
	}
	return "use a line name = value for each variable, or JSON in a file whose name ends in .json"
}

func (d *decoder) readVarFile(path string) map[string]*fileValue {
	isJSON := filepath.Ext(path) == ".json"
	at := hcl.Range{Filename: path, Start: hcl.InitialPos, End: hcl.InitialPos}
	invalid := func(diags hcl.Diagnostics, what string) map[string]*fileValue {
		if len(diags) > 0 {
			at = subject(diags[0])
		}
		d.errorAt(at, "Invalid file of variables", what+" → "+syntax(isJSON))
		return nil
	}
	d.file.o.Reading(path)
	src, err := readFile(path)
	if err != nil {
		d.errorAt(at, "Unreadable file", unreadableText(fmt.Sprintf("--var-file %q", path), err, "check the path, which is relative to the working directory"))
		return nil
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff")) // as some editors write
	parse := func() (*hcl.File, hcl.Diagnostics) { return parseHCL(src, path, d.file.meter) }
	if isJSON {
		if tooDeep(src) {
			return invalid(nil, "The values are nested too deeply.")
		}
		parse = func() (*hcl.File, hcl.Diagnostics) { return hclparse.NewParser().ParseJSON(src, path) }
	}
	parsed, diags := parse()
	switch {
	case parsed == nil:
		return invalid(diags, "The values are nested too deeply, or too large.")
	case diags.HasErrors():
		return invalid(diags, "The syntax is not correct.")
	}
	attributes, diags := parsed.Body.JustAttributes()
	if diags.HasErrors() {
		return invalid(diags, "This is not a list of variables.")
	}
	values := map[string]*fileValue{}
	for name, attr := range attributes {
		v, diags := d.file.meter.read(attr.Expr, nil)
		switch {
		case diags.HasErrors() || !v.IsWhollyKnown():
			at := attr.Expr.Range()
			d.errorAt(at, "Expression in a file of variables", "A file of variables can have only plain values, without references and functions. → write the value itself")
		case !v.IsNull(): // null means "not set"
			values[name] = &fileValue{v, attr.NameRange}
		}
	}
	return values
}

// fromFile takes a variable's value from a file, and converts it to the type of the
// default.
func (d *decoder) fromFile(v *variable, f *fileValue, fallback cty.Value) {
	v.value, v.set = f.value, true
	if fallback == cty.NilVal || fallback.IsNull() || !fallback.IsKnown() {
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
		d.errorAt(f.at, "Wrong type", fmt.Sprintf("The value of the variable %q must be %s, like its default. → for example: %s",
			v.block.Labels[0], kind(want), exampleOf(want)))
	}
}

// unknownFromFiles reports values for variables that the file does not declare.
func (d *decoder) unknownFromFiles(given map[string]*fileValue) {
	names := d.file.variableNames()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if d.file.vars[name] != nil {
			continue
		}
		// The name may be a part of a secret.
		d.errorAt(given[name].at, "Unknown variable", "The config file has no such variable."+
			meantOr(name, names, "remove it, or declare it with a variable block"))
	}
}

// exampleOf is a value of a type, in both HCL and JSON.
func exampleOf(ty cty.Type) string {
	switch kind(ty) {
	case "a number":
		return "30"
	case "a boolean":
		return "true"
	case "a list":
		return `["a", "b"]`
	case "a map":
		return `{"a": "b"}`
	}
	return `"a"`
}
