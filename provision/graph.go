package provision

import (
	"context"
	"reflect"
	"sync"
	"time"
)

// Graph is the steps of one environment. Each step comes after the steps that it
// refers to. Build a graph with [Add], [Data] and [OnDemand]; it serves one command.
type Graph struct {
	// Owner is the environment for which the graph acts.
	Owner string

	// Retry reports whether the engine should read again and retry after an error: the
	// state has changed in the meantime, or is not visible yet. Any other error fails
	// the step.
	Retry func(error) bool

	// Fatal reports whether an error means that no other call can succeed. The run
	// then ends without further calls.
	Fatal func(error) bool

	// Notify receives the events of a run, one at a time.
	Notify func(Event)

	// Reading is told how many steps have been read, while several are. It is called from several
	// goroutines at once, and may be nil.
	Reading func(done, total int)

	// Patience is how long a step may go without progress. The zero value means two
	// minutes, the longest that changes in IAM are known to take to propagate.
	Patience time.Duration

	// Settle is how long a change may take to be visible to everybody. Before a run
	// deletes a shared object, it waits that long for the claims of others. The zero
	// value means that changes are visible at once.
	Settle time.Duration

	// Ignore has, by step, the fields whose differences up leaves alone, because others
	// change them. A new object gets them all: while its Owner is Unfinished, only what needs a
	// replacement is ignored. It must be set before the steps are added.
	Ignore map[string]Fields

	steps     []*step
	refreshed time.Time  // when all steps were last read
	withData  bool       // whether that included the data sources
	mu        sync.Mutex // serializes Notify
	abort     context.CancelCauseFunc
}

// Add appends a resource as a step with a name that is unique in the graph. It
// panics if a method looks like one of an optional interface, but does not implement
// it.
func Add[S State](g *Graph, name string, own Ownership, r Resource[S]) Ref[S] {
	var zero S
	r = ignoring(&step{name: name}, r, g.Ignore[name])
	s := &step{
		name: name, own: own, kind: reflect.TypeOf(r), deps: edges(name, r), zero: zero, reading: &reading{done: make(chan struct{})},
		read:    func(ctx context.Context) (any, error) { return r.Read(ctx) },
		changes: func(have any) []Change { return r.Changes(have.(S)) },
		remove:  func(ctx context.Context, have any) error { return r.Delete(ctx, have.(S)) },
		owner:   func(have any) Owner { return have.(S).Owner() },
	}
	s.create = func(ctx context.Context) (any, error) {
		made, err := r.Create(ctx)
		if err != nil || made == nil {
			return nil, err
		}
		return *made, nil
	}
	addOptional(s, r)
	if own == Share && s.mark == nil {
		panic("provision: " + name + " is shared, but does not implement Sharer")
	}
	g.append(s)
	return Ref[S]{step: s}
}

// Data appends a data source as a step with a name that is unique in the graph.
func Data[S any](g *Graph, name string, d DataSource[S]) Ref[S] {
	var zero S
	s := &step{
		name: name, data: true, deps: edges(name, d), zero: zero, reading: &reading{done: make(chan struct{})},
		read: func(ctx context.Context) (any, error) { return d.Read(ctx) },
	}
	addNotes(s, d)
	g.append(s)
	return Ref[S]{step: s}
}

// OnDemand appends a data source that is read only when another step awaits it. It
// costs no call if no step does.
func OnDemand[S any](g *Graph, name string, d DataSource[S]) Ref[S] {
	r := Data(g, name, d)
	r.step.onDemand = true
	return r
}

func (g *Graph) append(s *step) {
	for _, t := range g.steps {
		if t.name == s.name {
			panic("provision: two steps are named " + s.name)
		}
	}
	s.graph = g
	g.steps = append(g.steps, s)
}
