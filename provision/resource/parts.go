package resource

import (
	"context"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Parts says which parts of a network a step is about. What a spec has no more must go after the
// steps that use it, so it has a step of its own.
type Parts int

// The parts.
const (
	WantedParts Parts = iota // those that the spec has
	OldParts                 // all others, which an earlier spec had
	AllParts
)

// include reports whether a step is about a part, which the spec has or has not.
func (p Parts) include(wanted bool) bool { return p == AllParts || wanted == (p == WantedParts) }

// includeNAT reports whether a step is about an address or a gateway. One whose part nobody can tell is not old.
func (p Parts) includeNAT(part string, count int) bool {
	n, ok := natNumber(part)
	return p == AllParts || ok && p.include(n <= count)
}

// KeyPart tells the parts of a network of the same kind apart.
const KeyPart = "flowbed:part"

// partOf is the part that an object is, in a network whose parts' names begin with a name. If somebody removed the
// tag, its name tells. It is empty if nothing does.
func partOf(t Tags, name string) string {
	part := t[KeyPart]
	if rest, ok := strings.CutPrefix(t["Name"], name+"-"); ok && part == "" {
		return rest
	}
	return part
}

// PartReader reads the parts of a network for the steps of the wanted and of the old ones. In a
// refresh of all steps, one call serves both. A nil PartReader serves one step.
type PartReader[P any] struct {
	shared provision.Shared[[]P]
}

func (r *PartReader[P]) read(ctx context.Context, find func(context.Context) ([]P, error)) ([]P, error) {
	if r == nil {
		return find(ctx)
	}
	list, err := r.shared.Get(ctx, func(ctx context.Context, _ bool) ([]P, error) { return find(ctx) })
	return slices.Clone(list), err
}
