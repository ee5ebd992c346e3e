package core

import (
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Page cuts one page out of a list. The token is the place where it begins; the
// next one is nil on the last page.
func Page[T any](all []T, token *string, size *int32, most int) (list []T, next *string, err error) {
	from := 0
	if token != nil {
		if from, err = strconv.Atoi(*token); err != nil || from < 0 || from > len(all) {
			return nil, nil, Fail("ValidationError", "the page token %q is not valid", *token)
		}
	}
	n := PageSize(size, most)
	if all = all[from:]; len(all) > n {
		return all[:n], aws.String(strconv.Itoa(from + n)), nil
	}
	return all, nil, nil
}

// PageSize is how much one page holds: as much as is asked for, up to a limit.
func PageSize(asked *int32, most int) int {
	if n := int(aws.ToInt32(asked)); n > 0 {
		return min(n, most)
	}
	return most
}

// SortedKeys are a map's keys in order.
func SortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// Sorted are a map's values in the order of their keys.
func Sorted[T any](m map[string]T) []T {
	list := make([]T, 0, len(m))
	for _, k := range SortedKeys(m) {
		list = append(list, m[k])
	}
	return list
}
