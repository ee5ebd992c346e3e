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
	g.open = !marks[sensitive] && !marks[outside]
	switch {
	case marks[sensitive] && !m.secret:
		d.errorAt(attr.Expr.Range(), "Misplaced secret", fmt.Sprintf(
			"Plans show %q and AWS stores it in plain text, so it must not come from a sensitive variable. → use a variable that is not sensitive", m.name))
	case plain.IsNull(): // null means "not set", so that a conditional can leave an attribute out
		g.null = true
		d.missing(b, m)
	default:
		g.set = d.store(plain, m, attr, field)
	}
}

// known evaluates an attribute. It returns false if it cannot tell the value. It
// then reports the reason, unless the value comes later or nobody needs it.
func (d *decoder) known(b *hclsyntax.Block, m member, attr *hclsyntax.Attribute) (cty.Value, bool) {
	if b.Type == "environment" && (m.name == "region" || m.name == "account") && d.circular(attr) {
		return cty.NilVal, false
	}
	destroy := d.file.o.Destroy
	v, ok := d.evaluate(attr.Expr, destroy && !m.names)
	if !ok || v.IsWhollyKnown() {
		return v, ok
	}
	switch {
	case destroy && m.names:
		d.errorAt(attr.Expr.Range(), "Unknown name", fmt.Sprintf(
			"down needs %q to find the resource, but %q refers to a variable, an environment variable or a file that is missing.%s",
			m.name, m.name, d.remedy(attr.Expr)))
	case !destroy:
		d.errorAt(attr.Expr.Range(), "Unknown value", fmt.Sprintf("%q depends on a variable that has no value.", m.name))
	}
	return cty.NilVal, false
}

// store converts a value to its field's type and stores it. It reports a value of
// another type and returns false.
func (d *decoder) store(v cty.Value, m member, attr *hclsyntax.Attribute, field reflect.Value) bool {
	err := assign(v, field)
	if err != nil && (!d.file.o.Destroy || m.names) {
		hint := ""
		if field.Kind() == reflect.Slice && v.Type() == cty.String {
			hint = ` → put it in brackets: ["…"]`
		}
		d.errorAt(attr.Expr.Range(), "Wrong type", fmt.Sprintf(
			"%q must be %s%s.%s", m.name, wanted(field.Type()), wrongness(v, field.Type(), err), hint))
	}
	return err == nil
}

// missing reports a required attribute that is not set.
func (d *decoder) missing(b *hclsyntax.Block, m member) {
	if m.optional || d.file.o.Destroy || d.meant[meant{b.Body, m.name}] {
		return
	}
	d.errorAt(b.DefRange(), "Missing attribute", fmt.Sprintf(
		"%s block needs %q.%s", title(article(b.Type)), m.name, examples[b.Type+"."+m.name]))
}

// examples show what each required attribute looks like.
var examples = map[string]string{
	"prefect.api_url":     ` → for example: api_url = "https://prefect.example.com/api"`,
	"statement.actions":   ` → for example: actions = ["sqs:SendMessage"]`,
	"statement.resources": ` → for example: resources = ["arn:aws:sqs:${region}:${account}:events"]`,
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
		return "a list of strings"
	case reflect.Map:
		return "a map of strings"
	}
	return "a string"
}

// wrongness explains why v is not of type t. It does not show v.
func wrongness(v cty.Value, t reflect.Type, err error) string {
	ty := v.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Slice && ty == cty.String:
		return ", not a string"
	case ty == cty.String && t.Kind() == reflect.Int:
		return ", and this string is not one"
	case ty == cty.String, ty == cty.Number && t.Kind() == reflect.Int:
		return ""
	case (ty.IsTupleType() || ty.IsListType()) && t.Kind() == reflect.Slice,
		(ty.IsObjectType() || ty.IsMapType()) && t.Kind() == reflect.Map:
		return ", but one element is not: " + err.Error()
	}
	return ", not " + kind(ty)
}

func kind(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "a boolean"
	case ty.IsTupleType(), ty.IsListType(), ty.IsSetType():
		return "a list"
	case ty.IsObjectType(), ty.IsMapType():
		return "a map"
	}
	return "something else"
}

// circular reports an account or a region that refers to the account or the region.
func (d *decoder) circular(attr *hclsyntax.Attribute) bool {
	for _, t := range attr.Expr.Variables() {
		if root := t.RootName(); root == "account" || root == "region" {
			d.errorAt(t.SourceRange(), "Circular reference", fmt.Sprintf(
				"%q cannot refer to %q: flowbed needs its value before it calls AWS. → write the value itself, or use a variable", attr.Name, root))
			return true
		}
	}
	return false
}
