package stack

import (
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// Bounded is what the roles need that get the permissions boundary of the spec, by their names.
// It makes no calls.
func Bounded(env *spec.Environment, id resource.Identity) ([]permissions.Needs, error) {
	s, err := Build(env, id, Clients{}, Options{NoPrefect: true})
	if err != nil {
		return nil, err
	}
	var list []permissions.Needs
	for _, r := range s.bounded {
		if r.Boundary != "" && !r.External {
			list = append(list, permissions.Needs{Step: r.Name, Permissions: r.Uses()})
		}
	}
	return list, nil
}
