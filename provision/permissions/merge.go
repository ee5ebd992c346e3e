package permissions

import (
	"maps"
	"slices"

	"github.com/flowbed/flowbed/provision/resource"
)

// eitherOf are the operators of a condition that holds if one of its values fits.
var eitherOf = []string{"StringEquals", "StringLike", "ArnEquals", "ArnLike"}

// merged puts statements together that differ only in the values of one condition
// key: either of the values will do then. So a kind can name the call that it means
// in a condition, and the policy stays short.
func merged(list []Statement) (out []Statement) {
	for _, s := range list {
		if !join(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// join puts a statement into one of a list, and reports whether it could.
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

// either is the condition that holds if one of two does, provided that they differ
// in the values of one key only.
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
