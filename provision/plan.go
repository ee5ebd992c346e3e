package provision

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Plan lists what a run would do, in the order of the steps.
type Plan struct {
	Actions []Action
}

// Action is what a run would do in one step.
type Action struct {
	Step    string
	Object  string // the name or id of the object, or the name that it will get; may be empty
	Op      Op
	Changes []Change
	Notes   []Note
	Owner   Owner  // of the object, if it exists
	Err     error  // why the step could not be read
	Awaits  string // the earlier step that caused Err, if one did
}

// Op is the kind of an action.
type Op int

// What an action does with the object.
const (
	None     Op = iota // no change: the object is in the desired state, or down finds none
	Create             // create the object
	Update             // change the object in place
	Replace            // replace the object by a new one
	Delete             // delete the object
	Release            // remove our claim; others still use the object
	Use                // use an external object as it is
	Conflict           // another owner has the object: up cannot continue
	Missing            // an external object, or what a data source reads, does not exist: up cannot continue
	Skip               // not ours: down leaves the object alone
	Leave              // down cannot delete it, or it is not certain that it is ours: it is left, and down goes on
)

func (o Op) String() string {
	return [...]string{"none", "create", "change", "replace", "delete", "release", "use", "conflict", "missing", "skip", "leave"}[o]
}

