package spec

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"
)

// sources returns the attributes that describe a member, the strongest first: of a
// map, those of all layers, and otherwise only one. An alternative in a stronger layer
// replaces them. mm are the members of the struct.
func (d *decoder) sources(ll layers, mm []member, m member) (attrs []*hclsyntax.Attribute) {
	for _, b := range ll {
		if attr := b.Body.Attributes[m.name]; attr != nil {
			attrs = append(attrs, attr)
		} else if len(attrs) == 0 && m.group != "" && d.alternative(b, mm, m) {
			break
		}
	}
	return attrs
}

// alternative reports whether a block sets another member of the same group.
func (d *decoder) alternative(b *hclsyntax.Block, mm []member, m member) bool {
	return slices.ContainsFunc(mm, func(other member) bool { return other.group == m.group && d.sets(b, other) })
}

// sets reports whether a block sets an attribute to anything but null.
func (d *decoder) sets(b *hclsyntax.Block, m member) bool {
	attr := b.Body.Attributes[m.name]
	if attr == nil {
		return false
	}
	v, diags := d.valueOf(attr.Expr)
	return diags.HasErrors() || !v.IsNull()
}

// attribute decodes the attributes that describe a member into its field.
func (d *decoder) attribute(ll layers, m member, attrs []*hclsyntax.Attribute, field reflect.Value) {
	if d.file.overrides(ll[0], m) {
		return
	}
	if len(attrs) == 0 {
		d.missing(ll, m)
		return
	}
	for _, attr := range attrs {
		if m.secret {
			d.hideLiterals(attr.Expr)
		}
	}
	var g given
	if field.Kind() == reflect.Map {
		g = d.merge(m, attrs, field)
	} else {
		g = d.assign(m, attrs[0], field)
	}
	if g.null { // null means "not set", so that a conditional can leave an attribute out
		d.missing(ll, m)
	}
	d.given[field.Addr().Interface()] = g
}

// overrides reports whether --region replaces the attribute.
func (f *File) overrides(b *hclsyntax.Block, m member) bool {
	return b == f.block && m.name == "region" && f.o.Region != ""
}

// assign evaluates an attribute and stores its value.
func (d *decoder) assign(m member, attr *hclsyntax.Attribute, field reflect.Value) given {
	v, g := d.value(m, attr)
	if v == cty.NilVal {
		d.unset = append(d.unset, unset{field.Addr().Interface(), attr.Name, d.remedy(attr.Expr)})
	}
	switch {
	case v != cty.NilVal && !g.null:
		g.set = d.store(v, m, attr, field)
	case m.cautious && v == cty.NilVal && d.file.o.Destroy:
		field.SetBool(true)
	}
	return g
}

// merge evaluates the attributes of a map, key by key. null leaves a key out; null
// instead of a map leaves out the weaker maps.
func (d *decoder) merge(m member, attrs []*hclsyntax.Attribute, field reflect.Value) given {
	all := given{attr: attrs[0], set: true, open: true, null: true, keys: map[string]*hclsyntax.Attribute{}}
	merged, left := map[string]string{}, map[string]bool{}
	for _, attr := range attrs {
		v, g := d.value(m, attr)
		all.open = all.open && g.open
		if g.null {
			break
		}
		all.null = false
		if v == cty.NilVal {
			all.set = false
			continue
		}
		some, without := withoutNulls(v)
		part := reflect.New(field.Type()).Elem()
		if !d.store(some, m, attr, part) {
			all.set = false
			continue
		}
		for k, v := range part.Interface().(map[string]string) {
			if _, taken := merged[k]; !taken && !left[k] {
				merged[k], all.keys[k] = v, attr
			}
		}
		for _, k := range without {
			left[k] = true
		}
	}
	if all.set = all.set && !all.null; all.set {
		field.Set(reflect.ValueOf(merged))
	}
	return all
}

// withoutNulls returns a map without the elements that are null, and their keys.
func withoutNulls(v cty.Value) (some cty.Value, keys []string) {
	if ty := v.Type(); !ty.IsObjectType() && !ty.IsMapType() || v.LengthInt() == 0 {
		return v, nil
	}
	kept := map[string]cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if e.IsNull() {
			keys = append(keys, k.AsString())
		} else {
			kept[k.AsString()] = e
		}
	}
	return cty.ObjectVal(kept), keys
}

