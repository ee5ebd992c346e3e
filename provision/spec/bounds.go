package spec

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// bounded returns a function whose calls count for the meter: what they are given, what they
// will make of that where it can be much more, and their results.
func (m *meter) bounded(name string, f function.Function) function.Function {
	foresee := effort[name]
	// The result shows its type: telling it before would take as long as the call.
	spec := &function.Spec{VarParam: bounding(f.VarParam()), Type: function.StaticReturnType(cty.DynamicPseudoType)}
	for _, p := range f.Params() {
		spec.Params = append(spec.Params, *bounding(&p))
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		m.check(args, foresee)
		v, err := f.Call(args)
		if err == nil {
			m.count(v)
		}
		return v, err
	}
	return function.New(spec)
}

// bounding lets a parameter accept everything: the function itself says what it does not
// accept.
func bounding(p *function.Parameter) *function.Parameter {
	if p == nil {
		return nil
	}
	q := *p
	q.AllowNull, q.AllowUnknown, q.AllowDynamicType, q.AllowMarked = true, true, true, true
	return &q
}

// mostEffort limits what a function is about to do, in bytes or comparisons.
const mostEffort = 1 << 24

// check counts the arguments of a call, and what the function will do with them.
func (m *meter) check(args []cty.Value, foresee func(sizes) float64) {
	s := sizes{args: make([]cty.Value, len(args))}
	for i, v := range args {
		if v.Type() == customdecode.ExpressionClosureType { // of try and can
			m.step()
			continue
		}
		m.count(v)
		s.args[i], _ = v.UnmarkDeep()
	}
	if foresee != nil && foresee(s) > mostEffort {
		m.exhaust()
	}
}

// sizes are the arguments of a call.
type sizes struct{ args []cty.Value }

// text is an argument that is a string; empty if it is none.
func (s sizes) text(i int) string {
	if i >= len(s.args) || s.args[i].Type() != cty.String || !s.args[i].IsKnown() || s.args[i].IsNull() {
		return ""
	}
	return s.args[i].AsString()
}

// size is the size of all arguments from the given one on.
func (s sizes) size(from int) (n float64) {
	for _, v := range s.args[min(from, len(s.args)):] {
		n += float64(sizeOf(v, mostValue))
	}
	return n
}

// effort has the functions that do more than go through their arguments once.
var effort = map[string]func(sizes) float64{
	"distinct":   func(s sizes) float64 { n := s.size(0) / element; return n * n / 2 },
	"format":     formatted,
	"formatlist": func(s sizes) float64 { return formatted(s) + float64(len(s.text(0)))*s.size(1)/element },
	"indent": func(s sizes) float64 {
		return number(s, 0) * float64(1+strings.Count(s.text(1), "\n"))
	},
	"join":     func(s sizes) float64 { return float64(len(s.text(0))) * s.size(1) / element },
	"regex":    matched,
	"regexall": matched,
	"replace": func(s sizes) float64 {
		text, old, with := s.text(0), s.text(1), float64(len(s.text(2)))
		if len(old) > 1 && strings.HasPrefix(old, "/") && strings.HasSuffix(old, "/") {
			groups := float64(strings.Count(s.text(2), "$"))
			return float64(len(text)+1)*(with+float64(len(old))) + groups*float64(len(text))
		}
		return float64(strings.Count(text, old)) * with
	},
	"trim": func(s sizes) float64 { return float64(len(s.text(0))) * float64(len(s.text(1))) },
	"jsondecode": func(s sizes) float64 {
		if tooDeep([]byte(s.text(0))) {
			return 2 * mostEffort
		}
		return 0
	},
}

// matched is the effort of looking for a pattern in a text.
func matched(s sizes) float64 {
	return float64(len(s.text(0))) * float64(len(s.text(1)))
}

// verbs finds the verbs of a format, and the numbers in them: the width and the precision.
var (
	verbs  = compile(`%[^a-zA-Z%]*`)
	digits = compile(`[0-9]+`)
)

// formatted is how long a formatted text can be.
func formatted(s sizes) float64 {
	format := []byte(s.text(0))
	n := float64(bytes.Count(format, []byte("%"))) * s.size(1)
	for _, verb := range verbs().FindAll(format, -1) {
		n += widths(digits(), verb)
	}
	return n
}

func widths(digits *regexp.Regexp, verb []byte) (n float64) {
	for _, d := range digits.FindAll(verb, -1) {
		width, err := strconv.ParseFloat(string(d), 64)
		if err != nil {
			return 2 * mostEffort
		}
		n += width
	}
	return n
}

// number is an argument that is a number.
func number(s sizes, i int) float64 {
	if i >= len(s.args) || s.args[i].Type() != cty.Number || !s.args[i].IsKnown() || s.args[i].IsNull() {
		return 0
	}
	n, _ := s.args[i].AsBigFloat().Float64()
	return max(n, 0)
}