// doing is the name of the operation in an error. A step without one has only been checked.
func (o Op) doing() string {
	if o == None {
		return "check"
	}
	return o.String()
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

// Err joins the errors that stop a run of this plan before it changes anything.
func (p Plan) Err() error {
	var errs []error
	for _, a := range p.Actions {
		if a.Err != nil && a.Awaits == "" {
			errs = append(errs, &StepError{Step: a.Step, Doing: "read", Err: a.Err})
		}
		for _, n := range a.Notes {
			if n.Severity == Error {
				errs = append(errs, &StepError{Step: a.Step, Doing: a.Op.doing(), Err: noteError(n.Text)})
			}
		}
	}
	return errors.Join(errs...)
}

// noteError is a note that stops a run. Its text may end with a hint.
type noteError string

func (e noteError) Error() string { return string(e) }

// Hint is what to do about it; empty if the note does not say.
func (e noteError) Hint() string {
	_, hint, _ := strings.Cut(string(e), " → ")
	return hint
}

// Plan reads all steps in parallel and returns what Up would do. It fails only if
// the context ends: the plan contains the errors of single steps.
func (g *Graph) Plan(ctx context.Context) (Plan, error) {
	if err := g.refresh(ctx, true); err != nil {
		return Plan{}, err
	}
	if err := g.detail(ctx); err != nil {
		return Plan{}, err
	}
	if err := g.checkDeletable(ctx, false); err != nil {
		return Plan{}, err
	}
	var p Plan
	for _, s := range g.steps {
		a := g.inspect(s)
		if hidden := s.data && len(a.Notes) == 0 || s.own == Prune && a.Op == None; hidden && a.Err == nil && a.Op != Missing {
			continue // the environment has no object for it, now or after up
		}
		p.Actions = append(p.Actions, a)
	}
	return p, nil
}

// Read reads all steps, so that references return the actual states. It joins the
// errors of the resources. It ignores errors of data sources, because what they read
// does not belong to the environment.
func (g *Graph) Read(ctx context.Context) error {
	if err := g.refresh(ctx, true); err != nil {
		return err
	}
	var errs []error
	for _, s := range g.steps {
		if a := readFailed(s, s.last()); !s.data && a.Err != nil && a.Awaits == "" {
			errs = append(errs, &StepError{Step: s.name, Doing: "read", Err: a.Err})
		}
	}
	return errors.Join(errs...)
}

// PlanDown reads all resources and returns what Down would do, in that order.
func (g *Graph) PlanDown(ctx context.Context) (Plan, error) {
	if err := g.refresh(ctx, false); err != nil {
		return Plan{}, err
	}
	if err := g.checkDeletable(ctx, true); err != nil {
		return Plan{}, err
	}
	return g.remaining(), nil
}

// Standing returns what PlanDown would return for the last readings. It makes no
// calls; it tells what exists after a run that ended early. A step has an Err if its
// last reading failed, or if an action has failed since then.
func (g *Graph) Standing() Plan {
	p := g.remaining()
	for i, a := range p.Actions {
		for _, s := range g.steps {
			if s.name == a.Step && s.doubt != nil && a.Op == None && a.Err == nil {
				p.Actions[i].Err = s.doubt
			}
		}
	}
	return p
}

// remaining returns the down plan for the last readings, without new calls.
func (g *Graph) remaining() (p Plan) {
	for _, s := range slices.Backward(g.steps) {
		if !s.data || s.last().err != nil {
			p.Actions = append(p.Actions, g.inspectDown(s))
		}
	}
	return p
}

// readFailed is the action of a step that could not be read.
func readFailed(s *step, l *reading) Action {
	a := Action{Step: s.name, Err: l.err}
	for _, d := range s.deps {
		if cause := d.last().err; cause != nil && errors.Is(l.err, cause) {
			a.Awaits = d.name
		}
	}
	return a
}

// inspect compares the last reading of a step with the desired state.
func (g *Graph) inspect(s *step) Action {
	l := s.last()
	if l.err != nil {
		if a := readFailed(s, l); !s.data || a.Awaits != "" || !errors.Is(l.err, ErrAbsent) {
			return a
		}
		return Action{Step: s.name, Op: Missing, Notes: errorNotes(l.err)}
	}
	switch {
	case s.data:
		return g.validated(s, Action{Step: s.name}, l.have, true)
	case s.own == Prune:
		return g.inspectDown(s)
	case s.own != External && s.owner(l.have).Doubt != "":
		o := s.owner(l.have)
		return Action{Step: s.name, Op: Conflict, Owner: o, Object: label(l.have), Notes: []Note{{Error, o.Doubt}}}
	case !l.found:
		return g.inspectAbsent(s, l)
	}
	return g.inspectFound(s, l)
}

// errorNotes returns a note for each of the joined errors.
func errorNotes(err error) (notes []Note) {
	all, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // this error is one of several, or it joins them
	if !ok {
		return []Note{{Error, err.Error()}}
	}
	for _, e := range all.Unwrap() {
		notes = append(notes, errorNotes(e)...)
	}
	return notes
}

func (g *Graph) inspectAbsent(s *step, l *reading) Action {
	a := Action{Step: s.name, Op: Create, Object: s.called}
	if s.own == External {
		a.Op = Missing
		a.Notes = []Note{{Error, "is external, and does not exist → create it, correct its name, or set another ownership"}}
	} else {
		a.Changes = s.changes(s.zero)
	}
	return g.validated(s, a, l.have, false)
}

func (g *Graph) inspectFound(s *step, l *reading) Action {
	a := Action{Step: s.name, Owner: s.owner(l.have), Object: label(l.have)}
	ours, unowned := a.Owner.By == g.Owner, a.Owner.By == ""
	switch {
	case s.own == External && a.Owner.only(g.Owner):
		// Nothing would ever delete it, neither this environment nor anybody else.
		a.Op = Conflict
		a.Notes = []Note{{Error, `belongs to this environment, so it cannot be external → remove its flowbed tags, or set ownership = "own"`}}
		return a
	case s.own == External, s.own == Share && unowned:
		a.Op = Use
		if s.checkUse != nil {
			a.Notes = s.checkUse(l.have)
		}
		return a
	case ours, s.own == Share:
	case s.own == Adopt && unowned:
		a.Notes = []Note{{Warn, "will be adopted: created outside flowbed; down will delete it"}}
	default:
		a.Op = Conflict
		a.Notes = []Note{{Error, "already exists and " + ownerText(a.Owner)}}
		return a
	}
	a.Notes = append(a.Notes, g.sharedNotes(s, l, a.Owner)...)
	var ignored []Change
	a.Changes, ignored = g.split(s, l.have, s.changes(l.have))
	a.Notes = append(a.Notes, ignoredNotes(ignored)...)
	if len(a.Changes) > 0 {
		a.Op = Update
		if slices.ContainsFunc(a.Changes, func(c Change) bool { return c.Replace }) {
			a.Op = Replace
			a.addCheck(l)
		}
	}
	return g.validated(s, a, l.have, true)
}

// addCheck adds what CheckDelete returned, if it has been called.
func (a *Action) addCheck(l *reading) {
	if c := l.check.Load(); c != nil {
		a.Err, a.Notes = c.err, append(a.Notes, c.notes...)
	}
}

func (g *Graph) validated(s *step, a Action, have any, found bool) Action {
	if s.validate != nil {
		a.Notes = append(a.Notes, s.validate(have, found)...)
	}
	return a
}

// only reports whether an object belongs to an environment and no other environment
// uses it.
func (o Owner) only(env string) bool {
	return (o.By == env || o.Uses(env)) && len(o.Others(env)) == 0
}

func label(have any) string {
	if l, ok := have.(Labelled); ok {
		return l.Label()
	}
	return ""
}

func ownerText(o Owner) string {
	if o.By == "" {
		return "was created outside flowbed"
	}
	return "belongs to environment " + o.By
}
