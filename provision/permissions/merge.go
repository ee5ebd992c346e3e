package permissions

import (
	"maps"
	"slices"

	"github.com/flowbed/flowbed/provision/resource"
)

// eitherOf are the condition operators that hold if one of their values matches.
var eitherOf = []string{"StringEquals", "StringLike", "ArnEquals", "ArnLike"}

// merged merges statements that differ only in the values of one condition key: the
// merged statement accepts either value. So each kind can restrict a permission to its
// own call with a condition, and the policy stays short.
func merged(list []Statement) (out []Statement) {
	for _, s := range list {
		if !join(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// join merges a statement into one of the list, and reports whether it could.
func join(list []Statement, s Statement) bool {
	for i, o := range list {
		if !slices.Equal(o.Actions, s.Actions) || !slices.Equal(o.Resources, s.Resources) {
			continue
		}
		if c, ok := either(o.Condition, s.Condition); ok {
			list[i].Condition = c
			return true
		}
	}
	return false
}

// either returns the condition that holds if a or b holds. It can only do so if they
// differ in the values of a single key.
func either(a, b resource.Condition) (resource.Condition, bool) {
	if !maps.EqualFunc(a, b, func(x, y map[string][]string) bool {
		return slices.Equal(slices.Sorted(maps.Keys(x)), slices.Sorted(maps.Keys(y)))
	}) {
		return nil, false
	}
	var operator, key string
	differ := 0
	for op, keys := range a {
		for k, values := range keys {
			if !slices.Equal(values, b[op][k]) {
				operator, key = op, k
				differ++
			}
		}
	}
	if differ != 1 || !slices.Contains(eitherOf, operator) {
		return nil, false
	}
	c := maps.Clone(a)
	c[operator] = maps.Clone(a[operator])
	values := slices.Sorted(slices.Values(slices.Concat(a[operator][key], b[operator][key])))
	c[operator][key] = slices.Compact(values)
	return c, true
}
