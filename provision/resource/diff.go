package resource

import (
	"context"
	"slices"
	"strings"

	awspolicy "github.com/hashicorp/awspolicyequivalence"

	"github.com/flowbed/flowbed/provision"
)

// do is the call that removes a difference.
type do = func(context.Context) error

// differs lists a difference between two texts, if there is one.
func differs(field, have, want string, f do) []provision.Change {
	if have == want {
		return nil
	}
	return []provision.Change{{Field: field, From: provision.Text(have), To: provision.Text(want), Do: f}}
}

// independent says of changes that they can be made at the same time.
func independent(list []provision.Change) []provision.Change {
	for i := range list {
		list[i].Independent = true
	}
	return list
}

// differsPolicy compares policies by what they mean: AWS does not promise to
// return the text that it was given.
func differsPolicy(field, have, want string, f do) []provision.Change {
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

// setText is a set as a text that does not depend on its order.
func setText(set []string) string {
	return strings.Join(slices.Sorted(slices.Values(set)), ", ")
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
