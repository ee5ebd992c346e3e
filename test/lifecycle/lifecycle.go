package lifecycle

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
)

// Case is one kind of resource.
type Case struct {
	Name string
	Step string // the step that the case is about

	// Add builds the graph: the step, and those that it refers to.
	Add func(*World, *provision.Graph)

	// Edits are pairs of a pattern and its replacement, with which the environment of
	// config.hcl.example has the object; none if it has it as it is.
	Edits []string

	// Spec is what an environment of config.hcl.example needs in its block besides, so that
	// its object has the fields; usually empty.
	Spec string

	// Before makes what such an environment refers to; usually nil.
	Before func(context.Context, *World) error

	// Fields lists what may drift, and how somebody else changes it.
	Fields []Field

	// Fill puts data into the object, if it can hold any. down deletes such an
	// object only if the user allows it.
	Fill func(context.Context, *World) error

	// Foreign creates an object with the same name and the given tags, as another owner
	// would.
	Foreign func(ctx context.Context, w *World, tags resource.Tags) error

	// Scheduled is for a case that needs ECS's service scheduler, which moto lacks.
	Scheduled bool

	// AccountWide is for names that belong to the whole account: up uses another
	// owner's object as it is, instead of reporting a conflict.
	AccountWide bool

	// Beside is for objects whose names are not unique: another owner's object may
	// exist next to ours, and must not change.
	Beside bool
	Others func(context.Context, *World) (string, error) // describes the objects that are not ours
}

// Field is a field of a resource, named as in its changes.
type Field struct {
	Name   string
	Tamper func(context.Context, *World) error
}

// patience is how long a step may go without progress. It is long, because where time is
// real, a machine may be slow.
const patience = 10 * time.Minute

// Live takes the case through the life of its resource. empty returns a new, empty
// account.
func Live(ctx context.Context, t *testing.T, empty func() *World, c Case) {
	live(ctx, t, empty(), c)
	life{t, empty(), c, nil}.foreign(ctx, resource.Tags{"owner": "somebody else"})
	if !c.AccountWide { // another environment's object under an account-wide name is shared
		other := empty()
		id := other.ID
		id.Env = "prod"
		life{t, other, c, nil}.foreign(ctx, id.Tags("another"))
	} else {
		shared(ctx, t, empty(), c)
	}
}

// shared lets two environments share an object: the last one to leave deletes it.
func shared(ctx context.Context, t *testing.T, w *World, c Case) {
	first, second := life{t, w, c, nil}, life{t, w.As("prod"), c, nil}
	first.up(ctx)
	if a := second.plan(ctx); a.Op != provision.Update {
		t.Errorf("share another environment's object: the plan has %v, want a change", a.Op)
	}
	second.up(ctx)
	first.wantUnchanged(ctx, "after another environment started to share it")
	second.wantUnchanged(ctx, "after starting to share it")
	first.down(ctx)
	second.wantUnchanged(ctx, "after its creator left")
	first.down(ctx)
	first.wantNoWrites("a second down")
	second.down(ctx)
	first.wantGone(ctx)
	second.wantGone(ctx)
}

func live(ctx context.Context, t *testing.T, w *World, c Case) {
	l := life{t, w, c, nil}

	if a := l.plan(ctx); a.Op != provision.Create || len(a.Changes) == 0 {
		t.Errorf("no object: the plan has %v with %d changes, want a create with changes", a.Op, len(a.Changes))
	}
	l.wantNoWrites("plan of a create")

	l.up(ctx)
	if len(w.writes()) == 0 {
		t.Error("up made no write")
	}
	l.wantUnchanged(ctx, "after up")
	l.up(ctx)
	l.wantNoWrites("up without changes")

	for i, f := range c.Fields {
		l.tamper(ctx, i+1, f)
	}

	l.down(ctx)
	if len(w.writes()) == 0 {
		t.Error("down made no write")
	}
	l.wantGone(ctx)
	l.down(ctx)
	l.wantNoWrites("down of nothing")

	// Leftovers of the first life must not block a second one.
	l.up(ctx)
	l.wantUnchanged(ctx, "after up, down and up")
	l.down(ctx)
	l.wantGone(ctx)
}

type life struct {
	t *testing.T
	w *World
	c Case

	ignored provision.Fields // of the case's step
}

// graph returns the case's graph for one command.
func (l life) graph() *provision.Graph {
	g := &provision.Graph{Owner: l.w.ID.Owner(), Retry: awserr.Retry, Patience: patience}
	g.Ignore = map[string]provision.Fields{l.c.Step: l.ignored}
	g.Notify = func(e provision.Event) {
		if e.Kind == provision.Waiting {
			l.t.Logf("%s waits: %s %v", e.Step, e.Detail, e.Err)
		}
	}
	l.c.Add(l.w, g)
	return g
}

// plan returns the planned action of the case's step.
func (l life) plan(ctx context.Context) provision.Action {
	l.t.Helper()
	p, err := l.graph().Plan(ctx)
	return l.action(p, err)
}

