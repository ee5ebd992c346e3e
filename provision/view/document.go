package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// parse parses a JSON document. It keeps numbers as they are written.
func parse(s string) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if d.Decode(&v) != nil || d.More() {
		return nil, false
	}
	return v, true
}

// encode is a value as compact JSON, with sorted members, and <, > and & unescaped.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// pretty is an indented document. Text that is not JSON stays unchanged.
func pretty(s string) []string {
	v, ok := parse(s)
	if !ok {
		return strings.Split(s, "\n")
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(encode(v)), "", "  "); err != nil {
		return strings.Split(s, "\n")
	}
	return strings.Split(b.String(), "\n")
}

// outline is a document on one line. A policy becomes a summary of its statements,
// because a reader wants to know who may do what.
func outline(s string) string {
	v, ok := parse(s)
	if !ok {
		return strings.Join(strings.Fields(s), " ")
	}
	doc, _ := v.(map[string]any)
	var told []string
	for _, st := range list(doc["Statement"]) {
		t, ok := st.(map[string]any)
		if !ok {
			return encode(v)
		}
		told = append(told, statement(t))
	}
	if told == nil {
		return encode(v)
	}
	return strings.Join(told, "; ")
}

// statement summarizes one statement of a policy.
func statement(t map[string]any) string {
	parts := []string{fmt.Sprint(t["Effect"])}
	for _, k := range []string{"Action", "NotAction"} {
		if v, ok := t[k]; ok {
			if k == "NotAction" {
				parts = append(parts, "all except")
			}
			parts = append(parts, few(words(v)))
		}
	}
	if v, ok := t["Resource"]; ok {
		if r := words(v); len(r) != 1 || r[0] != "*" {
			parts = append(parts, "on "+few(r))
		}
	}
	if v, ok := t["NotResource"]; ok {
		parts = append(parts, "on all except "+few(words(v)))
	}
	if v, ok := t["Principal"]; ok {
		parts = append(parts, "for "+few(words(v)))
	}
	if c, ok := t["Condition"].(map[string]any); ok && len(c) > 0 {
		parts = append(parts, "if "+few(conditions(c)))
	}
	return strings.Join(parts, " ")
}

func conditions(c map[string]any) (keys []string) {
	for _, op := range slices.Sorted(maps.Keys(c)) {
		if m, ok := c[op].(map[string]any); ok {
			for _, k := range slices.Sorted(maps.Keys(m)) {
				if op == "Bool" { // with "false", the key alone would mean the opposite
					k += " is " + few(words(m[k]))
				}
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// few lists up to three strings and counts the others.
func few(s []string) string {
	if len(s) > 3 {
		return strings.Join(s[:3], ", ") + fmt.Sprintf(" and %d more", len(s)-3)
	}
	return strings.Join(s, ", ")
}

// words are the strings in a value of a policy.
func words(v any) (s []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			s = append(s, words(e)...)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			s = append(s, words(v[k])...)
		}
	default:
		return []string{encode(v)}
	}
	return s
}

// list is v as a list. IAM allows a single element without brackets.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}
