package permissions

import (
	"maps"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/resource"
)

// Question is what can be asked of IAM's simulator: whether all of the actions
// are allowed on all of the resources.
type Question struct {
	Actions, Resources []string            // ARNs of single objects
	Context            map[string][]string // condition keys → values
}

// Questions are those whose answers tell whether some steps have what they need.
// The simulator wants objects rather than patterns, so examples stand for these.
// It makes scenarios of its own of a call that is checked on objects of several
// kinds at once: a dry run asks better.
func Questions(needs []Needs) (list []Question) {
	var concrete []resource.Permission
	for _, n := range needs {
		for _, p := range n.Permissions {
			if !p.Composite {
				concrete = append(concrete, resource.Permission{Actions: p.Actions, Resources: examples(p), Condition: p.Condition})
			}
		}
	}
	for _, s := range NewPolicy([]Needs{{Permissions: concrete}}).Statements {
		q := Question{Actions: s.Actions, Resources: s.Resources, Context: map[string][]string{}}
		for _, keys := range s.Condition {
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				q.Context[k] = keys[k][:1]
			}
		}
		list = append(list, q)
	}
	return list
}

// examples are single objects on which a permission is needed.
func examples(p resource.Permission) []string {
	if len(p.Examples) > 0 {
		return p.Examples
	}
	list := slices.Clone(p.Resources)
	for i, r := range list {
		if folder, open := strings.CutSuffix(r, "/*"); open {
			list[i] = folder + "/example"
		}
	}
	return list
}
