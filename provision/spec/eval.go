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

// scope is what expressions can refer to. Before the account and the region are
// known they are unknown values: so no expression fails for a wrong guess, as
// {"123456789012" = …}[account] would. What depends on them is then evaluated
// with an example of each, for the checks alone.
type scope struct {
	facts   *hcl.EvalContext
	example *hcl.EvalContext // nil if the account and the region are known
}

// The example of an account and a region.
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

// evaluate returns an expression's value, with marks. It reports false if there
// is none, and has then said why, unless lenient.
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
	return cty.NilVal, false // not decided before the account and the region are known
}

// variablesSet reports the variables of an expression that do not exist or have
// no value. For a removal a variable without a value is an unknown value.
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
				hint = fmt.Sprintf(" Declare it: variable %q {}", name)
			}
			d.errorAt(at, "Unknown variable", fmt.Sprintf("There is no variable %q.%s", name, hint))
		case v.broken:
			ok = false
		case !v.set && !d.file.o.Removal:
			ok = false
			if !d.told[name] { // once is enough
				d.told[name] = true
				d.errorAt(at, "Variable not set", fmt.Sprintf("The variable %q has no value.%s", name, waysToSet(name)))
			}
		}
	}
	return ok
}

// variableName is the name in var.name, if the traversal is one.
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
	return fmt.Sprintf(" Set it with --var %s=…, with the environment variable FLOWBED_VAR_%s, or with default = … in its block.", name, name)
}

// remedy says what would make an expression's value known.
func (d *decoder) remedy(expr hclsyntax.Expression) string {
	for _, t := range expr.Variables() {
		if name, _ := variableName(t); name != "" && d.file.vars[name] != nil && !d.file.vars[name].set {
			return waysToSet(name)
		}
	}
	return " Provide it."
}

// explain puts what HCL says about an expression into words that name the cure
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
			diag.Detail = "The expression uses a sensitive variable, so the reason is not shown here."
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
		return name == "" || v == nil || v.sensitive // all of var: there may be a secret among them
	})
}

// unmark takes the marks off a value, inside and out.
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
