package provision

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Plan is what a run would do, in the order of the steps.
type Plan struct {
	Actions []Action
}

// Action is what a run would do in one step.
type Action struct {
	Step    string
	Object  string // how the service calls what was found; empty if nothing was
	Op      Op
	Changes []Change
	Notes   []Note
	Owner   Owner  // whose the object is, if it exists
	Err     error  // why the step could not be looked at
	Awaits  string // the earlier step that is to blame for Err, if one is
}

// Op is the kind of an action.
type Op int

// What an action does with the object.
const (
	None     Op = iota // as it should be
	Create             // does not exist
	Update             // differs
	Replace            // differs in a way that needs a new object
	Delete             // will be removed
	Release            // our claim is withdrawn, others still use the object
	Use                // somebody else's, used as it is
	Conflict           // somebody else's, and in the way of up
	Missing            // external, and does not exist
	Skip               // not ours to remove: down leaves it
)

func (o Op) String() string {
	return [...]string{"none", "create", "change", "replace", "delete", "release", "use", "conflict", "missing", "skip"}[o]
}

// Count returns how many steps have one of the ops.
func (p Plan) Count(ops ...Op) (n int) {
	for _, a := range p.Actions {
		if slices.Contains(ops, a.Op) {
			n++
		}
	}
	return n
}

// Empty reports whether a run would change nothing.
func (p Plan) Empty() bool {
	return p.Count(Create, Update, Replace, Delete, Release) == 0
}

// Err joins what stops a run of this plan before it changes anything.
func (p Plan) Err() error {
	var errs []error
	for _, a := range p.Actions {
		if a.Err != nil && a.Awaits == "" {
			errs = append(errs, &StepError{Step: a.Step, Doing: "read", Err: a.Err})
		}
		for _, n := range a.Notes {
			if n.Severity == Error {
				errs = append(errs, &StepError{Step: a.Step, Doing: a.Op.String(), Err: errors.New(n.Text)})
			}
		}
	}
	return errors.Join(errs...)
}

// Plan reads everything, all at once but for what needs another's answer, and
// returns what Up would do. It fails only if the context ends: what is wrong
// with single steps stands in the plan.
func (g *Graph) Plan(ctx context.Context) (Plan, error) {
	if err := g.refresh(ctx, true); err != nil {
		return Plan{}, err
	}
	if err := g.checkDeletable(ctx, false); err != nil {
		return Plan{}, err
	}
	var p Plan
	for _, s := range g.steps {
		a := g.inspect(s)
		if absent := s.data || s.own == Prune && a.Op == None; absent && a.Err == nil {
			continue // nothing of it is, or will be, in the environment
		}
		p.Actions = append(p.Actions, a)
	}
	return p, nil
}

// Read looks at everything, for the sake of what the references then know. The
// error joins what could not be read, lookups aside: what they look for is not
// the environment's.
func (g *Graph) Read(ctx context.Context) error {
	if err := g.refresh(ctx, true); err != nil {
		return err
	}
	var errs []error
	for _, s := range g.steps {
		if a := unread(s, s.last()); !s.data && a.Err != nil && a.Awaits == "" {
			errs = append(errs, &StepError{Step: s.name, Doing: "read", Err: a.Err})
		}
	}
	return errors.Join(errs...)
}

// PlanDown reads everything and returns what Down would do, in the order in
// which it would be done.
func (g *Graph) PlanDown(ctx context.Context) (Plan, error) {
	if err := g.refresh(ctx, false); err != nil {
		return Plan{}, err
	}
	if err := g.checkDeletable(ctx, true); err != nil {
		return Plan{}, err
	}
	return g.left(), nil
}

// Standing is what PlanDown would say by the last readings, without new calls:
// what is there when a run has ended early. A step has an Err if its last reading
// failed, or an action has failed since.
func (g *Graph) Standing() Plan {
	p := g.left()
	for i, a := range p.Actions {
		for _, s := range g.steps {
			if s.name == a.Step && s.doubt != nil && a.Op == None && a.Err == nil {
				p.Actions[i].Err = s.doubt
			}
		}
	}
	return p
}

