package provision

import (
	"context"
	"fmt"
)

// Ref is the promise of an earlier step's state. Only Add, Data, OnDemand and Known
// return one, so no graph has a cycle. The zero Ref is never known.
type Ref[S any] struct {
	step  *step
	known *S
}

// Known returns a reference to a state that is already known.
func Known[S any](s S) Ref[S] { return Ref[S]{known: &s} }

// Get returns the state from the last reading, and whether the object exists.
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

// Expect returns the state from Get, or else the state that the step predicts.
func (r Ref[S]) Expect() (S, bool) {
	if s, ok := r.Get(); ok || r.step == nil || r.step.predicted == nil {
		return s, ok
	}
	return r.step.predicted.(S), true
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
func (r Ref[S]) Set() bool { return r.step != nil || r.known != nil }

func (r Ref[S]) target() *step { return r.step }
