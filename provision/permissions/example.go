package permissions

import (
	"maps"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/resource"
)

// Question is one request to IAM's policy simulator: are all of the actions allowed
// on all of the resources?
type Question struct {
	Actions, Resources []string            // ARNs of single objects
	Context            map[string][]string // condition keys → values
}

// Questions returns the questions that show whether the steps have the permissions
// that they need. The simulator takes single ARNs and no patterns, so each pattern is
// replaced by an example. Composite permissions are left out: the simulator does not
// evaluate them as AWS does. A dry run is the better test for those.
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

// examples are ARNs of single objects that match the resources of a permission.
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
