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

	// Fields are what may differ, and how another hand makes it differ.
	Fields []Field

	// Fill puts data into the object, if it can hold any: then it goes only where
	// somebody has said that it may.
	Fill func(context.Context, *World) error

	// Foreign makes an object of the same name, with the tags, as another hand would.
	Foreign func(ctx context.Context, w *World, tags resource.Tags) error

	// AccountWide is for names that belong to the whole account: somebody else's
	// object is used as it is, instead of being refused.
	AccountWide bool

	// Beside is for objects whose names are not unique: somebody else's stands
	// beside ours, which lives its life without touching it.
	Beside bool
	Others func(context.Context, *World) (string, error) // what is not ours, as a text
}

// Field is a field of a resource in the words of its changes.
type Field struct {
	Name   string
	Tamper func(context.Context, *World) error
}

// patience is how long a step may go without progress. No case waits in vain, and
// where time is real, a machine may be slow.
const patience = 10 * time.Minute

// Live takes the case through the life of its resource. It is given empty
// accounts, as many as it asks for.
func Live(ctx context.Context, t *testing.T, empty func() *World, c Case) {
	live(ctx, t, empty(), c)
	life{t, empty(), c}.foreign(ctx, resource.Tags{"owner": "somebody else"})
	if !c.AccountWide { // what another environment made under an account-wide name is shared
		other := empty()
		id := other.ID
		id.Env = "prod"
		life{t, other, c}.foreign(ctx, id.Tags("another"))
	} else {
		shared(ctx, t, empty(), c)
	}
}

// shared has two environments use an object together: the last one to leave
// takes it away.
func shared(ctx context.Context, t *testing.T, w *World, c Case) {
	first, second := life{t, w, c}, life{t, w.As("prod"), c}
	first.up(ctx)
	if a := second.plan(ctx); a.Op != provision.Update {
		t.Errorf("joining another environment's object: the plan says %v, want a change", a.Op)
	}
	second.up(ctx)
	first.wantUnchanged(ctx, "after another environment has joined")
	second.wantUnchanged(ctx, "after joining")
	first.down(ctx)
	second.wantUnchanged(ctx, "after the maker has left")
	first.down(ctx)
	first.wantNoWrites("down after having left")
	second.down(ctx)
	first.wantGone(ctx)
	second.wantGone(ctx)
}

func live(ctx context.Context, t *testing.T, w *World, c Case) {
	l := life{t, w, c}

	if a := l.plan(ctx); a.Op != provision.Create || len(a.Changes) == 0 {
		t.Errorf("absent: the plan says %v with %d changes, want a creation and what it consists of", a.Op, len(a.Changes))
	}
	l.wantNoWrites("plan of a creation")

	l.up(ctx)
	if len(w.writes()) == 0 {
		t.Error("up made no writing call")
	}
	l.wantUnchanged(ctx, "after up")
	l.up(ctx)
	l.wantNoWrites("up of what is there")

	for _, f := range c.Fields {
		l.tamper(ctx, f)
	}

	l.down(ctx)
	if len(w.writes()) == 0 {
		t.Error("down made no writing call")
	}
	l.wantGone(ctx)
	l.down(ctx)
	l.wantNoWrites("down of nothing")

	// What is left of the first life must not be in the way of a second.
	l.up(ctx)
	l.wantUnchanged(ctx, "after up, down and up")
	l.down(ctx)
	l.wantGone(ctx)
}

type life struct {
	t *testing.T
	w *World
	c Case
}

// graph is the case's graph for one command.
func (l life) graph() *provision.Graph {
	g := &provision.Graph{Owner: l.w.ID.Owner(), Retry: awserr.Retry, Patience: patience}
	g.Notify = func(e provision.Event) {
		if e.Kind == provision.Waiting {
			l.t.Logf("%s waits: %s %v", e.Step, e.Detail, e.Err)
		}
	}
	l.c.Add(l.w, g)
	return g
}

// plan is what the plan says of the case's step.
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
		l.t.Errorf("%s made the writing calls %v, want none", doing, made)
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
		l.t.Errorf("after down: the plan of another down is not empty: %+v", p)
	}
	if a := l.plan(ctx); a.Op != provision.Create {
		l.t.Errorf("after down: the plan says %v, want a creation", a.Op)
	}
	l.wantNoWrites("plan of a removal")
}

// tamper changes one field behind the resource's back, and has it repaired.
func (l life) tamper(ctx context.Context, f Field) {
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
		l.t.Errorf("%s was changed: the plan names %q", f.Name, named)
	}
	l.up(ctx)
	l.wantUnchanged(ctx, "repaired "+f.Name)
}

// foreign has another hand make an object of the name.
func (l life) foreign(ctx context.Context, tags resource.Tags) {
	l.t.Helper()
	if err := l.c.Foreign(ctx, l.w, tags); err != nil {
		l.t.Fatalf("cannot make a foreign object: %v", err)
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
		l.t.Errorf("another hand's object: the plan says %v, want %v", a.Op, want)
	}
	err := l.graph().Up(ctx)
	if refused := err != nil; refused == l.c.AccountWide {
		l.t.Errorf("another hand's object: up says %v", err)
	}
	l.down(ctx)
	l.wantNoWrites("up and down beside another hand's object")
	if a := l.plan(ctx); a.Op != want {
		l.t.Errorf("another hand's object after up and down: the plan says %v, want %v", a.Op, want)
	}
}

// beside lives beside another hand's object.
func (l life) beside(ctx context.Context) {
	if a := l.plan(ctx); a.Op != provision.Create {
		l.t.Errorf("beside another hand's object: the plan says %v, want a creation", a.Op)
	}
	before, err := l.c.Others(ctx, l.w)
	if err != nil || before == "" {
		l.t.Fatalf("another hand's object: %q, %v", before, err)
	}
	l.up(ctx)
	l.wantUnchanged(ctx, "beside another hand's object")
	l.down(ctx)
	l.wantGone(ctx)
	if after, err := l.c.Others(ctx, l.w); err != nil || after != before {
		l.t.Errorf("another hand's object was %s and is %s, %v", before, after, err)
	}
}