// left is what PlanDown says of the last readings, without new calls.
func (g *Graph) left() (p Plan) {
	for _, s := range slices.Backward(g.steps) {
		if !s.data || s.last().err != nil {
			p.Actions = append(p.Actions, g.inspectDown(s))
		}
	}
	return p
}

// unread is the action of a step that could not be read.
func unread(s *step, l *reading) Action {
	a := Action{Step: s.name, Err: l.err}
	for _, d := range s.deps {
		if cause := d.last().err; cause != nil && errors.Is(l.err, cause) {
			a.Awaits = d.name
		}
	}
	return a
}

// inspect compares the last reading of a step with what is wanted.
func (g *Graph) inspect(s *step) Action {
	l := s.last()
	if l.err != nil {
		return unread(s, l)
	}
	switch {
	case s.data:
		return Action{Step: s.name}
	case s.own == Prune:
		return g.inspectDown(s)
	case !l.found:
		return g.inspectAbsent(s, l)
	}
	return g.inspectFound(s, l)
}

func (g *Graph) inspectAbsent(s *step, l *reading) Action {
	a := Action{Step: s.name, Op: Create}
	if s.own == External {
		a.Op = Missing
		a.Notes = []Note{{Error, "does not exist, and flowbed does not create an external object"}}
	} else {
		a.Changes = s.changes(s.zero)
	}
	return g.validated(s, a, l.have, false)
}

func (g *Graph) inspectFound(s *step, l *reading) Action {
	a := Action{Step: s.name, Owner: s.owner(l.have), Object: label(l.have)}
	ours, nobodys := a.Owner.By == g.Owner, a.Owner.By == ""
	switch {
	case s.own == External, s.own == Share && nobodys:
		a.Op = Use
		if s.checkUse != nil {
			a.Notes = s.checkUse(l.have)
		}
		return a
	case ours, s.own == Share:
	case s.own == Adopt && nobodys:
		a.Notes = []Note{{Warn, "will be adopted: created outside flowbed; down will delete it"}}
	default:
		a.Op = Conflict
		a.Notes = []Note{{Error, "already exists and " + whose(a.Owner)}}
		return a
	}
	if a.Changes = s.changes(l.have); len(a.Changes) > 0 {
		a.Op = Update
		if slices.ContainsFunc(a.Changes, func(c Change) bool { return c.Replace }) {
			a.Op = Replace
		}
	}
	return g.validated(s, a, l.have, true)
}

func (g *Graph) validated(s *step, a Action, have any, found bool) Action {
	if s.validate != nil {
		a.Notes = append(a.Notes, s.validate(have, found)...)
	}
	return a
}

// inspectDown says what a removal means for the last reading of a step.
func (g *Graph) inspectDown(s *step) Action {
	l := s.last()
	if l.err != nil {
		return unread(s, l)
	}
	a := Action{Step: s.name}
	if !l.found || s.data {
		return a
	}
	a.Owner, a.Object = s.owner(l.have), label(l.have)
	others := slices.DeleteFunc(slices.Clone(a.Owner.Claims), func(c string) bool { return c == g.Owner })
	claimed := len(others) < len(a.Owner.Claims)
	// A shared object without any claim was left by somebody who was cut off
	// between withdrawing the last one and deleting: it is whoever's comes by.
	abandoned := len(a.Owner.Claims) == 0
	ours := a.Owner.By == g.Owner || s.own == Share && a.Owner.By != "" && (claimed || abandoned)
	switch {
	case s.own == External:
		a.Op = Skip
		a.Notes = []Note{{Info, "is external"}}
	case !ours:
		a.Op = Skip
		a.Notes = []Note{{Info, whose(a.Owner)}}
	case len(others) == 0:
		a.Op, a.Err = Delete, l.noteErr
		a.Notes = slices.Clone(l.notes)
	case claimed:
		a.Op = Release
		a.Notes = []Note{{Info, "still used by " + strings.Join(others, ", ")}}
	default:
		a.Op = Skip
		a.Notes = []Note{{Info, "is used by " + strings.Join(others, ", ")}}
	}
	return a
}

func label(have any) string {
	if l, ok := have.(Labelled); ok {
		return l.Label()
	}
	return ""
}

func whose(o Owner) string {
	if o.By == "" {
		return "was created outside flowbed"
	}
	return "belongs to environment " + o.By
}
