package prefect

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// bases holds the templates that the packages print for a new pool:
//
//	pip install prefect==3.9.1 prefect-aws==0.7.12     # ecs3.json
//	pip install prefect==2.20.25 prefect-aws==0.4.20   # ecs2.json
//	python -c 'import json; from prefect_aws.workers.ecs_worker import ECSWorker as W;
//	    print(json.dumps(W.get_default_base_job_template(), indent=1, sort_keys=True, ensure_ascii=False))'
//
// A server has templates too, but they are older and lack the variables that keep the
// key out of the tasks.
//
//go:embed ecs3.json ecs2.json
var bases embed.FS

// Template is a work pool's base job template: the configuration of a run's job, and
// the variables with their defaults.
type Template map[string]any

// Base returns the original template of the ECS worker.
func Base(k Kind) Template {
	name := "ecs3.json"
	if k == Worker2 {
		name = "ecs2.json"
	}
	raw, err := bases.ReadFile(name)
	if err != nil {
		panic("prefect: " + err.Error()) // it is embedded
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var t Template
	if err := d.Decode(&t); err != nil {
		panic("prefect: " + name + ": " + err.Error())
	}
	return t
}

// Named is an element of a path: the list element with this name.
type Named string

// element is an element of a path that finds an element of a list.
type element interface {
	in(list []any) int
	fresh() any // a new one, without a value
}

// Entry is a value that flowbed manages in a template. flowbed does not change the
// rest of the template.
type Entry struct {
	Name  string // for people
	Path  []any  // member names, list indexes, and Named or Keyed elements
	Value any    // in the types of encoding/json; nil is null
	Why   string // the reason for the value, where a reader would ask for one

	Unset   bool // the template must have no value, or null
	Removed bool // the template must not have the member
	Said    bool // the config file says the value, so an empty text is a value
	Silent  bool // written only together with others, and no difference of its own
}

// Differs reports whether a template lacks the entry, and returns the value that it
// has instead; nil if it has none.
func (e Entry) Differs(t Template) (have any, differs bool) {
	have, found := lookup(map[string]any(t), e.Path)
	switch {
	case e.Unset:
		return have, have != nil
	case e.Removed:
		return have, found
	}
	return have, !found || !same(have, e.Value)
}

// Merge returns the template with the entries. If the template lacks something that
// the entries need, Merge copies it from base. It does not change its arguments.
func Merge(have, base Template, entries []Entry) Template {
	t := map[string]any(Declare(have, base, entries))
	for _, e := range entries {
		if _, differs := e.Differs(t); !differs {
			continue
		}
		if e.Removed {
			remove(t, e.Path)
			continue
		}
		value := clone(e.Value)
		if e.Unset {
			value = nil
		}
		t, _ = put(t, e.Path, value).(map[string]any)
	}
	return t
}

// Declare returns the template with what Missing lists, and leaves the values as they are. If there
// is no template yet, it returns base. It does not change its arguments.
func Declare(have, base Template, entries []Entry) Template {
	if len(have) == 0 {
		have = base
	}
	t, _ := clone(map[string]any(have)).(map[string]any)
	complete(t, base, entries)
	return t
}

// Missing lists the names in base that the template lacks and without which the
// entries have no effect.
func Missing(have, base Template, entries []Entry) []string {
	if len(have) == 0 {
		return nil
	}
	t, _ := clone(map[string]any(have)).(map[string]any)
	return complete(t, base, entries)
}

// complete adds the declarations of the variables that the entries set, and the lines
// of the job's configuration that use them. It returns the names that it added.
func complete(t map[string]any, base Template, entries []Entry) (added []string) {
	add := func(path ...any) {
		if _, found := lookup(t, path); found {
			return
		}
		if v, found := lookup(map[string]any(base), path); found {
			put(t, path, clone(v))
			added = append(added, fmt.Sprint(path[len(path)-1]))
		}
	}
	used := map[string]bool{}
	for _, e := range entries {
		if !e.Removed && len(e.Path) > 2 && e.Path[0] == "variables" && e.Path[1] == "properties" {
			name := fmt.Sprint(e.Path[2])
			used[name] = true
			add("variables", "properties", name)
		}
	}
	config, _ := base["job_configuration"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(config)) {
		text, _ := config[name].(string)
		if used[strings.TrimSpace(strings.Trim(text, "{}"))] {
			add("job_configuration", name)
		}
	}
	return added
}

// lookup returns the value at a path.
func lookup(v any, path []any) (any, bool) {
	for _, step := range path {
		switch at := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = m[at]; !ok {
				return nil, false
			}
		case int:
			l, ok := v.([]any)
			if !ok || at >= len(l) {
				return nil, false
			}
			v = l[at]
		case element:
			l, _ := v.([]any)
			i := at.in(l)
			if i < 0 {
				return nil, false
			}
			v = l[i]
		}
	}
	return v, true
}

