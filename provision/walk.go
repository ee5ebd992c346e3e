package provision

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	fresh   = 15 * time.Second // a reading older than this is taken again before acting
	rounds  = 3                // how often Down looks for what appeared late
	justNow = 5 * time.Second  // a deletion that was seen this long ago needs no second look
)

// errIdle stands for a step that was left out, which is no failure of its own.
var errIdle = errors.New("not begun")

// Up makes everything as it should be. It returns the joined errors of the
// steps, in their order; each is a *StepError. If the run was interrupted, the
// error wraps the cause of the context's end. Errors that a plan can see are
// returned before anything is changed.
func (g *Graph) Up(ctx context.Context) error {
	ctx = g.abortable(ctx)
	defer g.abort(nil)
	if time.Since(g.refreshed) > fresh || !g.withData {
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
			return g.skip(s, g.inspect(s), c.blockedBy.name)
		case s.data:
			return nil
		case s.own == Prune:
			return g.destroyStep(ctx, s, c)
		}
		return g.reconcile(ctx, s)
	})
	return joined(ctx, errs)
}

// Down removes what is ours, dependents first, and looks again at the end. The
// plan that it returns says what is left: it is empty if nothing of ours is.
func (g *Graph) Down(ctx context.Context) (left Plan, err error) {
	ctx = g.abortable(ctx)
	defer g.abort(nil)
	if time.Since(g.refreshed) > fresh {
		if err := g.refresh(ctx, false); err != nil {
			return Plan{}, err
		}
	}
	if err := g.checkDeletable(ctx, true); err != nil {
		return g.left(), err
	}
	if left = g.left(); left.Err() != nil {
		return left, left.Err()
	}
	for range rounds {
		errs := g.walk(g.orderDown(), func(s *step, c *node) error {
			switch {
			case c.blockedBy != nil:
				return g.skip(s, g.inspectDown(s), c.blockedBy.name)
			case s.data:
				return nil
			}
			return g.destroyStep(ctx, s, c)
		})
		slices.Reverse(errs)
		if err := joined(ctx, errs); err != nil {
			return g.left(), err
		}
		if err := g.refreshAfterDown(ctx); err != nil {
			return g.left(), err
		}
		if left = g.left(); left.Empty() {
			return left, left.Err()
		}
	}
	return left, nil
}

// refreshAfterDown reads what is left. What a step has just seen to be gone is not
// asked for once more; what was not there at the beginning is: it may only have
// become visible since.
func (g *Graph) refreshAfterDown(ctx context.Context) error {
	var list []*step
	for _, s := range g.steps {
		if time.Since(s.gone) > justNow {
			list = append(list, s)
		}
	}
	return g.readAll(ctx, false, list)
}

// orderUp says which steps each step comes after: those that it refers to. What
// is unwanted goes backwards, after all who refer to it.
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

// orderDown says which steps each step comes after: those that refer to it.
func (g *Graph) orderDown() map[*step][]*step {
	after := map[*step][]*step{}
	for _, s := range g.steps {
		for _, d := range s.deps {
			after[d] = append(after[d], s)
		}
	}
	return after
}

// node is the part of one step in a walk.
type node struct {
	blockedBy *step // the step before it that failed, if one did
	before    []*node

	free   func()        // lets the steps after it go on; it may be called early
	freed  chan struct{} // closed by free
	ended  chan struct{}
	failed bool // written before freed is closed
}

// busy reports whether a step before this one has let it go on, but has not
// ended itself.
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

// walk carries all steps out at the same time, each as soon as those that it
// comes after have ended or let it go on. It returns the steps' errors in order.
func (g *Graph) walk(after map[*step][]*step, do func(*step, *node) error) []error {
	nodes := make(map[*step]*node, len(g.steps))
	for _, s := range g.steps {
		c := &node{freed: make(chan struct{}), ended: make(chan struct{})}
		c.free = sync.OnceFunc(func() { close(c.freed) })
		nodes[s] = c
	}
	errs := make([]error, len(g.steps))
	var wg sync.WaitGroup
	for i, s := range g.steps {
		c := nodes[s]
		for _, b := range after[s] {
			c.before = append(c.before, nodes[b])
		}
		wg.Go(func() {
			defer close(c.ended)
			defer c.free()
			for _, b := range after[s] {
				if <-nodes[b].freed; nodes[b].failed && c.blockedBy == nil {
					c.blockedBy = b
				}
			}
			if errs[i] = do(s, c); errs[i] == nil {
				return
			}
			select {
			case <-c.freed: // the others have gone on long since
			default:
				c.failed = true
			}
		})
	}
	wg.Wait()
	return errs
}

// skip leaves a step out, and says so if there was something to do.
func (g *Graph) skip(s *step, a Action, because string) error {
	if !(Plan{Actions: []Action{a}}).Empty() {
		g.notify(Event{Step: s.name, Kind: Skipped, Op: a.Op, Detail: because})
	}
	return errIdle
}

// joined joins what failed. Steps that were left out because the run was
// interrupted leave the reason behind.
func joined(ctx context.Context, errs []error) error {
	idle := slices.Contains(errs, errIdle)
	err := errors.Join(slices.DeleteFunc(errs, func(e error) bool { return errors.Is(e, errIdle) })...)
	if idle && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}
