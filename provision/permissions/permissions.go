// Package permissions turns the permissions that each kind declares into the IAM
// policies for a command. `flowbed policy`, `flowbed doctor` and docs/permissions.md
// use it. It knows no kind by name: each kind in provision/resource declares its
// permissions beside its calls, and the stack collects them. A test fails if a call
// lacks a permission, or if a permission has no call.
package permissions

import (
	"reflect"
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// Verb is a command that needs permissions.
type Verb string

// The commands. Plan also covers the commands that only read: outputs, and plan --down.
const (
	Plan  Verb = "plan"
	Up    Verb = "up"
	Down  Verb = "down"
	Hello Verb = "hello" // needs nothing of the resources, and has one step of its own
)

// Verbs are all commands that need permissions.
var Verbs = []Verb{Plan, Up, Down, Hello}

// Step is a step of a graph with the permissions that it declares.
type Step struct {
	Name        string
	Data        bool                // a data source, which down does not read
	Ownership   provision.Ownership // of a resource
	Optional    bool                // a later spec may lack the resource; up then prunes it
	Permissions resource.Permissions
}

// Needs are the permissions that a step needs for one verb.
type Needs struct {
	Step        string
	Permissions []resource.Permission
}

// For returns what a verb needs, by step. If steps of several graphs have the same
// name, it merges what they need.
func For(v Verb, steps []Step) (list []Needs) {
	for _, s := range steps {
		for _, p := range s.needs(v) {
			list = addNeed(list, s.Name, p)
		}
	}
	return list
}

// needs returns the permissions for the calls that the engine may make for a step. The
// engine may write to an adopted or shared object, but only reads an external one. Up
// deletes the objects that it prunes. A policy that may build an optional object may also
// delete it, so that the block can go without a new policy.
func (s Step) needs(v Verb) []resource.Permission {
	p := s.Permissions
	switch {
	case v == Hello:
		return p.Build
	case s.Data && v == Down:
		return nil
	case s.Data, s.Ownership == provision.External:
		return p.Read
	case v == Plan:
		return slices.Concat(p.Read, p.CheckDelete)
	case v == Up && s.Ownership != provision.Prune && s.Optional:
		return slices.Concat(p.Read, p.Build, p.CheckDelete, p.Delete)
	case v == Up && s.Ownership != provision.Prune:
		return slices.Concat(p.Read, p.Build)
	}
	return slices.Concat(p.Read, p.CheckDelete, p.Delete)
}

func addNeed(list []Needs, step string, p resource.Permission) []Needs {
	i := slices.IndexFunc(list, func(n Needs) bool { return n.Step == step })
	if i < 0 {
		return append(list, Needs{step, []resource.Permission{p}})
	}
	if !slices.ContainsFunc(list[i].Permissions, func(o resource.Permission) bool { return reflect.DeepEqual(o, p) }) {
		list[i].Permissions = append(list[i].Permissions, p)
	}
	return list
}

// Actions returns all actions that the steps need, sorted.
func Actions(needs []Needs) (list []string) {
	for _, n := range needs {
		for _, p := range n.Permissions {
			list = append(list, p.Actions...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
