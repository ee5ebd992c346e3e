package provision

import (
	"context"
	"sync"

	"github.com/flowbed/flowbed/provision/crash"
)

type passKey struct{}

// pass is one refresh of all steps.
type pass struct{ _ byte } // not of size zero, because only its address identifies it

// Shared is a call whose result several steps need. In a refresh of all steps, as
// for a plan, one call serves all of them. When a single step is read, as after an
// action, Get makes a new call.
type Shared[T any] struct {
	mu     sync.Mutex
	of     *pass
	result *result[T]
}

type result[T any] struct {
	done chan struct{}
	have T
	err  error
}

// Get returns the result of read. It passes forAll as true if other steps use the
// result, too.
func (s *Shared[T]) Get(ctx context.Context, read func(ctx context.Context, forAll bool) (T, error)) (T, error) {
	p, _ := ctx.Value(passKey{}).(*pass)
	if p == nil {
		return read(ctx, false)
	}
	s.mu.Lock()
	r := s.result
	first := s.of != p
	if first {
		r = &result[T]{done: make(chan struct{})}
		s.of, s.result = p, r
	}
	s.mu.Unlock()
	if first {
		r.err = crash.Do(func() (err error) { // the others must not wait for ever
			r.have, err = read(ctx, true)
			return err
		})
		close(r.done)
	}
	<-r.done
	return r.have, r.err
}
