package provision

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	defaultPatience = 2 * time.Minute
	firstWait       = 200 * time.Millisecond
	longestWait     = 5 * time.Second
	fresh           = 15 * time.Second // a look older than this is taken again before acting
	rounds          = 3                // how often Down looks for what appeared late
)

// Up makes everything as it should be. It returns the joined errors of the
// steps, in their order; each is a *StepError, or wraps the context's error if
// the run was interrupted. Errors that a plan can see are returned before
// anything is changed.
func (g *Graph) Up(ctx context.Context) error {
	if time.Since(g.looked) > fresh {
		if err := g.lookAll(ctx, true); err != nil {
			return err
		}
	}
	var p Plan
	for _, s := range g.steps {
		p.Actions = append(p.Actions, g.inspect(s))
	}
	if err := p.Err(); err != nil {
		return err
	}
	errs := make([]error, len(g.steps))
	ended := make(map[*step]chan struct{}, len(g.steps))
	for _, s := range g.steps {
		ended[s] = make(chan struct{})
	}
	failed := sync.Map{} // *step → true, written before its channel is closed
	var wg sync.WaitGroup
	for i, s := range g.steps {
		wg.Go(func() {
			defer close(ended[s])
			for _, d := range s.deps {
				<-ended[d]
				if _, bad := failed.Load(d); bad {
					failed.Store(s, true)
					if !s.lookup {
						g.notify(Event{Step: s.name, Kind: Skipped, Detail: d.name})
					}
					return
				}
			}
			if errs[i] = g.converge(ctx, s); errs[i] != nil {
				failed.Store(s, true)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	// What is no longer wanted goes last: until now something may have used it.
	return g.removeAll(ctx, func(s *step) bool { return s.own == Unwanted })
}

// Down removes what is ours, dependents first, and looks again at the end. The
// plan that it returns says what is left: it is empty if nothing of ours is.
func (g *Graph) Down(ctx context.Context) (left Plan, err error) {
	if time.Since(g.looked) <= fresh {
		if left, err = g.planned(), nil; left.Err() != nil {
			return left, left.Err()
		}
	} else if left, err = g.PlanDown(ctx); err != nil {
		return left, err
	} else if left.Err() != nil {
		return left, left.Err()
	}
	for range rounds {
		if err = g.removeAll(ctx, func(*step) bool { return true }); err != nil {
			return g.planned(), err
		}
		if err = g.lookAll(ctx, false); err != nil {
			return g.planned(), err
		}
		if left = g.planned(); left.Empty() {
			return left, left.Err()
		}
	}
	return left, nil
}

// planned is what PlanDown says of the last readings, without new calls.
func (g *Graph) planned() (p Plan) {
	for _, s := range slices.Backward(g.steps) {
		if !s.lookup {
			p.Actions = append(p.Actions, g.inspectDown(s))
		}
	}
	return p
}

// removeAll removes the steps that go, each after those that use it.
func (g *Graph) removeAll(ctx context.Context, goes func(*step) bool) error {
	errs := make([]error, len(g.steps))
	freed := make(map[*step]func(), len(g.steps)) // s no longer needs what it refers to
	isFree := make(map[*step]chan struct{}, len(g.steps))
	users := make(map[*step][]*step)
	for _, s := range g.steps {
		c := make(chan struct{})
		freed[s], isFree[s] = sync.OnceFunc(func() { close(c) }), c
		for _, d := range s.deps {
			users[d] = append(users[d], s)
		}
	}
	failed := sync.Map{}
	var wg sync.WaitGroup
	for i, s := range g.steps {
		wg.Go(func() {
			defer freed[s]()
			for _, u := range users[s] {
				<-isFree[u]
				if _, bad := failed.Load(u); bad {
					failed.Store(s, true)
					if a := g.inspectDown(s); a.Op == Delete || a.Op == Release {
						g.notify(Event{Step: s.name, Kind: Skipped, Op: a.Op, Detail: u.name})
					}
					return
				}
			}
			if s.lookup || !goes(s) {
				return
			}
			if errs[i] = g.dismantle(ctx, s, freed[s]); errs[i] != nil {
				failed.Store(s, true)
			}
		})
	}
	wg.Wait()
	slices.Reverse(errs)
	return errors.Join(errs...)
}

// converge brings one step to its wanted state.
func (g *Graph) converge(ctx context.Context, s *step) error {
	if s.lookup || s.own == Unwanted {
		return nil
	}
	r := g.run(s)
	did := map[string]bool{}
	for {
		a := g.inspect(s)
		if err := r.readError(ctx, s, a); err != nil {
			return err
		} else if a.Err != nil {
			continue
		}
		if err := (Plan{Actions: []Action{a}}).Err(); err != nil {
			return r.fail(ctx, a.Op.String(), errors.Unwrap(unjoin(err)))
		}
		if a.Op == None || a.Op == Use {
			r.done()
			return nil
		}
		r.start(a.Op)
		todo := steps(s, a, did)
		if len(todo) == 0 || r.refused {
			if err := r.wait(ctx, pending(a)); err != nil {
				return err
			}
			continue
		}
		if err := r.act(ctx, todo, did); err != nil {
			return err
		}
	}
}

// dismantle removes one step; free is called as soon as the step no longer
// holds on to what it refers to.
func (g *Graph) dismantle(ctx context.Context, s *step, free func()) error {
	r := g.run(s)
	var deleted any
	for {
		a := g.inspectDown(s)
		if err := r.readError(ctx, s, a); err != nil {
			return err
		} else if a.Err != nil {
			continue
		}
		if a.Op != Delete && a.Op != Release {
			r.done()
			return nil
		}
		r.start(a.Op)
		have, _ := s.state()
		if r.refused || deleted != nil && reflect.DeepEqual(have, deleted) {
			if err := r.wait(ctx, "gone"); err != nil {
				return err
			}
			continue
		}
		todo := []todo{{name: a.Op.String(), known: true, do: func(ctx context.Context) error {
			if err := s.remove(ctx, have); err != nil {
				return err
			}
			deleted = have
			free()
			return nil
		}}}
		if err := r.act(ctx, todo, map[string]bool{}); err != nil {
			return err
		}
	}
}

// todo is one call of a resource that is due.
type todo struct {
	name  string
	key   string
	known bool
	do    func(context.Context) error
}

// steps lists what is due for an action, leaving out what was done already and
// is only not visible yet.
func steps(s *step, a Action, did map[string]bool) (list []todo) {
	if a.Op == Create {
		if !did["create"] {
			list = append(list, todo{"create", "create", true, s.create})
		}
		return list
	}
	for _, c := range a.Changes {
		key := c.Field + "\x00" + c.From.String() + "\x00" + c.To.String()
		if c.Do != nil && !did[key] {
			list = append(list, todo{c.Field, key, c.To.Known(), c.Do})
		}
	}
	return list
}

// pending says what an action still waits for.
func pending(a Action) string {
	if a.Op == Create {
		return "visible"
	}
	fields := make([]string, 0, len(a.Changes))
	for _, c := range a.Changes {
		f := c.Field
		if !c.To.IsNothing() && !c.To.IsJSON() {
			f += " " + c.To.String()
		}
		fields = append(fields, f)
	}
	return strings.Join(fields, ", ")
}

// run is the course of one step: its clock, and how it ended last time.
type run struct {
	g        *Graph
	s        *step
	op       Op
	started  bool
	refused  bool // the last action was refused, and nothing has moved since
	begun    time.Time
	progress time.Time
	pause    time.Duration
	last     error
	doing    string
}

func (g *Graph) run(s *step) *run {
	now := time.Now()
	return &run{g: g, s: s, begun: now, progress: now, pause: firstWait}
}

func (r *run) event(k EventKind, detail string, err error) {
	r.g.notify(Event{Step: r.s.name, Kind: k, Op: r.op, Detail: detail, Elapsed: time.Since(r.begun), Err: err})
}

func (r *run) start(op Op) {
	if !r.started {
		r.started, r.op = true, op
		r.event(Started, "", nil)
	}
}

func (r *run) done() {
	if r.started {
		r.event(Done, "", nil)
	}
}

func (r *run) fail(ctx context.Context, doing string, err error) error {
	e := &StepError{Step: r.s.name, Doing: doing, Err: err}
	if have, found := r.s.state(); found && r.s.explain != nil && ctx.Err() == nil {
		e.Cause = r.s.explain(ctx, have)
	}
	r.event(Failed, doing, e)
	return e
}

// readError handles a reading that failed: nil with a.Err set means that it was
// read again meanwhile.
func (r *run) readError(ctx context.Context, s *step, a Action) error {
	if a.Err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return r.interrupted(ctx)
	}
	if !r.g.retry(a.Err) {
		return r.fail(ctx, "read", a.Err)
	}
	r.last, r.doing = a.Err, "read"
	return r.wait(ctx, "readable")
}

// act carries out what is due and looks again.
func (r *run) act(ctx context.Context, list []todo, did map[string]bool) error {
	before, _ := r.s.state()
	var err error
	for _, t := range list {
		if ctx.Err() != nil {
			return r.interrupted(ctx)
		}
		if !t.known {
			return r.fail(ctx, t.name, errors.New("the value is not known yet"))
		}
		r.doing = t.name
		r.event(Acting, t.name, nil)
		if err = t.do(calm(ctx)); err != nil {
			break
		}
		did[t.key] = true
		r.progress, r.pause, r.last = time.Now(), firstWait, nil
	}
	if err != nil {
		if stopped := Stopped(ctx); stopped != nil && errors.Is(err, stopped) {
			return r.interrupted(ctx)
		}
		if !r.g.retry(err) {
			return r.fail(ctx, r.doing, err)
		}
		r.last, r.refused = err, true
	}
	r.s.again(ctx)
	r.moved(before)
	return nil
}

// moved notes progress if the state is another than before.
func (r *run) moved(before any) {
	if have, _ := r.s.state(); !reflect.DeepEqual(have, before) {
		r.refused, r.progress, r.pause = false, time.Now(), firstWait
	}
}

// wait lets time pass and looks again.
func (r *run) wait(ctx context.Context, what string) error {
	patience := r.s.patience
	if patience == 0 {
		patience = r.g.Patience
	}
	if patience == 0 {
		patience = defaultPatience
	}
	if time.Since(r.progress) >= patience {
		if r.last == nil {
			return r.fail(ctx, "wait", fmt.Errorf("not %s after %s", what, patience))
		}
		return r.fail(ctx, r.doing, fmt.Errorf("%w (for %s)", r.last, patience))
	}
	if r.last != nil {
		what = r.last.Error()
	}
	r.event(Waiting, what, nil)
	select {
	case <-ctx.Done():
		return r.interrupted(ctx)
	case <-time.After(r.pause):
	}
	r.pause = min(r.pause*8/5, longestWait)
	r.refused = false
	before, _ := r.s.state()
	r.s.again(ctx)
	r.moved(before)
	return nil
}

func (r *run) interrupted(ctx context.Context) error {
	return r.fail(ctx, r.op.String(), context.Cause(ctx))
}

func (g *Graph) retry(err error) bool { return g.Retry != nil && g.Retry(err) }

func unjoin(err error) error {
	if m, ok := err.(interface{ Unwrap() []error }); ok && len(m.Unwrap()) > 0 {
		return m.Unwrap()[0]
	}
	return err
}

type stopKey struct{}

// calm detaches an action from the end of the run, so that a call under way is
// not cut off; see Stopped.
func calm(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), stopKey{}, ctx)
}

// Stopped returns the reason why the run has been asked to end, or nil. Actions
// that consist of many calls look at it between them, and return it.
func Stopped(ctx context.Context) error {
	if outer, ok := ctx.Value(stopKey{}).(context.Context); ok {
		ctx = outer
	}
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
