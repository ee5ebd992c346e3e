package core

import (
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Page returns one page of a list. The token says where the page starts; next is
// nil on the last page.
func Page[T any](all []T, token *string, size *int32, limit int) (list []T, next *string, err error) {
	from := 0
	if token != nil {
		if from, err = strconv.Atoi(*token); err != nil || from < 0 || from > len(all) {
			return nil, nil, Fail("ValidationError", "the page token %q is not valid", *token)
		}
	}
	n := PageSize(size, limit)
	if all = all[from:]; len(all) > n {
		return all[:n], aws.String(strconv.Itoa(from + n)), nil
	}
	return all, nil, nil
}

// PageSize returns the size of a page: the requested size, up to a limit.
func PageSize(requested *int32, limit int) int {
	if n := int(aws.ToInt32(requested)); n > 0 {
		return min(n, limit)
	}
	return limit
}

// SortedKeys returns the keys of a map in order.
func SortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// Sorted returns the values of a map in the order of their keys.
func Sorted[T any](m map[string]T) []T {
	list := make([]T, 0, len(m))
	for _, k := range SortedKeys(m) {
		list = append(list, m[k])
	}
	return list
}