func (l life) action(p provision.Plan, err error) provision.Action {
	l.t.Helper()
	if err != nil {
		l.t.Fatalf("plan: %v", err)
	}
	for _, a := range p.Actions {
		if a.Err != nil {
			l.t.Fatalf("plan: %s: %v", a.Step, a.Err)
		}
	}
	i := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == l.c.Step })
	if i < 0 {
		l.t.Fatalf("the plan has no step %s", l.c.Step)
	}
	return p.Actions[i]
}

func (l life) up(ctx context.Context) {
	l.t.Helper()
	if err := l.graph().Up(ctx); err != nil {
		l.t.Fatalf("up: %v", err)
	}
}

func (l life) down(ctx context.Context) {
	l.t.Helper()
	left, err := l.graph().Down(ctx)
	if err != nil {
		l.t.Fatalf("down: %v", err)
	}
	if !left.Empty() {
		l.t.Fatalf("down left %+v", left)
	}
}

func (l life) wantNoWrites(doing string) {
	l.t.Helper()
	if made := l.w.writes(); len(made) > 0 {
		l.t.Errorf("%s made the writes %v, want none", doing, made)
	}
}

func (l life) wantUnchanged(ctx context.Context, when string) {
	l.t.Helper()
	l.w.writes()
	p, err := l.graph().Plan(ctx)
	l.action(p, err)
	for _, a := range p.Actions {
		for _, c := range a.Changes {
			l.t.Errorf("%s: the plan has %s: %s: %s → %s, want nothing", when, a.Step, c.Field, c.From, c.To)
		}
	}
	if !p.Empty() {
		l.t.Fatalf("%s: the plan is not empty", when)
	}
	l.wantNoWrites("plan")
}

func (l life) wantGone(ctx context.Context) {
	l.t.Helper()
	l.w.writes()
	p, err := l.graph().PlanDown(ctx)
	l.action(p, err)
	if !p.Empty() {
		l.t.Errorf("after down: the plan of another down is %+v, want it empty", p)
	}
	if a := l.plan(ctx); a.Op != provision.Create {
		l.t.Errorf("after down: the plan has %v, want a create", a.Op)
	}
	l.wantNoWrites("plan --down")
}

// tamper changes one field outside flowbed, and lets up repair it. nth is the number of
// the script, from 1: a field can have several.
func (l life) tamper(ctx context.Context, nth int, f Field) {
	l.t.Helper()
	if err := f.Tamper(ctx, l.w); err != nil {
		l.t.Fatalf("%s: cannot tamper: %v", f.Name, err)
	}
	l.w.writes()
	a := l.plan(ctx)
	l.wantNoWrites("plan")
	var named []string
	for _, c := range a.Changes {
		named = append(named, c.Field)
	}
	if !slices.Equal(named, []string{f.Name}) {
		l.t.Errorf("changed %s, with script %d of its case: the plan lists %q, want only that field", f.Name, nth, named)
	}
	l.up(ctx)
	l.wantUnchanged(ctx, "repaired "+f.Name)
}

// foreign lets another owner create an object with the name.
func (l life) foreign(ctx context.Context, tags resource.Tags) {
	l.t.Helper()
	if err := l.c.Foreign(ctx, l.w, tags); err != nil {
		l.t.Fatalf("create another owner's object: %v", err)
	}
	if l.c.Beside {
		l.beside(ctx)
		return
	}
	l.w.writes()
	want := provision.Conflict
	if l.c.AccountWide {
		want = provision.Use
	}
	if a := l.plan(ctx); a.Op != want {
		l.t.Errorf("another owner's object: the plan has %v, want %v", a.Op, want)
	}
	err := l.graph().Up(ctx)
	if refused := err != nil; refused == l.c.AccountWide {
		l.t.Errorf("another owner's object: up returned %v, want an error only for a conflict", err)
	}
	l.down(ctx)
	l.wantNoWrites("up and down beside another owner's object")
	if a := l.plan(ctx); a.Op != want {
		l.t.Errorf("another owner's object after up and down: the plan has %v, want %v", a.Op, want)
	}
}

// beside runs a life next to another owner's object.
func (l life) beside(ctx context.Context) {
	if a := l.plan(ctx); a.Op != provision.Create {
		l.t.Errorf("beside another owner's object: the plan has %v, want a create", a.Op)
	}
	before, err := l.c.Others(ctx, l.w)
	if err != nil || before == "" {
		l.t.Fatalf("another owner's object: %q, %v", before, err)
	}
	l.up(ctx)
	l.wantUnchanged(ctx, "beside another owner's object")
	l.down(ctx)
	l.wantGone(ctx)
	if after, err := l.c.Others(ctx, l.w); err != nil || after != before {
		l.t.Errorf("another owner's object changed from %s to %s (%v)", before, after, err)
	}
}
