package spec

import (
	"errors"
	"fmt"
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
	facts   *context
	example *context // nil if the account and the region are known
}

// context holds the values for expressions. Local values are evaluated on first use,
// because a file may have some that the selected environment does not need.
type context struct {
	*hcl.EvalContext
	locals map[string]localValue
}

type localValue struct {
	value cty.Value
	diags hcl.Diagnostics
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

func (f *File) context(p Place) *context {
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
	return &context{locals: map[string]localValue{}, EvalContext: &hcl.EvalContext{
		Functions: f.functions(),
		Variables: map[string]cty.Value{
			"account": text(p.Account), "region": text(p.Region), "env_name": text(f.name),
			"var": cty.ObjectVal(vars),
		},
	}}
}

// eval returns an expression's value in a context.
func (f *File) eval(c *context, expr hclsyntax.Expression) (cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	values := map[string]cty.Value{}
	for _, name := range f.localsIn(expr) {
		l := f.local(c, name)
		values[name] = l.value
		diags = append(diags, l.diags...)
	}
	if diags.HasErrors() { // one mistake may reach the expression in many ways
		return cty.DynamicVal, distinct(diags)
	}
	ctx := c.EvalContext
	if len(values) > 0 {
		ctx = ctx.NewChild()
		ctx.Variables = map[string]cty.Value{"local": cty.ObjectVal(values)}
	}
	return f.meter.read(expr, ctx)
}

// valueOf returns an expression's value as far as it is known.
func (d *decoder) valueOf(expr hclsyntax.Expression) (cty.Value, hcl.Diagnostics) {
	return d.file.eval(d.scope.facts, expr)
}

// evaluate returns the value of an attribute or of a local value, with its marks, or
// false. It then reports the reason, unless lenient; of a secret without its text.
func (d *decoder) evaluate(expr hclsyntax.Expression, secret, lenient bool) (cty.Value, bool) {
	if !d.usable(expr) {
		return cty.NilVal, false
	}
	v, diags := d.valueOf(expr)
	if diags.HasErrors() {
		if !lenient {
			d.diags = append(d.diags, d.explain(expr, diags, secret)...)
		}
		return cty.NilVal, false
	}
	if v.IsWhollyKnown() || d.scope.example == nil {
		return v, true
	}
	if guess, diags := d.file.eval(d.scope.example, expr); !diags.HasErrors() {
		return guess, true
	}
	return cty.NilVal, false // wait for the account and the region
}

// usable reports variables and local values in an expression that do not exist, and
// variables that have no value. For down and for a check of the whole file, a variable
// without a value is an unknown value.
func (d *decoder) usable(expr hclsyntax.Expression) bool {
	ok := true
	for _, t := range expr.Variables() {
		name, at := referred(t)
		switch {
		case name == "":
		case t.RootName() == "local":
			ok = d.localUsable(name, at) && ok
		case t.RootName() == "var":
			ok = d.variableUsable(name, at) && ok
		}
	}
	return ok
}

func (d *decoder) variableUsable(name string, at hcl.Range) bool {
	v := d.file.vars[name]
	switch {
	case v == nil:
		what, todo := fmt.Sprintf("variable %q", name), fmt.Sprintf("declare it: variable %q {}", name)
		if d.file.hidden.closed(at) {
			what, todo = "such variable", "declare it with a variable block"
		}
		d.errorAt(at, "Unknown variable", fmt.Sprintf("There is no %s.%s", what, meantOr(name, d.file.variableNames(), todo)))
		return false
	case v.broken:
		return false
	case !v.set && !d.file.o.Destroy && !d.file.o.partial:
		if !d.told[name] { // report it once
			d.told[name] = true
			d.errorAt(at, "Variable not set", fmt.Sprintf("The variable %q has no value.%s", name, waysToSet(name)))
		}
		return false
	}
	return true
}

// referred is the name in a reference to var.name or local.name; empty for other
// references.
func referred(t hcl.Traversal) (string, hcl.Range) {
	if len(t) < 2 || t.RootName() != "var" && t.RootName() != "local" {
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
	return fmt.Sprintf(" → set it with --var %s=…, with the environment variable FLOWBED_VAR_%s, in a file with --var-file, or with default = … in its block", name, name)
}

// remedy is the hint for an expression whose value is unknown.
func (d *decoder) remedy(expr hclsyntax.Expression) string {
	unset := ""
	look := func(e hclsyntax.Expression) {
		for _, t := range e.Variables() {
			name, _ := referred(t)
			if v := d.file.vars[name]; t.RootName() == "var" && v != nil && !v.set && unset == "" {
				unset = name
			}
		}
	}
	look(expr)
	d.file.eachLocal(expr, func(l *local) bool {
		look(l.attr.Expr)
		return unset == ""
	})
	if unset != "" {
		return waysToSet(unset)
	}
	return " → set the environment variable, or create the file"
}

// explain rewrites HCL's messages about an expression so that they say what to do
// and show no secret.
func (d *decoder) explain(expr hclsyntax.Expression, diags hcl.Diagnostics, secret bool) hcl.Diagnostics {
	t := d.file.depends(expr)
	for _, diag := range diags {
		if diag.Subject == nil {
			diag.Subject = expr.Range().Ptr()
		}
		m, missing := missingFrom(diag)
		switch { // functions put their arguments into their errors
		case missing && !t.sensitive && (!secret || m.plain()):
			diag.Summary, diag.Detail = m.summary, m.detail
			continue
		case secret, t.sensitive, d.file.isSecret(expr):
			diag.Detail = "The expression is about a secret, so flowbed does not show the reason."
		case d.file.hidden.closed(expr.Range()):
			diag.Detail = "The expression is in a block that holds a secret, so flowbed does not show the reason."
		case t.outside:
			diag.Detail = "The expression uses a value from an environment variable or a file, which may be a secret, so flowbed does not show the reason."
		case diag.Summary == "Unknown variable": // HCL's word for any name
			diag.Summary = "Unknown name"
			diag.Detail += " → put a text in quotes; the names of values begin with var or local"
			continue
		default:
			continue
		}
		diag.EvalContext, diag.Expression = nil, nil
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
