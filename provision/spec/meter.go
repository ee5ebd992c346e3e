package spec

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Nested loops, templates and functions can make much out of little: three loops of a
// thousand elements each are a thousand million. HCL has no limits, so a meter counts what
// the parts of an expression come to, and ends the evaluation early. It counts work and not
// time, so that a file is valid on a slow machine if it is valid on a fast one.
const (
	mostValue = 1 << 22 // the size of all parts of one value together
	mostWork  = 1 << 23 // steps for a whole file
	mostBits  = 4096    // of a number: 1e999999999 is short, but not as a string

	element = 16 // what an element counts; a character counts 1
)

// meter limits the evaluation of a file's expressions.
type meter struct {
	value int // since the evaluation of a value began
	work  int // steps since the file was read
	spent bool
}

const largeValue = "Large value"

// exhausted is what a meter panics with.
type exhausted struct{}

// read evaluates an expression within the limits.
func (m *meter) read(expr hcl.Expression, ctx *hcl.EvalContext) (v cty.Value, diags hcl.Diagnostics) {
	m.value, m.spent = 0, m.work > mostWork
	defer func() {
		p := recover()
		if _, ours := p.(exhausted); p != nil && !ours {
			panic(p)
		}
		if m.spent { // the function try may have caught the panic
			v, diags = cty.DynamicVal, hcl.Diagnostics{m.complaint(expr.Range())}
		}
	}()
	if m.spent {
		return cty.DynamicVal, nil
	}
	v, diags = expr.Value(ctx)
	m.count(v)
	return v, withoutPanics(diags)
}

// withoutPanics replaces the messages about functions that panicked: they have the stack, and
// what the function was given.
func withoutPanics(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		if !ok {
			continue
		}
		if _, panicked := errors.AsType[function.PanicError](call.FunctionCallError()); panicked {
			d.Detail = "The function cannot handle these values. → write it in another way, and report this"
		}
	}
	return diags
}

func (m *meter) complaint(at hcl.Range) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: largeValue, Subject: &at,
		Detail: "The value, or what it is made of, is larger than 4 MiB, or a number in it has more than 1,200 digits. → make it smaller"}
	if m.work > mostWork {
		d.Summary, d.Detail = "Too much work", "The expressions of the file take too long together. → use fewer or smaller loops"
	}
	return d
}

// exhaust ends the evaluation.
func (m *meter) exhaust() {
	m.spent = true
	panic(exhausted{})
}

// step is the beginning of something that may be repeated.
func (m *meter) step() {
	if m.work++; m.spent || m.work > mostWork {
		m.exhaust()
	}
}

// count adds a value to what has been evaluated.
func (m *meter) count(v cty.Value) {
	m.step()
	size := sizeOf(v, mostValue-m.value)
	m.value += size
	m.work += size / element
	if m.value > mostValue {
		m.exhaust()
	}
}

// sizeOf is the size of a value. If it is more than most, or a number is too long, sizeOf
// returns more than most.
func sizeOf(v cty.Value, most int) (size int) {
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		v, _ = v.Unmark()
		size += element
		switch known := v.IsKnown() && !v.IsNull(); {
		case known && v.Type() == cty.String:
			size += len(v.AsString())
		case known && v.Type() == cty.Number && bits(v) > mostBits:
			size = most + 1
		}
		if size > most {
			return false, errLarge
		}
		return true, nil
	})
	return size
}

// bits are how many bits a number has before or after the point.
func bits(v cty.Value) int {
	f := v.AsBigFloat()
	if f.IsInf() {
		return mostBits + 1
	}
	return max(f.MantExp(nil), -f.MantExp(nil))
}

// metered counts an expression's value. To a visitor it looks like one in parentheses.
type metered struct {
	*hclsyntax.ParenthesesExpr
	meter *meter
}

func (e *metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	e.meter.step()
	v, diags := e.Expression.Value(ctx)
	e.meter.count(v)
	return v, diags
}

// install makes the expressions below a node count the values of their parts. It reports
// numbers that are too long.
func (m *meter) install(root hclsyntax.Node) hcl.Diagnostics {
	return hclsyntax.VisitAll(root, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.ForExpr:
			m.wrap(&n.CollExpr, &n.KeyExpr, &n.ValExpr, &n.CondExpr)
		case *hclsyntax.SplatExpr:
			m.wrap(&n.Source, &n.Each)
		case *hclsyntax.BinaryOpExpr:
			m.wrap(&n.LHS, &n.RHS)
		case *hclsyntax.TemplateExpr:
			for i := range n.Parts {
				m.wrap(&n.Parts[i])
			}
		case *hclsyntax.LiteralValueExpr:
			if n.Val.Type() == cty.Number && n.Val.IsKnown() && !n.Val.IsNull() && bits(n.Val) > mostBits {
				return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Large number", Subject: &n.SrcRange,
					Detail: fmt.Sprintf("A number can have at most %d binary digits. → write a smaller one", mostBits)}}
			}
		}
		return nil
	})
}

func (m *meter) wrap(parts ...*hclsyntax.Expression) {
	for _, p := range parts {
		switch (*p).(type) {
		case nil, *hclsyntax.LiteralValueExpr: // no larger than the text of the file
		default:
			*p = &metered{&hclsyntax.ParenthesesExpr{Expression: *p, SrcRange: (*p).Range()}, m}
		}
	}
}
