package provision

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/crash"
)

const (
	defaultPatience = 2 * time.Minute
	firstWait       = 200 * time.Millisecond
	longestWait     = 5 * time.Second
)

// execution is one step in a run: what it has done so far, and when.
type execution struct {
	g                 *Graph
	s                 *step
	dependentsRunning func() bool // whether steps that it waits for are still running; may be nil
	op                Op
	done              map[string]bool // the keys of the calls that succeeded
	seen              []any           // the states that the readings have shown
	started           bool
	rejected          bool // the last call failed and may be retried; no progress since
	begun             time.Time
	progress          time.Time // when the step last made progress
	pause             time.Duration
	lastErr           error     // of the last call, until the step makes progress
	blockers          []Blocker // what keeps the service from deleting the object
	blocked           []string  // what they were at each reading, as texts
	outlived          bool      // all steps that may create the object have ended
	looked            bool      // a reading since then, or since a deletion, shows whether it exists
	doing             string
	failed            Fields // those of the last call, if it failed

	deleted   []any     // the states for which Delete has succeeded
	claimed   time.Time // when the step found that no reading shows its claim yet; see repeatClaim
	departure departure
}

func (g *Graph) execute(s *step) *execution {
	have, _ := s.state()
	r := &execution{g: g, s: s, done: map[string]bool{}, seen: []any{have}, begun: time.Now()}
	r.noteProgress()
	return r
}

func (r *execution) event(k EventKind, detail string, err error) {
	e := Event{Step: r.s.name, Kind: k, Op: r.op, Detail: detail, Elapsed: time.Since(r.begun), Err: err}
	if k == Waiting {
		e.For = names(r.blockers)
		if r.op == Create || r.op == Update || r.op == Replace {
			e.Usually = r.s.usually
		}
	}
	r.g.notify(e)
}

// start notifies that the step has something to do. It returns false if the run was
// interrupted before the step started.
func (r *execution) start(ctx context.Context, a Action) bool {
	switch {
	case r.started:
	case ctx.Err() != nil:
		_ = r.g.skip(r.s, a, context.Cause(ctx).Error(), context.Cause(ctx))
		return false
	default:
		r.started, r.op = true, a.Op
		r.event(Started, "", nil)
	}
	return true
}

func (r *execution) finish() {
	if r.started {
		r.event(Done, "", nil)
	}
}

func (r *execution) fail(ctx context.Context, doing string, err error) error {
	e := &StepError{Step: r.s.name, Doing: doing, Err: err}
	// An object that was created and then disappeared needs an explanation most.
	_, named := errors.AsType[*blockedError](err)
	if have, found := r.s.state(); !named && (found || r.done[created]) && r.s.explain != nil && ctx.Err() == nil && !r.g.fatal(err) {
		e.Cause = r.s.explain(ctx, have)
	}
	if why := r.g.notIgnoredYet(r.s, r.failed); why != "" {
		e.Cause = strings.TrimPrefix(e.Cause+"\n"+why, "\n")
	}
	r.event(Failed, doing, e)
	if r.g.fatal(err) {
		r.g.abort(e)
	}
	return e
}

// interrupted ends the step because the run has ended. If a fatal error of another
// step ended the run, only that step reports it.
func (r *execution) interrupted(ctx context.Context) error {
	if cause, ok := errors.AsType[*StepError](context.Cause(ctx)); ok {
		r.event(Skipped, cause.Step, nil)
		return errSkipped
	}
	return r.fail(ctx, r.doing, context.Cause(ctx))
}

// refreshIfStale reads again if the last reading is too old, because the steps before
// this one took long.
func (r *execution) refreshIfStale(ctx context.Context) {
	if ctx.Err() == nil && r.s.stale() {
		r.refresh(ctx)
	}
}

// retryRead waits and reads again after a reading that failed. It returns an error
// if the step ends instead.
func (r *execution) retryRead(ctx context.Context, err error) error {
	r.doing = "read"
	switch {
	case ctx.Err() != nil && !r.started:
		return errSkipped
	case ctx.Err() != nil:
		return r.interrupted(ctx)
	case !r.g.retry(err):
		return r.fail(ctx, "read", err)
	}
	r.lastErr = err
	return r.wait(ctx, "an answer")
}