// in is the index of the element, or -1.
func (n Named) in(l []any) int {
	return slices.IndexFunc(l, func(e any) bool {
		m, _ := e.(map[string]any)
		return m["name"] == string(n)
	})
}

func (n Named) fresh() any { return map[string]any{"name": string(n)} }

// put sets the value at a path. It creates missing levels and replaces values of the
// wrong type. It returns the new v.
func put(v any, path []any, value any) any {
	if len(path) == 0 {
		return value
	}
	switch at := path[0].(type) {
	case int:
		l, _ := v.([]any)
		for len(l) <= at {
			l = append(l, map[string]any{})
		}
		l[at] = put(l[at], path[1:], value)
		return l
	case element:
		l, _ := v.([]any)
		i := at.in(l)
		if i < 0 {
			l, i = append(l, at.fresh()), len(l)
		}
		l[i] = put(l[i], path[1:], value)
		return l
	default:
		m, _ := v.(map[string]any)
		if m == nil {
			m = map[string]any{}
		}
		name := fmt.Sprint(at)
		m[name] = put(m[name], path[1:], value)
		return m
	}
}

// remove removes the member at a path from its object, or the element from its list.
func remove(v any, path []any) {
	last := len(path) - 1
	at, _ := lookup(v, path[:last])
	if one, ok := path[last].(element); ok {
		l, _ := at.([]any)
		if i := one.in(l); i >= 0 {
			put(v, path[:last], slices.Delete(slices.Clone(l), i, i+1))
		}
		return
	}
	if m, ok := at.(map[string]any); ok {
		delete(m, fmt.Sprint(path[last]))
	}
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = clone(e)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = clone(e)
		}
		return l
	}
	return v
}

// same compares values. Like AWS, it treats a list of strings as a set.
func same(a, b any) bool {
	if x, ok := texts(a); ok {
		if y, ok := texts(b); ok {
			return slices.Equal(x, y)
		}
	}
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			return x == y
		}
	}
	return reflect.DeepEqual(a, b)
}

// number returns a number, which may be written in several ways.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

// texts returns a list of strings, sorted.
func texts(v any) (sorted []string, ok bool) {
	l, ok := v.([]any)
	for _, e := range l {
		s, is := e.(string)
		if !is {
			return nil, false
		}
		sorted = append(sorted, s)
	}
	slices.Sort(sorted)
	return sorted, ok
}

// Text is the value as a plan shows it.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	}
	if l, ok := texts(v); ok {
		return strings.Join(l, ", ")
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

// Uses reports whether the configuration of a run's job has a place for the variable.
func (t Template) Uses(variable string) bool {
	return uses(t["job_configuration"], variable)
}

func uses(v any, variable string) bool {
	switch v := v.(type) {
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), func(e any) bool { return uses(e, variable) })
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return uses(e, variable) })
	case string:
		return slices.ContainsFunc(placeholder.FindAllStringSubmatch(v, -1), func(m []string) bool { return m[1] == variable })
	}
	return false
}

// placeholder is a variable in a text of the job's configuration.
var placeholder = regexp.MustCompile(`\{\{\s*([\w.-]+)\s*\}\}`)

// Default is the default of a variable; nil if it has none.
func (t Template) Default(name string) any {
	v, _ := lookup(map[string]any(t), []any{"variables", "properties", name, "default"})
	return v
}
