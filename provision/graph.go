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

	steps   []*step
	looked  time.Time  // when everything was last read
	lookups bool       // whether the lookups were, too
	mu      sync.Mutex // of Notify
	abort   context.CancelCauseFunc
}

// Add appends a resource under a name that is unique in the graph.
func Add[S State](g *Graph, name string, own Ownership, r Resource[S]) Ref[S] {
	var zero S
	s := &step{
		name: name, own: own, deps: edges(name, r), zero: zero, look: &look{done: make(chan struct{})},
		read:    func(ctx context.Context) (any, error) { return r.Read(ctx) },
		create:  r.Create,
		changes: func(have any) []Change { return r.Changes(have.(S)) },
		remove:  func(ctx context.Context, have any) error { return r.Delete(ctx, have.(S)) },
		owner:   func(have any) Owner { return have.(S).Owner() },
	}
	if p, ok := r.(Predictor[S]); ok {
		s.predicted = p.Predicted()
	}
	_, s.keeps = r.(DependsUntilDeleted)
	if p, ok := r.(Patient); ok {
		s.patience = p.Patience()
	}
	if a, ok := r.(Validator[S]); ok {
		s.advise = func(have any, found bool) []Note { return a.Validate(have.(S), found) }
	}
	if l, ok := r.(UseChecker[S]); ok {
		s.lacks = func(have any) []Note { return l.CheckUse(have.(S)) }
	}
	if o, ok := r.(DeleteChecker[S]); ok {
		s.obstacles = func(ctx context.Context, have any) ([]Note, error) { return o.CheckDelete(ctx, have.(S)) }
	}
	if e, ok := r.(Explainer[S]); ok {
		s.explain = func(ctx context.Context, have any) string { return e.Explain(ctx, have.(S)) }
	}
	g.append(s)
	return Ref[S]{step: s}
}

// Data appends something that is only read.
func Data[S any](g *Graph, name string, l DataSource[S]) Ref[S] {
	var zero S
	s := &step{
		name: name, lookup: true, deps: edges(name, l), zero: zero, look: &look{done: make(chan struct{})},
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
