package provision

import (
	"context"
	"fmt"
)

// Ref is the promise of an earlier step's state. Only Add, Data, OnDemand, Known and
// Derive return one, so no graph has a cycle. The zero Ref is never known.
type Ref[S any] struct {
	step    *step
	known   *S
	derived Derived[S]
}

// Derived is a state that follows from those of earlier steps, to which its fields hold
// references.
type Derived[S any] interface {
	Get() (S, bool)
	Await(ctx context.Context) (S, error)
}

// Derive returns a reference to a state that follows from those of other steps. Whatever holds
// it depends on all of them.
func Derive[S any](d Derived[S]) Ref[S] { return Ref[S]{derived: d} }

// Known returns a reference to a state that is already known.
func Known[S any](s S) Ref[S] { return Ref[S]{known: &s} }

// Get returns the state from the last reading, and whether the object exists.
func (r Ref[S]) Get() (S, bool) {
	var zero S
	switch {
	case r.known != nil:
		return *r.known, true
	case r.derived != nil:
		return r.derived.Get()
	case r.step == nil:
		return zero, false
	}
	have, found := r.step.state()
	if !found {
		return zero, false
	}
	return have.(S), true
}

// Expect returns the state from Get, or else the state that the step predicts: of an object
// that does not exist, or that the step replaces by a new one.
func (r Ref[S]) Expect() (S, bool) {
	s, ok := r.Get()
	switch {
	case r.step == nil, r.step.predicted == nil:
		return s, ok
	case ok && (r.step.replaces == nil || r.step.own == External || !r.step.replaces(s)):
		return s, ok
	}
	return r.step.predicted.(S), true
}

// Ahead returns the changes that up would make to the object, by the last reading, so that a
// step after it can tell in a plan what they lead to. There are none if the object does not
// exist, or is not this environment's to change.
func (r Ref[S]) Ahead() []Change {
	if r.step == nil || r.step.data {
		return nil
	}
	if a := r.step.graph.inspect(r.step); a.Op == Update || a.Op == Replace {
		return a.Changes
	}
	return nil
}

// Await waits for the reading and returns its state; it is for use in Read. The
// error wraps ErrAbsent if the object does not exist. A Read may return this error
// only if its own object cannot exist without the other one. Otherwise down would
// not find its object.
func (r Ref[S]) Await(ctx context.Context) (S, error) {
	var zero S
	switch {
	case r.known != nil:
		return *r.known, nil
	case r.derived != nil:
		return r.derived.Await(ctx)
	case r.step == nil:
		return zero, fmt.Errorf("no such step: %w", ErrAbsent)
	}
	switch l := r.step.begin(ctx); {
	case l.err != nil:
		return zero, fmt.Errorf("%s: %w", r.step.name, l.err)
	case !l.found:
		have, _ := l.have.(S) // it may tell of objects that are not certainly ours
		return have, fmt.Errorf("%s: %w", r.step.name, ErrAbsent)
	default:
		return l.have.(S), nil
	}
}

// Set reports whether the reference refers to anything.
func (r Ref[S]) Set() bool { return r.step != nil || r.known != nil || r.derived != nil }

func (r Ref[S]) targets() []*step {
	switch {
	case r.derived != nil:
		return edges("a derived state", r.derived)
	case r.step != nil:
		return []*step{r.step}
	}
	return nil
}
