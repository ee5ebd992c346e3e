// Package permit is the one table of what each step of an environment calls of
// AWS, and needs the permission for. The policies that flowbed prints, its
// preflight and docs/permissions.md all come from it, and a test compares it
// with the calls that are really made, both ways.
//
// What AWS checks for a call, on which resource and under which condition keys,
// is in its service authorization reference:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
// A permission is bound to the names of the environment's objects. EC2's objects
// have no names of their own: there the owner tag takes their place. Only what
// AWS binds to nothing is allowed on everything, and that is reading.
package permissions

import (
	"slices"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
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

// Condition narrows a permission: operator → condition key → values.
type Condition map[string]map[string][]string

// Need is a number of actions on the same resources.
type Need struct {
	Actions   []string // for example "iam:CreateRole"
	Resources []string // ARNs, perhaps with *
	Condition Condition

	// Implied says why the actions are needed although no call has their name:
	// AWS asks for them in the course of another one.
	Implied string
}

// Step is what a step of the graph needs.
type Step struct {
	Name  string
	Needs []Need
}

// Options are what a command decides, and the spec does not.
type Options struct {
	ForceDestroy bool // down may empty the bucket
}

// For is what a verb needs in an environment, step by step in the order of the
// graph. The environment must be complete; of the identity, the name of the
// environment, account, region and partition are used.
func For(e *spec.Environment, id resource.Identity, v Verb, o Options) []Step {
	t := &table{env: e, id: id, verb: v, o: o}
	t.storage()
	t.roles()
	t.cluster()
	t.network()
	t.agent()
	t.lease()
	return t.steps
}

// Actions are all actions of some steps, sorted.
func Actions(steps []Step) (list []string) {
	for _, s := range steps {
		for _, n := range s.Needs {
			list = append(list, n.Actions...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// mode is what may become of a step's object.
type mode int

const (
	owned    mode = iota // built and removed
	borrowed             // somebody else's: only looked at
	unwanted             // not in the spec: removed by up, too, if an earlier spec has left it
)

// kind is what a kind of object needs.
type kind struct {
	read      []Need // to look at it
	obstacles []Need // to see what stands in the way of its removal
	build     []Need // to make and repair it
	remove    []Need
}

func (k kind) needs(m mode, v Verb) []Need {
	switch {
	case m == borrowed:
		return k.read
	case v == Plan:
		return slices.Concat(k.read, k.obstacles)
	case v == Up && m == owned:
		return slices.Concat(k.read, k.build)
	}
	return slices.Concat(k.read, k.obstacles, k.remove)
}

// table is a table in the making.
type table struct {
	env   *spec.Environment
	id    resource.Identity
	verb  Verb
	o     Options
	steps []Step
}

func (t *table) add(name string, m mode, k kind) {
	if needs := k.needs(m, t.verb); len(needs) > 0 {
		t.steps = append(t.steps, Step{Name: name, Needs: needs})
	}
}

// ours is the mode of a step with the spec's word for its ownership. What is
// adopted is ours from then on, and what is shared may be.
func ours(word string) mode {
	if word == "external" {
		return borrowed
	}
	return owned
}

// wanted is the mode of a step that the spec may do without.
func wanted(yes bool) mode {
	if yes {
		return owned
	}
	return unwanted
}

// The forms in which needs are written below.

func on(resource string, actions ...string) Need {
	return Need{Actions: actions, Resources: []string{resource}}
}

func (n Need) and(resources ...string) Need {
	n.Resources = slices.Concat(n.Resources, resources)
	return n
}

func (n Need) when(operator, key string, values ...string) Need {
	c := Condition{}
	for op, keys := range n.Condition {
		c[op] = map[string][]string{}
		for k, v := range keys {
			c[op][k] = v
		}
	}
	if c[operator] == nil {
		c[operator] = map[string][]string{}
	}
	c[operator][key] = values
	n.Condition = c
	return n
}

func (n Need) implied(why string) Need {
	n.Implied = why
	return n
}
