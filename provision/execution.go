package provision

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"
)

const (
	defaultPatience = 2 * time.Minute
	firstWait       = 200 * time.Millisecond
	longestWait     = 5 * time.Second
)

// run is the node of one step: its clock, and how it ended last time.
type execution struct {
	g                 *Graph
	s                 *step
	dependentsRunning func() bool // whether others still have to go before it can succeed; may be nil
	op                Op
	did               map[string]bool // the actions that succeeded
	seen              []any           // the states it has been through
	started           bool
	refused           bool // the last action was refused, and nothing has moved since
	begun             time.Time
	progress          time.Time
	pause             time.Duration
	last              error // why it could not go on when it last tried
	doing             string
}

func (g *Graph) execute(s *step) *execution {
	have, _ := s.state()
	r := &execution{g: g, s: s, did: map[string]bool{}, seen: []any{have}, begun: time.Now()}
	r.noteProgress()
	return r
}

func (r *execution) event(k EventKind, detail string, err error) {
	r.g.notify(Event{Step: r.s.name, Kind: k, Op: r.op, Detail: detail, Elapsed: time.Since(r.begun), Err: err})
}

// start says that the step has something to do. It is false if the run has
// ended before the step did anything.
func (r *execution) start(ctx context.Context, a Action) bool {
	switch {
	case r.started:
	case ctx.Err() != nil:
		_ = r.g.skip(r.s, a, context.Cause(ctx).Error())
		return false
	default:
		r.started, r.op = true, a.Op
		r.event(Started, "", nil)
	}
	return true
}

func (r *execution) done() {
	if r.started {
		r.event(Done, "", nil)
	}
}

func (r *execution) fail(ctx context.Context, doing string, err error) error {
	e := &StepError{Step: r.s.name, Doing: doing, Err: err}
	// What has been made and is gone again needs an explanation most of all.
	if have, found := r.s.state(); (found || r.did[created]) && r.s.explain != nil && ctx.Err() == nil && !r.g.fatal(err) {
		e.Cause = r.s.explain(ctx, have)
	}
	r.event(Failed, doing, e)
	if r.g.fatal(err) {
		r.g.abort(e)
	}
	return e
}

// interrupted ends the step because the run has ended. If that is another
// step's doing, one account of it is enough.
func (r *execution) interrupted(ctx context.Context) error {
	if cause, ok := errors.AsType[*StepError](context.Cause(ctx)); ok {
		r.event(Skipped, cause.Step, nil)
		return errIdle
	}
	return r.fail(ctx, r.doing, context.Cause(ctx))
}

// renew looks again if the last look is too old, as it is when others took long.
func (r *execution) refreshIfStale(ctx context.Context) {
	if ctx.Err() == nil && r.s.stale() {
		r.refresh(ctx)
	}
}

// unreadable handles a reading that failed; nil means that it was taken again.
func (r *execution) unreadable(ctx context.Context, err error) error {
	r.doing = "read"
	switch {
	case ctx.Err() != nil && !r.started:
		return errIdle
	case ctx.Err() != nil:
		return r.interrupted(ctx)
	case !r.g.retry(err):
		return r.fail(ctx, "read", err)
	}
	r.last = err
	return r.wait(ctx, "readable")
}

