package stack

import (
	"fmt"
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// add appends a resource to the graph, and collects the permissions that it needs and the
// kind for Discoverers.
func add[S provision.State](s *Stack, name string, own provision.Ownership, r resource.Kind[S]) provision.Ref[S] {
	return addStep(s, permissions.Step{Name: name, Ownership: own}, r)
}

// addOptional appends a resource that not every spec has. If the spec lacks it, up deletes
// the one from an earlier spec. The policy for up of a spec that has it allows that, too.
func addOptional[S provision.State](s *Stack, name string, inSpec bool, r resource.Kind[S]) provision.Ref[S] {
	own := provision.Own
	if !inSpec && !s.o.Destroy { // down deletes whatever there may be
		own = provision.Prune
	}
	return addStep(s, permissions.Step{Name: name, Ownership: own, Optional: true}, r)
}

func addStep[S provision.State](s *Stack, step permissions.Step, r resource.Kind[S]) provision.Ref[S] {
	s.search(r)
	if role, is := any(r).(resource.Role); is && step.Ownership != provision.Prune {
		s.bounded = append(s.bounded, role)
	}
	step.Permissions = leaving(s, step.Name, r).Permissions()
	s.steps = append(s.steps, step)
	s.addCosts(step.Ownership, r.Costs)
	return addToGraph(s, step.Name, step.Ownership, r)
}

// leaving returns the resource, which knows what is ignored if it has to: what it leaves to others
// can be an object that the file does not name.
func leaving[S provision.State](s *Stack, step string, r resource.Kind[S]) resource.Kind[S] {
	if ignorer, ok := r.(provision.Ignorer[S]); ok {
		if knows, ok := ignorer.Ignoring(s.Graph.Ignore[step]).(resource.Kind[S]); ok {
			return knows
		}
	}
	return r
}

// source is a data source that declares its permissions.
type source[S any] interface {
	provision.DataSource[S]
	Permissions() resource.Permissions
}

// data appends a data source to the graph, and collects the permissions that it needs.
func data[S any](s *Stack, name string, d source[S]) provision.Ref[S] {
	s.steps = append(s.steps, permissions.Step{Name: name, Data: true, Permissions: d.Permissions()})
	return provision.Data(s.Graph, name, d)
}

// onDemand appends a data source that is read only when a step awaits it, and collects
// the permissions that it needs.
func onDemand[S any](s *Stack, name string, d source[S]) provision.Ref[S] {
	s.steps = append(s.steps, permissions.Step{Name: name, Data: true, Permissions: d.Permissions()})
	return provision.OnDemand(s.Graph, name, d)
}

// Steps returns the steps of the graph and the environment lock, with their permissions.
func (s *Stack) Steps() []permissions.Step {
	l := &lease.Lease{ID: s.id}
	return append(slices.Clone(s.steps), permissions.Step{Name: "lock", Permissions: l.Permissions()})
}

// Permissions returns what a command needs in an environment. It makes no calls. It
// uses only the environment name, the account, the region and the partition of id.
func Permissions(v permissions.Verb, env *spec.Environment, id resource.Identity, o Options) ([]permissions.Needs, error) {
	if v == permissions.Hello {
		return helloPermissions(env, id, o)
	}
	var steps []permissions.Step
	for _, destroy := range []bool{false, true} {
		if v == permissions.Up && destroy || v == permissions.Down && !destroy {
			continue // plan covers both up and down
		}
		o.Destroy = destroy
		s, err := Build(env, id, Clients{}, o)
		if err != nil {
			return nil, fmt.Errorf("collect permissions: %w", err)
		}
		steps = append(steps, s.Steps()...)
	}
	return permissions.For(v, steps), nil
}
