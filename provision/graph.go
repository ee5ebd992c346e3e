package provision

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
)

// Graph is the steps of one environment in an order in which each comes after
// those it refers to. Build it with [Add] and [Look]; it is used for one command.
type Graph struct {
	// Owner is the environment for which the graph acts.
	Owner string

	// Retry reports whether an error of an action means "look again": the
	// state has changed meanwhile, or is not yet visible. Any other error
	// fails the step.
	Retry func(error) bool

	// Notify receives the events of a run, one at a time.
	Notify func(Event)

	// Patience is how long a step may go without progress. The zero value
	// means two minutes, which is what IAM's propagation is known to need.
	Patience time.Duration

	steps  []*step
	looked time.Time
	mu     sync.Mutex
}

// step is a resource or a lookup with its type erased.
type step struct {
	name   string
	lookup bool
	own    Ownership
	deps   []*step

	read      func(context.Context) (any, error)
	create    func(context.Context) error
	remove    func(context.Context, any) error
	changes   func(any) []Change
	zero      any
	predicted any // nil if the step predicts nothing
	owner     func(any) Owner
	advise    func(any, bool) []Note
	lacks     func(any) []Note
	obstacles func(context.Context, any) ([]Note, error)
	explain   func(context.Context, any) string
	patience  time.Duration

	mu   sync.Mutex
	look *look
}

// look is one reading of a step; done is closed when it has ended.
type look struct {
	once  sync.Once
	done  chan struct{}
	have  any
	found bool
	err   error
}

func newLook() *look { return &look{done: make(chan struct{})} }

func (s *step) current() *look {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.look
}

// begin reads the step once; others that need the answer wait for it.
func (s *step) begin(ctx context.Context) *look {
	l := s.current()
	l.once.Do(func() {
		defer close(l.done)
		l.have, l.err = s.read(ctx)
		if errors.Is(l.err, ErrAbsent) && !s.lookup {
			l.err = nil
		} else if l.err == nil {
			l.found = true
		}
	})
	return l
}

// again replaces what is known about the step by a new reading.
func (s *step) again(ctx context.Context) *look {
	s.forget()
	return s.begin(ctx)
}

func (s *step) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look = newLook()
}

// state is the last reading, if it has ended.
func (s *step) state() (have any, found bool) {
	l := s.current()
	select {
	case <-l.done:
		return l.have, l.found
	default:
		return nil, false
	}
}

// Ref is the promise of an earlier step's state. It can only come from Add,
// Look or Known, so that no graph has a cycle. The zero Ref is never known.
type Ref[S any] struct {
	step  *step
	known *S
}

// Known is a reference to something that is already known.
func Known[S any](s S) Ref[S] { return Ref[S]{known: &s} }

// Get returns the state, and whether the object is known to exist.
func (r Ref[S]) Get() (S, bool) {
	var zero S
	switch {
	case r.known != nil:
		return *r.known, true
	case r.step == nil:
		return zero, false
	}
	have, found := r.step.state()
	if !found {
		return zero, false
	}
	return have.(S), true
}

// Expect is Get, or else the state that the step predicts for itself.
func (r Ref[S]) Expect() (S, bool) {
	if s, ok := r.Get(); ok || r.step == nil || r.step.predicted == nil {
		return s, ok
	}
	return r.step.predicted.(S), true
}

// Await returns the state as soon as it has been read; it is for use in Read.
// The error wraps ErrAbsent if the object does not exist.
func (r Ref[S]) Await(ctx context.Context) (S, error) {
	var zero S
	switch {
	case r.known != nil:
		return *r.known, nil
	case r.step == nil:
		return zero, fmt.Errorf("no such step: %w", ErrAbsent)
	}
	switch l := r.step.begin(ctx); {
	case l.err != nil:
		return zero, fmt.Errorf("%s: %w", r.step.name, l.err)
	case !l.found:
		return zero, fmt.Errorf("%s: %w", r.step.name, ErrAbsent)
	default:
		return l.have.(S), nil
	}
}

// Set reports whether the reference refers to anything.
func (r Ref[S]) Set() bool { return r.step != nil || r.known != nil }

func (r Ref[S]) target() *step { return r.step }

// Edge is a Ref of any type. A resource that needs steps to come before it, but
// nothing of their state, holds a slice of Edge.
type Edge interface{ target() *step }

// Add appends a resource under a name that is unique in the graph.
func Add[S State](g *Graph, name string, own Ownership, r Resource[S]) Ref[S] {
	var zero S
	s := &step{
		name: name, own: own, deps: edges(name, r), zero: zero, look: newLook(),
		read:    func(ctx context.Context) (any, error) { return r.Read(ctx) },
		create:  r.Create,
		changes: func(have any) []Change { return r.Changes(have.(S)) },
		remove:  func(ctx context.Context, have any) error { return r.Delete(ctx, have.(S)) },
		owner:   func(have any) Owner { return have.(S).Owner() },
	}
	if p, ok := r.(Predictor[S]); ok {
		s.predicted = p.Predicted()
	}
	if p, ok := r.(Patient); ok {
		s.patience = p.Patience()
	}
	if a, ok := r.(Adviser[S]); ok {
		s.advise = func(have any, found bool) []Note { return a.Advise(have.(S), found) }
	}
	if l, ok := r.(Lender[S]); ok {
		s.lacks = func(have any) []Note { return l.Lacks(have.(S)) }
	}
	if o, ok := r.(Obstacle[S]); ok {
		s.obstacles = func(ctx context.Context, have any) ([]Note, error) { return o.Obstacles(ctx, have.(S)) }
	}
	if e, ok := r.(Explainer[S]); ok {
		s.explain = func(ctx context.Context, have any) string { return e.Explain(ctx, have.(S)) }
	}
	g.append(s)
	return Ref[S]{step: s}
}

// Look appends something that is only read.
func Look[S any](g *Graph, name string, l Lookup[S]) Ref[S] {
	var zero S
	s := &step{
		name: name, lookup: true, deps: edges(name, l), zero: zero, look: newLook(),
		read: func(ctx context.Context) (any, error) { return l.Read(ctx) },
	}
	g.append(s)
	return Ref[S]{step: s}
}

func (g *Graph) append(s *step) {
	for _, t := range g.steps {
		if t.name == s.name {
			panic("provision: two steps are named " + s.name)
		}
	}
	g.steps = append(g.steps, s)
}

// edges finds the references in the fields of a resource's struct.
func edges(name string, r any) (deps []*step) {
	v := reflect.Indirect(reflect.ValueOf(r))
	if v.Kind() != reflect.Struct {
		panic("provision: " + name + " is not a struct")
	}
	add := func(v reflect.Value) {
		if e, ok := v.Interface().(Edge); ok && e.target() != nil {
			deps = append(deps, e.target())
		}
	}
	isEdge := func(t reflect.Type) bool { return t.Implements(reflect.TypeFor[Edge]()) }
	for i := range v.NumField() {
		f, t := v.Field(i), v.Type().Field(i)
		switch {
		case isEdge(t.Type):
			mustExport(name, t)
			add(f)
		case t.Type.Kind() == reflect.Slice && isEdge(t.Type.Elem()):
			mustExport(name, t)
			for j := range f.Len() {
				add(f.Index(j))
			}
		case t.Type.Kind() == reflect.Map && isEdge(t.Type.Elem()):
			panic("provision: " + name + "." + t.Name + " hides references in a map")
		}
	}
	return deps
}

func mustExport(name string, f reflect.StructField) {
	if !f.IsExported() {
		panic("provision: " + name + "." + f.Name + " hides a reference")
	}
}
