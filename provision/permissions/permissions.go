// Package permissions turns what the kinds of objects say of their calls into the
// policies of a command. The policies that flowbed prints, its preflight and
// docs/permissions.md all come from it. It knows no kind: each says what it needs
// beside its calls, in provision/resource, and the stack collects that. A test
// compares it with the calls that are really made, both ways.
package permissions

import (
	"reflect"
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// Verb is a command that needs permissions.
type Verb string

// The commands. Plan also stands for what only reads: outputs, and plan --down.
const (
	Plan Verb = "plan"
	Up   Verb = "up"
	Down Verb = "down"
)

// Verbs are all of them.
var Verbs = []Verb{Plan, Up, Down}

// Step is a step of a graph, and what it says of its calls.
type Step struct {
	Name        string
	Data        bool                // it is only read, and down does not ask for it
	Ownership   provision.Ownership // of an object
	Permissions resource.Permissions
}

// Needs are the permissions that a step needs for a verb.
type Needs struct {
	Step        string
	Permissions []resource.Permission
}

// For is what a verb needs, step by step. Steps of several graphs may have the
// same name: they need what either of them needs.
func For(v Verb, steps []Step) (list []Needs) {
	for _, s := range steps {
		for _, p := range s.needs(v) {
			list = note(list, s.Name, p)
		}
	}
	return list
}

// needs follow from what the engine may do with a step's object. What is adopted
// is ours from then on, and what is shared may be; external objects are only read.
// Up removes those that it prunes.
func (s Step) needs(v Verb) []resource.Permission {
	p := s.Permissions
	switch {
	case s.Data && v == Down:
		return nil
	case s.Data, s.Ownership == provision.External:
		return p.Read
	case v == Plan:
		return slices.Concat(p.Read, p.CheckDelete)
	case v == Up && s.Ownership != provision.Prune:
		return slices.Concat(p.Read, p.Build)
	}
	return slices.Concat(p.Read, p.CheckDelete, p.Delete)
}

func note(list []Needs, step string, p resource.Permission) []Needs {
	i := slices.IndexFunc(list, func(n Needs) bool { return n.Step == step })
	if i < 0 {
		return append(list, Needs{step, []resource.Permission{p}})
	}
	if !slices.ContainsFunc(list[i].Permissions, func(o resource.Permission) bool { return reflect.DeepEqual(o, p) }) {
		list[i].Permissions = append(list[i].Permissions, p)
	}
	return list
}

// Actions are all actions that some steps need, sorted.
func Actions(needs []Needs) (list []string) {
	for _, n := range needs {
		for _, p := range n.Permissions {
			list = append(list, p.Actions...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
