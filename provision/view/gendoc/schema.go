package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	folder = "docs/schemas"
	base   = "https://raw.githubusercontent.com/flowbed/flowbed/main/" + folder + "/"
)

// output is what one schema describes: one document, or one of the lines of a command.
type output struct {
	name, title string
	structs     []string // one for each kind of document or line
}

var outputs = []output{
	{"plan", "The output of flowbed plan --json", []string{"jsonPlan"}},
	{"saved-plan", "The file that flowbed plan --out writes", []string{"jsonSavedPlan"}},
	{"run", "A line of the output of flowbed up --json or flowbed down --json",
		[]string{"jsonFirst", "jsonPlan", "jsonLocked", "jsonEvent", "jsonOutputsLine", "jsonSummary"}},
	{"hello", "A line of the output of flowbed hello --json", []string{"jsonFirst", "jsonRunEvent", "jsonRunSummary"}},
	{"receipt", "The file that flowbed down --receipt writes", []string{"jsonReceipt"}},
	{"list", "The output of flowbed list --json, and the first line of flowbed sweep --json", []string{"jsonEnvironments"}},
	{"outputs", "The output of flowbed outputs --json", []string{"jsonOutputs"}},
	{"doctor", "The output of flowbed doctor --json", []string{"jsonCheckup"}},
	{"show", "The output of flowbed show --json", []string{"jsonConfig"}},
	{"lock", "The output of flowbed unlock --json", []string{"jsonUnlock"}},
	{"validation", "The output of flowbed validate --json", []string{"jsonValidation"}},
	{"version", "The output of flowbed version --json", []string{"jsonBuild"}},
}

// schemas returns the schemas by the names of their files. root is the root of the repository.
func schemas(root string) (map[string][]byte, error) {
	structs, err := parse(root + "/provision/view")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, o := range outputs {
		w := &writer{structs: structs, defs: map[string]object{}}
		s := object{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"$id", base + o.name + ".json"}, {"title", o.title}}
		if len(o.structs) == 1 {
			body, err := w.object(o.structs[0])
			if err != nil {
				return nil, err
			}
			s = append(s, body...)
		} else {
			var any []object
			for _, name := range o.structs {
				ref, err := w.ref(name)
				if err != nil {
					return nil, err
				}
				any = append(any, ref)
			}
			s = append(s, member{"oneOf", any})
		}
		if len(w.defs) > 0 {
			var defs object
			for _, name := range slices.Sorted(maps.Keys(w.defs)) {
				defs = append(defs, member{name, w.defs[name]})
			}
			s = append(s, member{"$defs", defs})
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(s); err != nil {
			return nil, err
		}
		files[o.name+".json"] = b.Bytes()
	}
	return files, nil
}

// member and object are a JSON object whose members keep their order.
type (
	member struct {
		key   string
		value any
	}
	object []member
)

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(append(append(key, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// writer turns structs into schemas.
type writer struct {
	structs map[string]structure
	defs    map[string]object // what is referred to
}

// defName is the name of a struct in a schema.
func defName(name string) string {
	name = strings.TrimPrefix(name, "json")
	return strings.ToLower(name[:1]) + name[1:]
}

// ref returns a reference to a struct, and adds it to the definitions.
func (w *writer) ref(name string) (object, error) {
	def := defName(name)
	if _, ok := w.defs[def]; !ok {
		w.defs[def] = nil // it may refer to itself
		o, err := w.object(name)
		if err != nil {
			return nil, err
		}
		w.defs[def] = o
	}
	return object{{"$ref", "#/$defs/" + def}}, nil
}

// object is the schema of a struct. Further members are allowed, as docs/json.md says.
func (w *writer) object(name string) (object, error) {
	s, ok := w.structs[name]
	if !ok {
		return nil, fmt.Errorf("provision/view has no struct %s", name)
	}
	var out object
	if s.doc != "" {
		out = append(out, member{"description", s.doc})
	}
	var properties object
	required := []string{}
	if err := w.members(name, &properties, &required); err != nil {
		return nil, err
	}
	out = append(out, member{"type", "object"}, member{"properties", properties})
	if len(required) > 0 {
		out = append(out, member{"required", required})
	}
	if name == "jsonValue" { // as its comment says
		out = append(out, member{"minProperties", 1}, member{"maxProperties", 1})
	}
	return out, nil
}

// members adds the members of a struct, and of those that it embeds.
func (w *writer) members(name string, properties *object, required *[]string) error {
	for _, f := range w.structs[name].fields {
		if f.name == "" {
			if err := w.members(f.goType, properties, required); err != nil {
				return err
			}
			continue
		}
		s, err := w.field(f)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, f.name, err)
		}
		*properties = append(*properties, member{f.name, s})
		if !f.optional {
			*required = append(*required, f.name)
		}
	}
	return nil
}

// field is the schema of a field.
func (w *writer) field(f field) (object, error) {
	goType, null := f.goType, false
	if rest, ok := strings.CutPrefix(goType, "*"); ok {
		goType, null = rest, !f.optional
	}
	s, err := w.value(goType, f.schema)
	if err != nil {
		return nil, err
	}
	if null {
		s = object{{"anyOf", []object{s, {{"type", "null"}}}}}
	}
	if f.doc != "" {
		s = append(object{{"description", f.doc}}, s...)
	}
	return s, nil
}

// value is the schema of a Go type. tag is the field's tag schema.
func (w *writer) value(goType, tag string) (object, error) {
	if rest, ok := strings.CutPrefix(goType, "[]"); ok {
		items, err := w.value(rest, tag)
		return object{{"type", "array"}, {"items", items}}, err
	}
	if rest, ok := strings.CutPrefix(goType, "map[string]"); ok {
		values, err := w.value(rest, tag)
		return object{{"type", "object"}, {"additionalProperties", values}}, err
	}
	text := object{{"type", "string"}}
	switch goType {
	case "string":
		return of(tag), nil
	case "bool":
		return object{{"type", "boolean"}}, nil
	case "int":
		return object{{"type", "integer"}}, nil
	case "float64":
		return object{{"type", "number"}}, nil
	case "json.RawMessage":
		return object{}, nil
	case "any":
		if tag != "string|list" {
			return nil, fmt.Errorf("a value of any type needs the tag schema:\"string|list\"")
		}
		return object{{"anyOf", []object{text, {{"type", "array"}, {"items", text}}}}}, nil
	}
	return w.ref(goType)
}

// of is the schema of a string with a tag: its format, or its values.
func of(tag string) object {
	values := strings.Split(tag, "|")
	switch {
	case tag == "":
		return object{{"type", "string"}}
	case tag == "date", tag == "date-time":
		return object{{"type", "string"}, {"format", tag}}
	case len(values) == 1:
		return object{{"const", tag}}
	}
	return object{{"enum", values}}
}