// value evaluates an attribute. The value has no marks. It is cty.NilVal if it is not
// known, or must not be used here; value has then reported the reason, if there is one.
func (d *decoder) value(m member, attr *hclsyntax.Attribute) (cty.Value, given) {
	g := given{attr: attr}
	v, ok := d.known(m, attr)
	if v == cty.NilVal {
		return v, g
	}
	plain, marks := unmark(v)
	g.open = !marks[sensitive] && !marks[outside] && !d.file.isSecret(attr.Expr)
	switch {
	case marks[sensitive] && !m.secret && (ok || !d.file.o.Destroy):
		d.errorAt(attr.Expr.Range(), "Misplaced secret", fmt.Sprintf(
			"Plans show %q and AWS stores it in plain text, so it must not come from a sensitive variable. → use a variable that is not sensitive%s", m.name, instead[m.of+"."+m.name]))
		return cty.NilVal, g
	case !ok:
		return cty.NilVal, g
	}
	g.null = plain.IsNull()
	return plain, g
}

// instead tells where a secret belongs that is not accepted in an attribute.
var instead = map[string]string{
	"Agent.setup": "; let the script read its secrets from Parameter Store or Secrets Manager",
	"Agent.env":   "; for a secret, keep it in Parameter Store or Secrets Manager, and let the program that needs it read it there",
}

// known evaluates an attribute. It returns false if it cannot tell the value. It
// then reports the reason, unless the value comes later or nobody needs it.
func (d *decoder) known(m member, attr *hclsyntax.Attribute) (cty.Value, bool) {
	if m.place && d.circular(attr) {
		return cty.NilVal, false
	}
	destroy := d.file.o.Destroy
	v, ok := d.evaluate(attr.Expr, m.secret, destroy && !m.names)
	if !ok || v.IsWhollyKnown() {
		return v, ok
	}
	switch {
	case d.file.o.partial:
		d.undecided = d.undecided || !m.secret
	case destroy && m.names:
		d.errorAt(attr.Expr.Range(), "Unknown name", fmt.Sprintf(
			"down needs %q to find the resource, but %q refers to a variable, an environment variable or a file that is missing.%s",
			m.name, m.name, d.remedy(attr.Expr)))
	case !destroy:
		d.errorAt(attr.Expr.Range(), "Unknown value", fmt.Sprintf("%q depends on a variable that has no value.", m.name))
	}
	return v, false
}

// store converts a value to its field's type and stores it. It reports a value of
// another type and returns false.
func (d *decoder) store(v cty.Value, m member, attr *hclsyntax.Attribute, field reflect.Value) bool {
	err := convertInto(v, field)
	if err != nil && (!d.file.o.Destroy || m.names) {
		hint := ""
		switch {
		case field.Kind() == reflect.Slice && v.Type() == cty.Number:
			hint = " → put it in brackets: […]"
		case field.Kind() == reflect.Slice && v.Type() == cty.String:
			hint = ` → put it in brackets: ["…"]`
		case v.Type() == cty.String && wanted(field.Type()) == "a whole number":
			hint = " → write only its digits, without quotes and unit"
		case v.Type() == cty.String && wanted(field.Type()) == "true or false":
			hint = " → write true or false, without quotes"
		}
		d.errorAt(attr.Expr.Range(), "Wrong type", fmt.Sprintf(
			"%q must be %s%s.%s", m.name, wanted(field.Type()), wrongness(v, field.Type(), err), hint))
	}
	return err == nil
}

// missing reports a required attribute that is not set.
func (d *decoder) missing(ll layers, m member) {
	if m.optional || d.file.o.Destroy || d.misspells(ll, m.name) {
		return
	}
	d.errorAt(ll[0].DefRange(), "Missing attribute", fmt.Sprintf(
		"%s block needs %q.%s", title(article(ll[0].Type)), m.name, examples[ll[0].Type+"."+m.name]))
}

// examples show what each required attribute looks like.
var examples = map[string]string{
	"prefect.api_url":     ` → for example: api_url = "https://prefect.example.com/api"`,
	"statement.actions":   ` → for example: actions = ["sqs:SendMessage"]`,
	"statement.resources": ` → for example: resources = ["arn:aws:sqs:${region}:${account}:events"]`,
}

// convertInto converts a value to the field's type and stores it.
func convertInto(v cty.Value, field reflect.Value) error {
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
		if t.Elem().Kind() == reflect.Int {
			return "a list of whole numbers"
		}
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

// circular reports an account or a region that depends on the account or the region.
func (d *decoder) circular(attr *hclsyntax.Attribute) bool {
	for _, t := range attr.Expr.Variables() {
		root, what := t.RootName(), ""
		name, _ := referred(t)
		switch l := d.file.locals[name]; {
		case root == "account" || root == "region":
			what = fmt.Sprintf("%q", root)
		case root == "local" && l != nil && l.traits.place:
			what = fmt.Sprintf("\"local.%s\", which depends on the account or the region", name)
		default:
			continue
		}
		d.errorAt(t.SourceRange(), "Circular reference", fmt.Sprintf(
			"%q cannot refer to %s: flowbed needs its value before it calls AWS. → write the value itself, or use a variable", attr.Name, what))
		return true
	}
	return false
}
