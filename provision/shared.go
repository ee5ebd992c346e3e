package provision

import (
	"context"
	"sync"
)

type passKey struct{}

// pass is one reading of everything.
type pass struct{ _ byte } // not of size zero: its address tells it from others

// Shared is a question whose answer several steps need when everything is read,
// as for a plan: then it is asked once for all of them. A step that is read by
// itself, as after an action, asks anew.
type Shared[T any] struct {
	mu     sync.Mutex
	of     *pass
	answer *answer[T]
}

type answer[T any] struct {
	done chan struct{}
	have T
	err  error
}

// Get returns the answer. Ask is told whether it asks for all.
func (s *Shared[T]) Get(ctx context.Context, ask func(ctx context.Context, forAll bool) (T, error)) (T, error) {
	p, _ := ctx.Value(passKey{}).(*pass)
	if p == nil {
		return ask(ctx, false)
	}
	s.mu.Lock()
	a := s.answer
	first := s.of != p
	if first {
		a = &answer[T]{done: make(chan struct{})}
		s.of, s.answer = p, a
	}
	s.mu.Unlock()
	if first {
		a.have, a.err = ask(ctx, true)
		close(a.done)
	}
	<-a.done
	return a.have, a.err
}
