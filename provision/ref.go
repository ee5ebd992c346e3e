package provision

import (
	"context"
	"fmt"
)

// Ref is the promise of an earlier step's state. It can only come from Add,
// Data or Known, so that no graph has a cycle. The zero Ref is never known.
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
// The error wraps ErrAbsent if the object does not exist. A Read that passes
// this on says that its own object cannot exist without the other: only then
// may it do so, or a removal will overlook the object.
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
