package provision

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/flowbed/flowbed/provision/crash"
)

const (
	maxAge   = 15 * time.Second // a step reads an older reading again before it acts
	passes   = 3                // how often Down looks again for objects that became visible late
	goneTime = 5 * time.Second  // Down does not read again what was seen to be gone this recently
)

// errSkipped stands for a step that the run skipped. It is not a failure.
var errSkipped = errors.New("skipped")

// Up brings all objects to their desired state. It returns the joined errors of the
// steps, in their order; each is a *StepError. If the run was interrupted, the error
// wraps the cause of the context. If the plan has errors, Up returns them before it
// changes anything.
func (g *Graph) Up(ctx context.Context) error {
	ctx = g.abortable(ctx)
	defer g.abort(nil)
	if time.Since(g.refreshed) > maxAge || !g.withData {
		if err := g.refresh(ctx, true); err != nil {
			return err
		}
	}
	if err := g.checkDeletable(ctx, false); err != nil {
		return err
	}
	var p Plan
	for _, s := range g.steps {
		p.Actions = append(p.Actions, g.inspect(s))
	}
	if err := p.Err(); err != nil {
		return err
	}
	errs := g.walk(g.orderUp(), func(s *step, c *node) error {
		switch {
		case c.blockedBy != nil:
			return g.skip(s, g.inspect(s), c.blockedBy.name, Stopped(ctx))
		case s.data:
			return nil
		case s.own == Prune:
			return g.destroyStep(ctx, s, c)
		}
		return g.reconcile(ctx, s)
	})
	if err := joinErrors(ctx, errs); err != nil {
		return err
	}
	return g.lookAgain(ctx)
}

// Down deletes what is ours, dependents first, and reads again at the end. It
// returns a plan of what is left; the plan is empty if nothing of ours is. A step that
// could not be read again has an Err in it, also if Down fails.
func (g *Graph) Down(ctx context.Context) (left Plan, err error) {
	ctx = g.abortable(ctx)
	defer g.abort(nil)
	if time.Since(g.refreshed) > maxAge {
		if err := g.refresh(ctx, false); err != nil {
			return g.remaining(), err
		}
	}
	if err := g.checkDeletable(ctx, true); err != nil {
		return g.remaining(), err
	}
	if left = g.remaining(); left.Err() != nil {
		return left, left.Err()
	}
	for range passes {
		errs := g.walk(g.orderDown(), func(s *step, c *node) error {
			switch {
			case c.blockedBy != nil:
				return g.skip(s, g.inspectDown(s), c.blockedBy.name, Stopped(ctx))
			case s.data:
				return nil
			}
			return g.destroyStep(ctx, s, c)
		})
		slices.Reverse(errs)
		if err := joinErrors(ctx, errs); err != nil {
			return g.remaining(), err
		}
		if err := g.refreshAfterDown(ctx); err != nil {
			return g.remaining(), err
		}
		if left = g.remaining(); left.Empty() {
			return left, left.Err()
		}
	}
	return left, nil
}

// refreshAfterDown reads the steps again, except those that have just seen their
// object gone. It also reads a step that found no object at the start: the object may
// have become visible since.
func (g *Graph) refreshAfterDown(ctx context.Context) error {
	var list []*step
	for _, s := range g.steps {
		if time.Since(s.gone) > goneTime {
			list = append(list, s)
		}
	}
	return g.readAll(ctx, false, list)
}

// orderUp returns the steps that each step comes after: those that it refers to. A
// step that prunes comes after the steps that refer to it.
func (g *Graph) orderUp() map[*step][]*step {
	after := g.orderDown()
	for _, s := range g.steps {
		if s.own == Prune {
			continue
		}
		after[s] = slices.DeleteFunc(slices.Clone(s.deps), func(d *step) bool { return d.own == Prune })
	}
	return after
}

// orderDown returns the steps that each step comes after: those that refer to it.
func (g *Graph) orderDown() map[*step][]*step {
	after := map[*step][]*step{}
	for _, s := range g.steps {
		for _, d := range s.deps {
			after[d] = append(after[d], s)
		}
	}
	return after
}

// node is one step in a walk.
type node struct {
	s         *step
	blockedBy *step // the step before it that failed, if one did
	before    []*node

	unblock   func()        // lets the steps after it start; may be called before it ends
	unblocked chan struct{} // closed by unblock
	ended     chan struct{}
	failed    bool  // written before unblocked is closed
	acted     bool  // the step had something to do; written before ended is closed
	err       error // of the step; written before ended is closed
}

// awaitDependents waits until all steps before this one have ended. It returns whether one of
// them had something to do, and the first that failed.
func (c *node) awaitDependents(ctx context.Context) (acted bool, failed *node, err error) {
	for _, b := range c.before {
		select {
		case <-ctx.Done():
			return false, nil, context.Cause(ctx)
		case <-b.ended:
		}
		acted = acted || b.acted
		if b.err != nil && failed == nil {
			failed = b
		}
	}
	return acted, failed, nil
}

// dependentsRunning reports whether a step before this one is still running.
func (c *node) dependentsRunning() bool {
	return slices.ContainsFunc(c.before, func(b *node) bool {
		select {
		case <-b.ended:
			return false
		default:
			return true
		}
	})
}

// walk runs all steps in parallel. Each starts when all steps before it have ended
// or unblocked it. It returns the errors in the order of the steps.
func (g *Graph) walk(after map[*step][]*step, do func(*step, *node) error) []error {
	nodes := make(map[*step]*node, len(g.steps))
	for _, s := range g.steps {
		c := &node{s: s, unblocked: make(chan struct{}), ended: make(chan struct{})}
		c.unblock = sync.OnceFunc(func() { close(c.unblocked) })
		nodes[s] = c
	}
	errs := make([]error, len(g.steps))
	var wg crash.Group
	for i, s := range g.steps {
		c := nodes[s]
		for _, b := range after[s] {
			c.before = append(c.before, nodes[b])
		}
		wg.Go(func() {
			defer close(c.ended)
			defer c.unblock()
			for _, b := range after[s] {
				if !s.mayStartAfter(nodes[b]) && c.blockedBy == nil {
					c.blockedBy = b
				}
			}
			errs[i] = crash.Do(func() error { return do(s, c) })
			if c.err = errs[i]; c.err == nil {
				return
			}
			select {
			case <-c.unblocked: // the steps after it have already started
			default:
				c.failed = true
			}
		})
	}
	wg.Wait()
	return errs
}

// mayStartAfter waits until a step before this one lets it start. It returns false if the step failed.
func (s *step) mayStartAfter(b *node) bool {
	<-b.unblocked
	if !s.deletedAfterDependents {
		return !b.failed
	}
	<-b.ended
	return b.err == nil
}

// skip skips a step, and notifies if the step had something to do. stopped is why the run
// was asked to end; nil if it was not.
func (g *Graph) skip(s *step, a Action, because string, stopped error) error {
	if !(Plan{Actions: []Action{a}}).Empty() {
		g.notify(Event{Step: s.name, Kind: Skipped, Op: a.Op, Detail: because, Err: stopped})
	}
	return errSkipped
}

// joinErrors joins the errors of the steps that failed. If the run was interrupted
// and skipped steps, it adds the reason.
func joinErrors(ctx context.Context, errs []error) error {
	skipped := slices.Contains(errs, errSkipped)
	err := errors.Join(slices.DeleteFunc(errs, func(e error) bool { return errors.Is(e, errSkipped) })...)
	if skipped && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}
