package resource

import (
	"context"
	"slices"
	"strings"

	awspolicy "github.com/hashicorp/awspolicyequivalence"

	"github.com/flowbed/flowbed/provision"
)

// doFunc makes the call that removes a difference; see provision.Change.
type doFunc = func(context.Context) error

// diffText returns a change if two texts differ.
func diffText(field, have, want string, f doFunc) []provision.Change {
	if have == want {
		return nil
	}
	return []provision.Change{{Field: field, From: provision.Text(have), To: provision.Text(want), Do: f}}
}

// independent marks changes as independent, so that they run in parallel. It returns
// the list.
func independent(list []provision.Change) []provision.Change {
	for i := range list {
		list[i].Independent = true
	}
	return list
}

// diffPolicy compares policies by their meaning: AWS may return a policy in another
// form than the one that it got.
func diffPolicy(field, have, want string, f doFunc) []provision.Change {
	if samePolicy(have, want) {
		return nil
	}
	return []provision.Change{{Field: field, From: provision.JSON(have), To: provision.JSON(want), Do: f}}
}

func samePolicy(have, want string) bool {
	if have == want || have == "" || want == "" {
		return have == want
	}
	same, err := awspolicy.PoliciesAreEquivalent(have, want)
	return err == nil && same
}

// setText joins a set in sorted order.
func setText(set []string) string {
	return strings.Join(slices.Sorted(slices.Values(set)), ", ")
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