// act carries out what is due, and reads the object again unless a creation has
// told how it is.
func (r *execution) act(ctx context.Context, list []todo) error {
	for rest := list; len(rest) > 0 && !r.refused; {
		n := together(rest)
		if err := r.actTogether(ctx, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if created := list[0].key == created && r.s.last().implied; !created {
		r.refresh(ctx)
	}
	return nil
}

// together is how many of the first actions can be done at the same time.
func together(list []todo) int {
	n := slices.IndexFunc(list, func(t todo) bool { return !t.independent })
	switch {
	case n < 0:
		return len(list)
	case n == 0:
		return 1
	}
	return n
}

// actTogether does independent actions at the same time. Each of them is done,
// whatever becomes of the others: a refused one says nothing about them.
func (r *execution) actTogether(ctx context.Context, list []todo) error {
	r.doing = list[0].name
	if ctx.Err() != nil {
		return r.interrupted(ctx)
	}
	for _, t := range list {
		if t.unknown != "" {
			return r.fail(ctx, t.name, fmt.Errorf("the value of %s is not known yet", t.unknown))
		}
	}
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, t := range list {
		r.event(Acting, t.name, nil)
		wg.Go(func() { errs[i] = t.do(detach(ctx)) })
	}
	wg.Wait()
	for i, t := range list {
		if errs[i] == nil {
			r.did[t.key] = true
			r.noteProgress()
		}
	}
	for i, t := range list {
		if errs[i] == nil {
			continue
		}
		if err := r.refuse(ctx, t.name, errs[i]); err != nil {
			return err
		}
	}
	return nil
}

// refuse judges the error of an action: nil means that the object is to be read
// again.
func (r *execution) refuse(ctx context.Context, doing string, err error) error {
	r.doing, r.s.doubt = doing, err
	if stopped := Stopped(ctx); stopped != nil && errors.Is(err, stopped) {
		return r.interrupted(ctx)
	}
	if !r.g.retry(err) {
		return r.fail(ctx, doing, err)
	}
	r.last, r.refused = err, true
	return nil
}

// moved notes progress: patience counts from here.
func (r *execution) noteProgress() {
	r.refused, r.last = false, nil
	r.progress, r.pause = time.Now(), firstWait
}

// look looks again. A state that the step was not in before is progress; one
// that comes back is not, or readings that differ by turns would keep it busy
// for ever.
func (r *execution) refresh(ctx context.Context) {
	if l := r.s.reread(ctx); l.err != nil {
		return
	}
	have, _ := r.s.state()
	if !slices.ContainsFunc(r.seen, func(s any) bool { return reflect.DeepEqual(s, have) }) {
		r.seen = append(r.seen, have)
		r.noteProgress()
	}
}

// wait lets time pass and looks again.
func (r *execution) wait(ctx context.Context, what string) error {
	patience := r.patience()
	if r.dependentsRunning != nil && r.dependentsRunning() {
		r.progress = time.Now()
	}
	switch {
	case time.Since(r.progress) < patience:
	case r.last != nil:
		return r.fail(ctx, r.doing, fmt.Errorf("%w (for %s)", r.last, patience))
	default:
		return r.fail(ctx, "wait", fmt.Errorf("not %s after %s", what, patience))
	}
	r.event(Waiting, what, r.last)
	select {
	case <-ctx.Done():
		r.doing = "wait"
		return r.interrupted(ctx)
	case <-time.After(r.pause):
	}
	r.pause = min(r.pause*8/5, longestWait)
	r.refused, r.last = false, nil
	r.refresh(ctx)
	return nil
}

func (r *execution) patience() time.Duration {
	for _, d := range []time.Duration{r.s.patience, r.g.Patience} {
		if d > 0 {
			return d
		}
	}
	return defaultPatience
}

func (g *Graph) retry(err error) bool { return g.Retry != nil && g.Retry(err) }

func (g *Graph) fatal(err error) bool { return g.Fatal != nil && g.Fatal(err) }

// abortable is the context of a run that a fatal error ends.
func (g *Graph) abortable(ctx context.Context) context.Context {
	ctx, g.abort = context.WithCancelCause(ctx)
	return ctx
}

type stopKey struct{}

// calm detaches an action from the end of the run, so that a call under way is
// not cut off; see Stopped.
func detach(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), stopKey{}, ctx)
}

// Stopped returns the reason why the run has been asked to end, or nil. Actions
// that consist of many calls look at it between them, and return it.
func Stopped(ctx context.Context) error { //nolint:contextcheck // the run's context is what it is about
	if outer, ok := ctx.Value(stopKey{}).(context.Context); ok {
		ctx = outer
	}
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