// act makes the calls, and reads the object again unless a creation has returned the
// state.
func (r *execution) act(ctx context.Context, list []call) error {
	for rest := list; len(rest) > 0 && !r.rejected; {
		n := independentPrefix(rest)
		if err := r.actParallel(ctx, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if created := slices.Contains(list[0].keys, created) && r.s.last().implied; !created {
		r.refresh(ctx)
	}
	return nil
}

// independentPrefix is how many of the first calls can run in parallel.
func independentPrefix(list []call) int {
	n := slices.IndexFunc(list, func(c call) bool { return !c.independent })
	switch {
	case n < 0:
		return len(list)
	case n == 0:
		return 1
	}
	return n
}

// actParallel makes independent calls in parallel. It finishes all of them even if
// one fails, because they do not depend on each other.
func (r *execution) actParallel(ctx context.Context, list []call) error {
	r.doing = list[0].name
	if ctx.Err() != nil {
		return r.interrupted(ctx)
	}
	for _, c := range list {
		if c.unknown != "" {
			return r.fail(ctx, c.name, fmt.Errorf("the value of %s is not known yet", c.unknown))
		}
	}
	errs := make([]error, len(list))
	var wg crash.Group
	for i, c := range list {
		r.event(Acting, c.name, nil)
		wg.Go(func() { errs[i] = crash.Do(func() error { return c.do(r.g.unfinished(detach(ctx), r.s)) }) })
	}
	wg.Wait()
	for i, c := range list {
		if errs[i] == nil {
			for _, k := range c.keys {
				r.done[k] = true
			}
			r.noteProgress()
		}
	}
	for i, c := range list {
		if errs[i] == nil {
			continue
		}
		if err := r.handleError(ctx, c, errs[i]); err != nil {
			return err
		}
	}
	return nil
}

// handleError returns nil if the step should read the object again and retry the call
// that failed with err. Otherwise it returns the step's error.
func (r *execution) handleError(ctx context.Context, c call, err error) error {
	r.doing, r.s.doubt, r.failed = c.name, err, c.fields
	if stopped := Stopped(ctx); stopped != nil && errors.Is(err, stopped) {
		return r.interrupted(ctx)
	}
	if !r.g.retry(err) && !errors.Is(err, ErrWindow) {
		return r.fail(ctx, c.name, err)
	}
	r.lastErr, r.rejected = err, true
	return nil
}

// noteProgress restarts the step's patience.
func (r *execution) noteProgress() {
	r.rejected, r.lastErr, r.blockers, r.failed = false, nil, nil, nil
	r.progress, r.pause = time.Now(), firstWait
}

// refresh reads the object again. Only a state that the step has not seen before is
// progress: otherwise two readings that alternate would keep the step waiting forever.
func (r *execution) refresh(ctx context.Context) {
	if l := r.s.reread(ctx); l.err != nil || r.departure.begun {
		return // each mark is a new state, and no progress
	}
	have, _ := r.s.state()
	if !slices.ContainsFunc(r.seen, func(s any) bool { return reflect.DeepEqual(s, have) }) {
		r.seen = append(r.seen, have)
		r.noteProgress()
	}
}

// wait pauses, and then reads the object again. It fails if the step's patience has
// run out. What completes the phrase "waiting for …".
func (r *execution) wait(ctx context.Context, what string) error {
	if err := r.rest(ctx, what); err != nil {
		return err
	}
	r.refresh(ctx)
	return nil
}

// rest is wait without the reading.
func (r *execution) rest(ctx context.Context, what string) error {
	r.findBlockers(ctx)
	patience := r.patience()
	if r.dependentsRunning != nil && r.dependentsRunning() {
		r.progress = time.Now()
	}
	switch {
	case time.Since(r.progress) < patience:
	case len(r.blockers) > 0:
		return r.fail(ctx, r.doing, &blockedError{r.lastErr, patience, r.blockers})
	case r.lastErr != nil:
		return r.fail(ctx, r.doing, fmt.Errorf("%w (for %s)", r.lastErr, patience))
	default:
		return r.fail(ctx, "wait", fmt.Errorf("timed out after %s, waiting for %s", patience, what))
	}
	r.event(Waiting, what, r.lastErr)
	select {
	case <-ctx.Done():
		r.doing = "wait"
		return r.interrupted(ctx)
	case <-time.After(r.pause):
	}
	r.pause = min(r.pause*8/5, longestWait)
	r.rejected, r.lastErr, r.blockers, r.failed = false, nil, nil, nil
	return nil
}

func (g *Graph) retry(err error) bool { return g.Retry != nil && g.Retry(err) }

func (g *Graph) fatal(err error) bool { return g.Fatal != nil && g.Fatal(err) }

// abortable returns a context for a run that g.abort can end.
func (g *Graph) abortable(ctx context.Context) context.Context {
	ctx, g.abort = context.WithCancelCause(ctx)
	return ctx
}

type stopKey struct{}

// detach returns a context for an action that does not end with the run's, so that
// the interruption of a run does not cut off a call; see Stopped.
func detach(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), stopKey{}, ctx)
}

// Stopped returns the reason why the run was asked to end, or nil. Actions that make
// many calls check it between the calls, and return it.
func Stopped(ctx context.Context) error { //nolint:contextcheck // it checks the context of the run
	if outer, ok := ctx.Value(stopKey{}).(context.Context); ok {
		ctx = outer
	}
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
