package spec

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"
)

// attribute decodes one attribute of b.
func (d *decoder) attribute(b *hclsyntax.Block, m member, field reflect.Value) {
	if b.Type == "environment" && m.name == "region" && d.file.o.Region != "" {
		return
	}
	attr, ok := b.Body.Attributes[m.name]
	if !ok {
		d.missing(b, m)
		return
	}
	if m.secret {
		d.hideLiterals(attr.Expr)
	}
	g := given{attr: attr}
	defer func() { d.given[field.Addr().Interface()] = g }()
	v, ok := d.known(b, m, attr)
	if !ok {
		return
	}
	plain, marks := unmark(v)
	g.open = !marks[sensitive] && !marks[foreign]
	switch {
	case marks[sensitive] && !m.secret:
		d.errorAt(attr.Expr.Range(), "Secret in the wrong place", fmt.Sprintf(
			"%q is shown in plans and stored in the clear, so it must not come from a sensitive variable. Use another variable.", m.name))
	case plain.IsNull(): // as if it were not there, so that a conditional can leave it out
		g.null = true
		d.missing(b, m)
	default:
		g.set = d.store(plain, m, attr, field)
	}
}

// known evaluates an attribute. It reports false if the value cannot be told,
// and has then said why, unless it will be told later or is not needed.
func (d *decoder) known(b *hclsyntax.Block, m member, attr *hclsyntax.Attribute) (cty.Value, bool) {
	if b.Type == "environment" && (m.name == "region" || m.name == "account") && d.circular(attr) {
		return cty.NilVal, false
	}
	removal := d.file.o.Removal
	v, ok := d.evaluate(attr.Expr, removal && !m.names)
	if !ok || v.IsWhollyKnown() {
		return v, ok
	}
	switch {
	case removal && m.names:
		d.errorAt(attr.Expr.Range(), "Name not known", fmt.Sprintf(
			"%q says which object is to be removed, but a variable, environment variable or file that it needs is missing.%s",
			m.name, d.remedy(attr.Expr)))
	case !removal:
		d.errorAt(attr.Expr.Range(), "Value not known", fmt.Sprintf("%q depends on a variable that has no value.", m.name))
	}
	return cty.NilVal, false
}

// store puts a value into its field if it has the right type.
func (d *decoder) store(v cty.Value, m member, attr *hclsyntax.Attribute, field reflect.Value) bool {
	err := assign(v, field)
	if err != nil && (!d.file.o.Removal || m.names) {
		d.errorAt(attr.Expr.Range(), "Wrong type", fmt.Sprintf(
			"%q must be %s%s.", m.name, wanted(field.Type()), wrongness(v, field.Type(), err)))
	}
	return err == nil
}

// missing reports an attribute that is not there, if it is needed.
func (d *decoder) missing(b *hclsyntax.Block, m member) {
	if m.optional || d.file.o.Removal || d.meant[meant{b.Body, m.name}] {
		return
	}
	d.errorAt(b.DefRange(), "Missing attribute", fmt.Sprintf(
		"%s block needs %q.%s", title(article(b.Type)), m.name, examples[b.Type+"."+m.name]))
}

// examples say what a required attribute looks like.
var examples = map[string]string{
	"prefect.api_url":     ` For example: api_url = "https://prefect.example.com/api"`,
	"statement.actions":   ` For example: actions = ["sqs:SendMessage"]`,
	"statement.resources": ` For example: resources = ["arn:aws:sqs:${region}:${account}:events"]`,
}

// assign converts a value to the field's type and stores it.
func assign(v cty.Value, field reflect.Value) error {
	want, err := gocty.ImpliedType(field.Interface())
	if err != nil {
		return err
	}
	if v, err = convert.Convert(v, want); err != nil {
		return err
	}
	into := reflect.New(field.Type())
	if err := gocty.FromCtyValue(v, into.Interface()); err != nil {
		return err
	}
	field.Set(into.Elem())
	return nil
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "a list of texts"
	case reflect.Map:
		return "a map of texts"
	}
	return "a text"
}

// wrongness says how v fails to be of type t, without showing it.
func wrongness(v cty.Value, t reflect.Type, err error) string {
	ty := v.Type()
	switch {
	case t.Kind() == reflect.Slice && ty == cty.String:
		return ", not a single text: put it in brackets, [\"…\"]"
	case ty == cty.String && t.Kind() == reflect.Int:
		return ", and this text is none"
	case ty == cty.String, ty == cty.Number && t.Kind() == reflect.Int:
		return ""
	case (ty.IsTupleType() || ty.IsListType()) && t.Kind() == reflect.Slice,
		(ty.IsObjectType() || ty.IsMapType()) && t.Kind() == reflect.Map:
		return ", but an element is not: " + err.Error()
	}
	return ", not " + kind(ty)
}

func kind(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "a text"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty.IsTupleType(), ty.IsListType(), ty.IsSetType():
		return "a list"
	case ty.IsObjectType(), ty.IsMapType():
		return "a map"
	}
	return "something else"
}

// circular reports an account or a region that depends on one of them.
func (d *decoder) circular(attr *hclsyntax.Attribute) bool {
	for _, t := range attr.Expr.Variables() {
		if root := t.RootName(); root == "account" || root == "region" {
			d.errorAt(t.SourceRange(), "Circular value", fmt.Sprintf(
				"%q cannot depend on %q: it must be known before anything is asked of AWS. Write it out, or use a variable.", attr.Name, root))
			return true
		}
	}
	return false
}
