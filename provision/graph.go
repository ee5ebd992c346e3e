package provision

import (
	"context"
	"sync"
	"time"
)

// Graph is the steps of one environment in an order in which each comes after
// those it refers to. Build it with [Add] and [Data]; it is used for one command.
type Graph struct {
	// Owner is the environment for which the graph acts.
	Owner string

	// Retry reports whether an error of an action means "look again": the
	// state has changed meanwhile, or is not yet visible. Any other error
	// fails the step.
	Retry func(error) bool

	// Fatal reports whether an error means that no other call can succeed
	// either: the run ends at once, and no further calls are made.
	Fatal func(error) bool

	// Notify receives the events of a run, one at a time.
	Notify func(Event)

	// Patience is how long a step may go without progress. The zero value
	// means two minutes, which is what IAM's propagation is known to need.
	Patience time.Duration

	steps     []*step
	refreshed time.Time  // when everything was last read
	withData  bool       // whether the data sources were, too
	mu        sync.Mutex // of Notify
	abort     context.CancelCauseFunc
}

// Add appends a resource under a name that is unique in the graph. It panics if
// the resource seems to implement an optional interface, and does not.
func Add[S State](g *Graph, name string, own Ownership, r Resource[S]) Ref[S] {
	var zero S
	s := &step{
		name: name, own: own, deps: edges(name, r), zero: zero, reading: &reading{done: make(chan struct{})},
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
	g.append(s)
	return Ref[S]{step: s}
}

// Data appends something that is only read.
func Data[S any](g *Graph, name string, d DataSource[S]) Ref[S] {
	var zero S
	s := &step{
		name: name, data: true, deps: edges(name, d), zero: zero, reading: &reading{done: make(chan struct{})},
		read: func(ctx context.Context) (any, error) { return d.Read(ctx) },
	}
	g.append(s)
	return Ref[S]{step: s}
}

// OnDemand is Data that is read when a step awaits it, and not before: it costs
// nothing as long as nobody needs it.
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
	g.steps = append(g.steps, s)
}
