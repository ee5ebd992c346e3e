package spec

import (
	"encoding/json"
	"reflect"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/flowbed/flowbed/provision/prefect"
)

// Show returns the environment as a config file that describes the same one: with all defaults,
// and without variables, locals, patterns and the defaults block. A secret becomes a variable of
// the attribute's name.
func (e *Environment) Show() []byte {
	file := hclwrite.NewEmptyFile()
	tree := shown(reflect.ValueOf(e).Elem())
	for _, name := range tree.secrets(nil) {
		file.Body().AppendUnstructuredTokens(comment("# Not shown. Set it with FLOWBED_VAR_" + name + "."))
		file.Body().AppendNewBlock("variable", []string{name}).Body().SetAttributeValue("sensitive", cty.True)
		file.Body().AppendNewline()
	}
	tree.write(file.Body().AppendNewBlock("environment", []string{e.Name}).Body())
	return hclwrite.Format(file.Bytes())
}

func comment(text string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: 'C', Bytes: []byte(text + "\n")}}
}

// ShowJSON is Show in JSON: blocks are objects, repeated ones lists of objects, and a secret is
// {"secret": true}.
func (e *Environment) ShowJSON() (json.RawMessage, error) {
	return json.Marshal(shown(reflect.ValueOf(e).Elem()).json())
}

// entry is an attribute or a block of a struct.
type entry struct {
	name   string
	value  any  // of an attribute
	secret bool // then there is no value
	blocks []entries
	many   bool // the block may be repeated
}

type entries []entry

// shown reads a struct by its tags. It leaves out what is not set, and enabled: a block that is
// there is enabled.
func shown(of reflect.Value) (list entries) {
	for _, m := range members(of.Type()) {
		if m.label || m.name == "enabled" || unspoken(of.Interface(), m.name) {
			continue
		}
		if e, ok := shownMember(m, of.Field(m.index)); ok {
			list = append(list, e)
		}
	}
	return list
}

func shownMember(m member, v reflect.Value) (e entry, ok bool) {
	e = entry{name: m.name, secret: m.secret}
	set := v.Kind() == reflect.Pointer || v.Kind() == reflect.Bool || !v.IsZero() // 0 is not set, unless there is a pointer to it
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return e, false
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map || v.Kind() == reflect.String {
		set = v.Len() > 0
	}
	switch {
	case m.block && v.Kind() == reflect.Slice:
		e.many = true
		for i := range v.Len() {
			e.blocks = append(e.blocks, shown(v.Index(i)))
		}
	case m.block:
		e.blocks = []entries{shown(v)}
	case !m.secret:
		e.value = v.Interface()
	}
	return e, set
}

// unspoken reports whether a file cannot say what a member has: the choice of the execution role is
// made by the commands, and without a work pool there is no flows block.
func unspoken(of any, name string) bool {
	switch of := of.(type) {
	case Environment:
		return name == "flows" && (of.Prefect == nil || kindOf(of.Prefect.Version) == prefect.Agent1)
	case ExecutionRole:
		return name == "name" && of.Ownership == "" || name == "ownership" && of.Ownership == Shared
	}
	return false
}

// secrets are the names of the attributes with secrets.
func (ee entries) secrets(names []string) []string {
	for _, e := range ee {
		if e.secret {
			names = append(names, e.name)
		}
		for _, b := range e.blocks {
			names = b.secrets(names)
		}
	}
	return names
}

func (ee entries) write(body *hclwrite.Body) {
	for _, e := range ee {
		switch {
		case e.secret:
			body.SetAttributeRaw(e.name, hclwrite.TokensForIdentifier("var."+e.name))
		case e.blocks == nil:
			body.SetAttributeValue(e.name, valueOf(e.value))
		}
	}
	for _, e := range ee {
		for _, b := range e.blocks {
			if len(body.Attributes())+len(body.Blocks()) > 0 {
				body.AppendNewline()
			}
			b.write(body.AppendNewBlock(e.name, nil).Body())
		}
	}
}

func valueOf(v any) cty.Value {
	switch of := reflect.ValueOf(v); of.Kind() {
	case reflect.String:
		return cty.StringVal(of.String())
	case reflect.Bool:
		return cty.BoolVal(of.Bool())
	case reflect.Int:
		return cty.NumberIntVal(of.Int())
	case reflect.Slice:
		var list []cty.Value
		for i := range of.Len() {
			list = append(list, valueOf(of.Index(i).Interface()))
		}
		return cty.TupleVal(list)
	case reflect.Map:
		m := map[string]cty.Value{}
		for _, k := range of.MapKeys() {
			m[k.String()] = valueOf(of.MapIndex(k).Interface())
		}
		return cty.ObjectVal(m)
	}
	panic("spec: an attribute of type " + reflect.TypeOf(v).String()) // a test shows all attributes
}

func (ee entries) json() map[string]any {
	m := map[string]any{}
	for _, e := range ee {
		switch {
		case e.secret:
			m[e.name] = map[string]bool{"secret": true}
		case e.blocks == nil:
			m[e.name] = e.value
		case e.many:
			var list []map[string]any
			for _, b := range e.blocks {
				list = append(list, b.json())
			}
			m[e.name] = list
		default:
			m[e.name] = e.blocks[0].json()
		}
	}
	return m
}
