package prefect

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// The templates are what the installed packages print for a new pool:
//
//	pip install prefect==3.9.1 prefect-aws==0.7.12     # ecs3.json
//	pip install prefect==2.20.25 prefect-aws==0.4.20   # ecs2.json
//	python -c 'import json; from prefect_aws.workers.ecs_worker import ECSWorker as W;
//	    print(json.dumps(W.get_default_base_job_template(), indent=1, sort_keys=True, ensure_ascii=False))'
//
// A server has templates too, but older ones, without the variables that keep
// the key out of the tasks.
//
//go:embed ecs3.json ecs2.json
var bases embed.FS

// Template is a work pool's base job template: how a run's job is configured,
// and the variables with their defaults.
type Template map[string]any

// Base is the template of the ECS worker of a version, without values of ours.
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

// Named is a step of a path: the element of a list that has this name.
type Named string

// Entry is one of our values in a template: everything else in it belongs to
// somebody else, and stays.
type Entry struct {
	Name  string // as a person calls it
	Path  []any  // of names, positions in lists, and Named elements
	Value any    // in the types of encoding/json; nil is JSON's null
	Unset bool   // there must be no value, or null
}

// Differs reports whether a template does not have the entry, and what it has
// instead; nil if it has nothing.
func (e Entry) Differs(t Template) (have any, differs bool) {
	have, found := lookup(map[string]any(t), e.Path)
	if e.Unset {
		return have, have != nil
	}
	return have, !found || !same(have, e.Value)
}

// Merge is the template with the entries in it. What the entries need and base
// has, but the template lacks, is added too. Neither argument is changed.
func Merge(have, base Template, entries []Entry) Template {
	t, _ := clone(map[string]any(have)).(map[string]any)
	if len(have) == 0 {
		t, _ = clone(map[string]any(base)).(map[string]any)
	}
	complete(t, base, entries)
	for _, e := range entries {
		if _, differs := e.Differs(t); !differs {
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

// Missing lists what a template lacks of base without which the entries would
// have no effect, by its names.
func Missing(have, base Template, entries []Entry) []string {
	if len(have) == 0 {
		return nil
	}
	t, _ := clone(map[string]any(have)).(map[string]any)
	return complete(t, base, entries)
}

// complete adds the declarations of the variables that the entries set, and the
// lines of the job's configuration that use them; it returns what it added.
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
		if len(e.Path) > 2 && e.Path[0] == "variables" && e.Path[1] == "properties" {
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

// lookup follows a path.
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
		case Named:
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

// in is the position of the element, or -1.
func (n Named) in(l []any) int {
	return slices.IndexFunc(l, func(e any) bool {
		m, _ := e.(map[string]any)
		return m["name"] == string(n)
	})
}

// put sets what is at the end of a path, and makes what is missing on the way.
// What stands in the way is replaced. It returns the new v.
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
	case Named:
		l, _ := v.([]any)
		i := at.in(l)
		if i < 0 {
			l, i = append(l, map[string]any{"name": string(at)}), len(l)
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

// same compares values; a list of texts is a set, as those of AWS's are.
func same(a, b any) bool {
	if x, ok := texts(a); ok {
		if y, ok := texts(b); ok {
			return slices.Equal(x, y)
		}
	}
	return reflect.DeepEqual(a, b)
}

// texts is a list of texts, sorted.
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

// Text is a value as a plan shows it.
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

// Default is the default of a variable; nil if there is none.
func (t Template) Default(name string) any {
	v, _ := lookup(map[string]any(t), []any{"variables", "properties", name, "default"})
	return v
}
