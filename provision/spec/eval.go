package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// scope is what expressions can refer to. An account or a region that is not known
// yet is an unknown value, not a guess: with a wrong guess, expressions such as
// {"123456789012" = …}[account] would fail. Attributes that depend on them are
// evaluated with an example of each, only so that they can be checked.
type scope struct {
	facts   *hcl.EvalContext
	example *hcl.EvalContext // nil if the account and the region are known
}

// The example account and region.
const (
	exampleAccount = "111122223333"
	exampleRegion  = "us-east-1"
)

func (f *File) newScope(p Place) scope {
	s := scope{facts: f.context(p)}
	if p.Account == "" || p.Region == "" {
		s.example = f.context(p.orExample())
	}
	return s
}

func (f *File) context(p Place) *hcl.EvalContext {
	text := func(s string) cty.Value {
		if s == "" {
			return cty.UnknownVal(cty.String)
		}
		return cty.StringVal(s)
	}
	vars := map[string]cty.Value{}
	for name, v := range f.vars {
		vars[name] = v.value
	}
	return &hcl.EvalContext{
		Functions: f.functions(),
		Variables: map[string]cty.Value{
			"account": text(p.Account), "region": text(p.Region), "env_name": text(f.name),
			"var": cty.ObjectVal(vars),
		},
	}
}

// evaluate returns an expression's value, with its marks, or false. It then reports
// the reason, unless lenient.
func (d *decoder) evaluate(expr hclsyntax.Expression, lenient bool) (cty.Value, bool) {
	if !d.variablesSet(expr) {
		return cty.NilVal, false
	}
	v, diags := expr.Value(d.scope.facts)
	if diags.HasErrors() {
		if !lenient {
			d.diags = append(d.diags, d.explain(expr, diags)...)
		}
		return cty.NilVal, false
	}
	if v.IsWhollyKnown() || d.scope.example == nil {
		return v, true
	}
	if guess, diags := expr.Value(d.scope.example); !diags.HasErrors() {
		return guess, true
	}
	return cty.NilVal, false // wait for the account and the region
}

// variablesSet reports variables in an expression that do not exist or have no
// value. For down, a variable without a value is an unknown value.
func (d *decoder) variablesSet(expr hclsyntax.Expression) bool {
	ok := true
	for _, t := range expr.Variables() {
		name, at := variableName(t)
		if name == "" {
			continue
		}
		v := d.file.vars[name]
		switch {
		case v == nil:
			ok = false
			names := d.file.variableNames()
			hint := didYouMean(name, names)
			if hint == "" {
				hint = fmt.Sprintf("declare it: variable %q {}", name)
			}
			d.errorAt(at, "Unknown variable", fmt.Sprintf("There is no variable %q. → %s", name, hint))
		case v.broken:
			ok = false
		case !v.set && !d.file.o.Destroy:
			ok = false
			if !d.told[name] { // report it once
				d.told[name] = true
				d.errorAt(at, "Variable not set", fmt.Sprintf("The variable %q has no value.%s", name, waysToSet(name)))
			}
		}
	}
	return ok
}

// variableName is the name in a reference to var.name; empty for other references.
func variableName(t hcl.Traversal) (string, hcl.Range) {
	if len(t) < 2 || t.RootName() != "var" {
		return "", hcl.Range{}
	}
	switch step := t[1].(type) {
	case hcl.TraverseAttr:
		return step.Name, t.SourceRange()
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString(), t.SourceRange()
		}
	}
	return "", hcl.Range{}
}

func waysToSet(name string) string {
	return fmt.Sprintf(" → set it with --var %s=…, with the environment variable FLOWBED_VAR_%s, or with default = … in its block", name, name)
}

// remedy is the hint for an expression whose value is unknown.
func (d *decoder) remedy(expr hclsyntax.Expression) string {
	for _, t := range expr.Variables() {
		if name, _ := variableName(t); name != "" && d.file.vars[name] != nil && !d.file.vars[name].set {
			return waysToSet(name)
		}
	}
	return " → set the environment variable, or create the file"
}

// explain rewrites HCL's messages about an expression so that they say what to do
// and show no secret.
func (d *decoder) explain(expr hclsyntax.Expression, diags hcl.Diagnostics) hcl.Diagnostics {
	confidential := d.usesSensitive(expr)
	for _, diag := range diags {
		if diag.Subject == nil {
			diag.Subject = expr.Range().Ptr()
		}
		if m, ok := missingFrom(diag); ok && !confidential {
			diag.Summary, diag.Detail = m.summary, m.detail
			continue
		}
		if confidential { // functions put their arguments into their errors
			diag.Detail = "The expression uses a sensitive variable, so flowbed does not show the reason."
			diag.EvalContext, diag.Expression = nil, nil
		}
	}
	return diags
}

func missingFrom(diag *hcl.Diagnostic) (missing, bool) {
	call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](diag)
	if !ok {
		return missing{}, false
	}
	return errors.AsType[missing](call.FunctionCallError())
}

func (d *decoder) usesSensitive(expr hclsyntax.Expression) bool {
	return slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool {
		if t.RootName() != "var" {
			return false
		}
		name, _ := variableName(t)
		v := d.file.vars[name]
		return name == "" || v == nil || v.sensitive // a reference to all of var may include a secret
	})
}

// unmark removes the marks from a value and from everything in it.
func unmark(v cty.Value) (cty.Value, map[mark]bool) {
	v, found := v.UnmarkDeep()
	marks := map[mark]bool{}
	for m := range found {
		if m, ok := m.(mark); ok {
			marks[m] = true
		}
	}
	return v, marks
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
