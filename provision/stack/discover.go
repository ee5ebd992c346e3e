package stack

import (
	"reflect"
	"slices"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// Discoverers returns all kinds of objects that an environment can have, for a search of
// one region. These are the kinds in the graph for down. It uses only the account, the
// partition and the region of id.
func Discoverers(c Clients, id resource.Identity) (resource.Searches, error) {
	id.Env = "any"
	env := spec.Defaults(id.Env, spec.Place{Account: id.Account, Region: id.Region})
	s, err := Build(&env, id, c, Options{Destroy: true, NoPrefect: true})
	if err != nil {
		return resource.Searches{}, err
	}
	return s.searches, nil
}

// search adds a kind of object that can be found without a spec, once.
func (s *Stack) search(kind any) {
	d, ok := kind.(resource.Discoverer)
	if !ok {
		return
	}
	if anchor, ok := kind.(resource.LogGroup); ok {
		s.searches.Anchor = anchor
		return
	}
	same := func(o resource.Discoverer) bool { return reflect.TypeOf(o) == reflect.TypeOf(d) }
	if !slices.ContainsFunc(s.searches.Others, same) {
		s.searches.Others = append(s.searches.Others, d)
	}
}
