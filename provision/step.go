package provision

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// step is a resource or a data source with its type erased.
type step struct {
	name     string
	data     bool // only read
	onDemand bool // data that is read when a step awaits it
	own      Ownership
	deps     []*step

	read        func(context.Context) (any, error)
	create      func(context.Context) (any, error) // the state that it has led to, or nil
	remove      func(context.Context, any) error
	changes     func(any) []Change
	zero        any
	predicted   any // nil if the step predicts nothing
	owner       func(any) Owner
	validate    func(any, bool) []Note
	checkUse    func(any) []Note
	checkDelete func(context.Context, any) ([]Note, error)
	explain     func(context.Context, any) string
	patience    time.Duration

	dependsUntilDeleted bool

	mu      sync.Mutex
	reading *reading
	doubt   error // of an action since the last reading: the actual state is not known

	gone time.Time // when the object was seen to be gone after its deletion; zero if it was not
}

// reading is what was found when a step was read; done is closed when it is there.
type reading struct {
	ctx   context.Context // of the run, not of the reader that happens to ask first
	begun atomic.Bool
	at    time.Time
	done  chan struct{}
	have  any
	found bool
	err   error

	implied bool // by a successful creation; nothing was read

	checked bool // notes and noteErr say what prevents a deletion
	notes   []Note
	noteErr error
}

func newReading(ctx context.Context) *reading {
	return &reading{ctx: ctx, done: make(chan struct{})}
}

func (s *step) current() *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading
}

// begin reads the step once; others that need the answer wait for it. The
// reading lives as long as the run: a reader that gives up must not spoil the
// answer for the others.
func (s *step) begin(ctx context.Context) *reading { //nolint:contextcheck // a reading outlives its reader
	l := s.current()
	if l.begun.Swap(true) {
		<-l.done
		return l
	}
	defer close(l.done)
	if l.ctx != nil && !s.onDemand {
		ctx = l.ctx
	}
	l.at = time.Now()
	l.have, l.err = s.read(ctx)
	if errors.Is(l.err, ErrAbsent) && !s.data {
		l.err = nil
	} else if l.err == nil {
		l.found = true
	}
	return l
}

// reread replaces what is known about the step by a new reading.
func (s *step) reread(ctx context.Context) *reading {
	s.forget(ctx)
	return s.begin(ctx)
}

func (s *step) forget(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.doubt = newReading(ctx), nil
}

// imply replaces what is known about the step by what its creation has led to.
func (s *step) imply(ctx context.Context, have any) {
	l := newReading(ctx)
	l.begun.Store(true)
	l.at, l.have, l.found, l.implied = time.Now(), have, true, true
	close(l.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.doubt = l, nil
}

// last is the reading if it has ended, or else one that found nothing.
func (s *step) last() *reading {
	l := s.current()
	select {
	case <-l.done:
		return l
	default:
		return &reading{have: s.zero}
	}
}

// state is the last reading, if it has ended.
func (s *step) state() (have any, found bool) {
	l := s.last()
	return l.have, l.found
}

// stale reports whether the last reading is too old to act on.
func (s *step) stale() bool { return time.Since(s.last().at) > fresh }

// refresh reads all steps, all at once but for what needs another's answer.
// Data sources that no step asks for are left out of a removal: it must work
// where they would fail.
func (g *Graph) refresh(ctx context.Context, withData bool) error {
	if err := g.readAll(ctx, withData, g.steps); err != nil {
		return err
	}
	g.refreshed, g.withData = time.Now(), withData
	return nil
}

func (g *Graph) readAll(ctx context.Context, withData bool, steps []*step) error {
	ctx = context.WithValue(ctx, passKey{}, new(pass))
	for _, s := range steps {
		s.forget(ctx)
	}
	var wg sync.WaitGroup
	for _, s := range steps {
		if !s.data || withData && !s.onDemand {
			wg.Go(func() { s.begin(ctx) })
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// checkDeletable asks all steps that would be deleted what prevents it.
func (g *Graph) checkDeletable(ctx context.Context, down bool) error {
	var wg sync.WaitGroup
	for _, s := range g.steps {
		if down || s.own == Prune {
			wg.Go(func() { g.checkStep(ctx, s) })
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// checkStep asks one step what prevents its deletion, if it is to be deleted.
// The answer is kept with the reading.
func (g *Graph) checkStep(ctx context.Context, s *step) {
	l := s.last()
	if s.checkDelete == nil || l.checked || g.inspectDown(s).Op != Delete {
		return
	}
	l.notes, l.noteErr = s.checkDelete(ctx, l.have)
	l.checked = true
}
