package provision

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

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
	keeps     bool // needs its deps until it is gone

	mu    sync.Mutex
	look  *look
	doubt error // of an action since the last reading: what there is now, is not known
}

// look is one reading of a step; done is closed when it has ended.
type look struct {
	ctx   context.Context // of the run, not of the reader that happens to ask first
	begun atomic.Bool
	at    time.Time
	done  chan struct{}
	have  any
	found bool
	err   error

	asked     bool // obstacles and obstacle are filled in
	obstacles []Note
	obstacle  error
}

func newLook(ctx context.Context) *look { return &look{ctx: ctx, done: make(chan struct{})} }

func (s *step) current() *look {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.look
}

// begin reads the step once; others that need the answer wait for it. The
// reading lives as long as the run: a reader that gives up must not spoil the
// answer for the others.
func (s *step) begin(ctx context.Context) *look { //nolint:contextcheck // a reading outlives its reader
	l := s.current()
	if l.begun.Swap(true) {
		<-l.done
		return l
	}
	defer close(l.done)
	if l.ctx != nil {
		ctx = l.ctx
	}
	l.at = time.Now()
	l.have, l.err = s.read(ctx)
	if errors.Is(l.err, ErrAbsent) && !s.lookup {
		l.err = nil
	} else if l.err == nil {
		l.found = true
	}
	return l
}

// again replaces what is known about the step by a new reading.
func (s *step) again(ctx context.Context) *look {
	s.forget(ctx)
	return s.begin(ctx)
}

func (s *step) forget(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look, s.doubt = newLook(ctx), nil
}

// last is the reading if it has ended, or else one that found nothing.
func (s *step) last() *look {
	l := s.current()
	select {
	case <-l.done:
		return l
	default:
		return &look{have: s.zero}
	}
}

// state is the last reading, if it has ended.
func (s *step) state() (have any, found bool) {
	l := s.last()
	return l.have, l.found
}

// stale reports whether the last reading is too old to act on.
func (s *step) stale() bool { return time.Since(s.last().at) > fresh }

// lookAll reads all steps, all at once but for what needs another's answer.
// Lookups that no step asks for are left out of a removal: it must work where
// they would fail.
func (g *Graph) lookAll(ctx context.Context, lookups bool) error {
	for _, s := range g.steps {
		s.forget(ctx)
	}
	var wg sync.WaitGroup
	for _, s := range g.steps {
		if lookups || !s.lookup {
			wg.Go(func() { s.begin(ctx) })
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.looked, g.lookups = time.Now(), lookups
	return nil
}

// askAll asks all steps that would be deleted what stands in the way.
func (g *Graph) askAll(ctx context.Context, down bool) error {
	var wg sync.WaitGroup
	for _, s := range g.steps {
		if down || s.own == Prune {
			wg.Go(func() { g.ask(ctx, s) })
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// ask asks one step what stands in the way of its deletion, if it is to be
// deleted. The answer is kept with the reading.
func (g *Graph) ask(ctx context.Context, s *step) {
	l := s.last()
	if s.obstacles == nil || l.asked || g.inspectDown(s).Op != Delete {
		return
	}
	l.obstacles, l.obstacle = s.obstacles(ctx, l.have)
	l.asked = true
}
