package provision

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowbed/flowbed/provision/crash"
)

// step is a resource or a data source with its type erased.
type step struct {
	graph    *Graph
	name     string
	data     bool // only read
	onDemand bool // data that is read only when another step awaits it
	own      Ownership
	kind     reflect.Type // of a resource
	deps     []*step

	read        func(context.Context) (any, error)
	create      func(context.Context) (any, error) // returns the implied state, or nil
	remove      func(context.Context, any) error
	changes     func(any) []Change
	zero        any
	predicted   any            // nil if the step predicts nothing
	replaces    func(any) bool // may be nil
	called      string         // what a new object will be called; empty if that is not known
	usually     string         // how long up usually waits for the object; empty if unknown
	owner       func(any) Owner
	validate    func(any, bool) []Note
	checkUse    func(any) []Note
	detail      func(context.Context, any) any // may be nil
	checkDelete func(context.Context, any) ([]Note, error)
	keeps       func(have any, stays bool) []Kept // may be nil
	explain     func(context.Context, any) string
	quit        func(context.Context, any) error
	blockers    func(context.Context, any) []Blocker

	patience, deletePatience time.Duration

	mark    func(context.Context, any, time.Time) error // of a Sharer, as are the next two; nil if it is none
	release func(context.Context, any) error
	opens   func(any) []Note

	dependsUntilDeleted bool
	createdByDependents bool

	deletedAfterDependents bool

	mu      sync.Mutex
	reading *reading
	before  *reading // the last one that was done before reading; may be nil
	doubt   error    // an action failed since the last reading, so the actual state is unknown

	gone time.Time // when a reading showed that the deleted object is gone; zero if none has
}

// reading is the result of a Read; done is closed when the result is there.
type reading struct {
	ctx   context.Context // of the run, not of the step that asks first
	begun atomic.Bool
	at    time.Time // before the call
	date  time.Time // by the service's clock; zero if unknown; see Date
	done  chan struct{}
	have  any
	found bool
	err   error

	implied bool // the state follows from a successful creation; Read was not called

	check    atomic.Pointer[deleteCheck] // nil before CheckDelete
	detailed bool                        // have is what Detail returned
}

// deleteCheck is the result of CheckDelete.
type deleteCheck struct {
	notes []Note
	err   error
}

func newReading(ctx context.Context) *reading {
	return &reading{ctx: ctx, done: make(chan struct{})}
}

func (s *step) current() *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading
}

// begin reads the step once; all other callers wait for the result. The call uses
// the context of the run: a caller that is canceled must not cancel the reading for
// the others.
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
	l.have, l.err = s.readNow(context.WithValue(ctx, dateKey{}, l))
	if errors.Is(l.err, ErrAbsent) && !s.data {
		l.err = nil
	} else if l.err == nil {
		l.found = true
	}
	return l
}

// readNow reads the step. A panic is an error.
func (s *step) readNow(ctx context.Context) (have any, err error) {
	have = s.zero
	defer crash.Catch(&err)
	return s.read(ctx)
}

// reread reads the step again and replaces the last reading.
func (s *step) reread(ctx context.Context) *reading {
	s.forget(ctx)
	return s.begin(ctx)
}

func (s *step) forget(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading.isDone() {
		s.before = s.reading
	}
	s.reading, s.doubt = newReading(ctx), nil
}

// imply replaces the last reading by the state that Create returned.
func (s *step) imply(ctx context.Context, have any) {
	l := newReading(ctx)
	l.begun.Store(true)
	l.at, l.have, l.found, l.implied = time.Now(), have, true, true
	close(l.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.doubt = l, nil
}

// last is the last reading if it is done, or else one that found nothing.
func (s *step) last() *reading {
	if l := s.current(); l.isDone() {
		return l
	}
	return &reading{have: s.zero}
}

// settled is last, but while the step is read again, it is the reading before.
func (s *step) settled() *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.reading.isDone():
		return s.reading
	case s.before != nil:
		return s.before
	}
	return &reading{have: s.zero}
}

func (l *reading) isDone() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// state is the state from the last reading, if it is done.
func (s *step) state() (have any, found bool) {
	l := s.last()
	return l.have, l.found
}

// stale reports whether the last reading is too old to act on.
func (s *step) stale() bool { return time.Since(s.last().at) > maxAge }

// refresh reads all steps in parallel. A step that awaits another one waits for it.
// Without withData it reads a data source only if a step awaits it: down must work
// even where a data source fails.
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
	steps = slices.DeleteFunc(slices.Clone(steps), func(s *step) bool { return s.data && (!withData || s.onDemand) })
	var wg crash.Group
	var done atomic.Int64
	for _, s := range steps {
		wg.Go(func() {
			s.begin(ctx)
			if g.Reading != nil {
				g.Reading(int(done.Add(1)), len(steps))
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// checkDeletable calls CheckDelete for all steps whose objects the run would delete: up those that
// it prunes, and those that it replaces.
func (g *Graph) checkDeletable(ctx context.Context, down bool) error {
	var wg crash.Group
	for _, s := range g.steps {
		wg.Go(func() {
			if down || s.own == Prune {
				g.checkStep(ctx, s)
			} else {
				g.checkReplaced(ctx, s)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// checkStep calls CheckDelete for one step if the run would delete its object.
func (g *Graph) checkStep(ctx context.Context, s *step) {
	if s.unchecked() && g.inspectDown(s).Op == Delete {
		s.check(ctx)
	}
}

// checkReplaced calls CheckDelete for one step if up would replace its object, which ends with a
// deletion: what prevents that must be known before up has taken anything from the object.
func (g *Graph) checkReplaced(ctx context.Context, s *step) {
	if s.unchecked() && g.inspect(s).Op == Replace {
		s.check(ctx)
	}
}

// unchecked reports whether CheckDelete has not been called for the last reading.
func (s *step) unchecked() bool { return s.checkDelete != nil && s.last().check.Load() == nil }

// check calls CheckDelete for the last reading.
func (s *step) check(ctx context.Context) {
	l := s.last()
	var c deleteCheck
	c.err = crash.Do(func() (err error) {
		c.notes, err = s.checkDelete(ctx, l.have)
		return err
	})
	l.check.Store(&c) // the checks of other steps may look at this one at the same time
}
