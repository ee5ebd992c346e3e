package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/view"
)

// runFlags are the flags of the commands that change something.
type runFlags struct {
	yes, asJSON bool
	lockTimeout time.Duration
}

func (f *runFlags) add(c *cobra.Command) {
	c.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&f.asJSON, "json", false, "JSON lines on stdout (docs/json.md); needs --yes")
	f.addTimeout(c)
}

func (f *runFlags) addTimeout(c *cobra.Command) {
	c.Flags().DurationVar(&f.lockTimeout, "lock-timeout", 5*time.Minute, "how long to wait for another run that is at work on the environment")
}

// run is the course of up or down: the lease, the plan, the question, the
// progress, the end.
type run struct {
	a     *app
	s     *session
	verb  string
	flags runFlags
	lines *view.Lines // with --json; nil otherwise
	shows view.Progress

	planned provision.Plan
	looked  time.Time // when planned was made
	began   time.Time // of the work; zero if there was none
	left    *provision.Plan
	held    *lease.Handle // nil as long as there is nothing to do

	required bool  // finding nothing is an error
	failed   error // what the plan has told of already
}

func (a *app) newRun(s *session, verb string, f runFlags) *run {
	o := a.options(os.Stderr)
	o.Verb, o.Header = verb, s.header
	r := &run{a: a, s: s, verb: verb, flags: f}
	switch {
	case f.asJSON:
		o.Hint = a.hint
		r.lines = view.NewLines(a.out, o)
		r.shows = r.lines
	case a.motion():
		r.shows = view.NewBoard(a.err, func() (int, int) { return size(os.Stderr) }, o)
	default:
		r.shows = view.NewPlain(a.err, o)
	}
	s.Graph.Notify = r.shows.Notify
	return r
}

// plan looks at the account.
func (r *run) plan(ctx context.Context) (err error) {
	plan := r.s.Graph.Plan
	if r.verb == "down" {
		plan = r.s.Graph.PlanDown
	}
	r.looked = time.Now()
	r.planned, err = plan(ctx)
	return err
}

// do carries the run out; up and down differ in work alone, which says what is
// left, if that is its business. It plans first: only a run that has something to
// do takes the lease, and the environment is its own until it gives the lease back.
func (r *run) do(ctx context.Context, work func(context.Context) (*provision.Plan, error)) error {
	locked, err := r.prepare(ctx)
	if err != nil || r.held == nil {
		return r.end(err)
	}
	r.left, err = work(locked)
	return r.end(errors.Join(err, r.unlock(err)))
}

// prepare makes the plan, asks, and takes the lease. Without an error the run
// holds the lease if there is something to do, and the context is that of the
// lease.
//
// The lease is looked at while the account is read, so that the plan is not made
// of what another run is changing. Whether one was at work in between shows when
// the lease is taken: then the plan is made again under it.
func (r *run) prepare(ctx context.Context) (context.Context, error) {
	l := r.a.lease(r.s.ssm, r.s.id, r.verb, r.flags.lockTimeout)
	if r.lines != nil {
		l.Notify = func(h lease.Held) { r.lines.Locked(h.Holder, h.Command, h.PID, h.Since, h.Expires) }
	}
	seen, err := r.planBeside(ctx, l)
	if err != nil {
		return nil, err
	}
	planned := seen.Held() == nil // otherwise what was read is worth nothing
	if planned {
		if goOn, err := r.begin(ctx); err != nil || !goOn && !r.leftover(seen) {
			return nil, err
		}
	}
	held, locked, err := l.Acquire(ctx, seen)
	if err != nil {
		return nil, err
	}
	r.held = held
	if planned && held.Alone() && (seen.Quiet() || seen.Fresh() && !r.ours()) {
		return r.ready(locked, nil)
	}
	return r.ready(locked, r.planAgain(locked, planned))
}

// planBeside plans, and looks at the lease at the same time.
func (r *run) planBeside(ctx context.Context, l *lease.Lease) (seen *lease.View, err error) {
	var looked error
	var wg sync.WaitGroup
	wg.Go(func() { seen, looked = l.Look(ctx) })
	wg.Go(func() { err = r.plan(ctx) })
	wg.Wait()
	return seen, errors.Join(looked, err)
}

// planAgain plans under the lease, and asks if that is not what was shown.
func (r *run) planAgain(locked context.Context, shown bool) error {
	if shown {
		if same, err := r.same(locked); same || err != nil {
			return err
		}
		fmt.Fprintln(r.a.err, changedMeanwhile)
	} else if err := r.plan(locked); err != nil {
		return err
	}
	r.began = time.Time{}
	_, err := r.begin(locked)
	return err
}

// ready gives the lease back if there is nothing to do under it after all.
func (r *run) ready(locked context.Context, err error) (context.Context, error) {
	if err == nil && !r.began.IsZero() {
		return locked, nil
	}
	err = errors.Join(err, r.unlock(err))
	r.held = nil
	return nil, err
}

// leftover reports whether nothing is left for down but the lease's parameter.
func (r *run) leftover(seen *lease.View) bool { return r.verb == "down" && !seen.Fresh() && !r.ours() }

// unlock gives the lease back. Its parameter goes with the environment, and if
// there is none.
func (r *run) unlock(failed error) error {
	remove := r.verb == "down" && failed == nil || r.began.IsZero() && !r.ours()
	err := r.held.Release(remove)
	if lost, ok := errors.AsType[*lease.LostError](err); ok {
		if _, told := errors.AsType[*lease.LostError](failed); told || r.began.IsZero() {
			return nil
		}
		return lost
	}
	return err
}

// ours reports whether anything of the environment was there.
func (r *run) ours() bool {
	for _, a := range r.planned.Actions {
		if a.Err != nil || a.Owner.By == r.s.Graph.Owner {
			return true
		}
	}
	return false
}

const changedMeanwhile = "\nThe account has changed meanwhile. This is what it comes to now:"

// begin shows the plan and asks. It is false if there is nothing to do; otherwise
// began is set.
func (r *run) begin(ctx context.Context) (bool, error) {
	for {
		p := r.planned
		if r.lines != nil {
			r.lines.Plan(p)
		} else if err := r.a.showPlan(os.Stdout, r.s, r.verb, p); err != nil {
			return false, err
		}
		switch err := p.Err(); {
		case err != nil:
			r.failed = err
			return false, shown(err)
		case p.Empty() && r.required:
			return false, r.errNothing()
		case p.Empty():
			return false, nil
		}
		if !r.flags.yes {
			if err := r.a.confirm(ctx, r.question()); err != nil {
				return false, err
			}
			if same, err := r.sameSoon(ctx); err != nil {
				return false, err
			} else if !same {
				fmt.Fprintln(r.a.err, changedMeanwhile)
				continue
			}
		}
		r.began = time.Now()
		return true, nil
	}
}

// stale is the age of a plan at which its readings are taken again before
// anything is done by them.
const stale = 15 * time.Second

// sameSoon is same if it took long to answer.
func (r *run) sameSoon(ctx context.Context) (bool, error) {
	if time.Since(r.looked) < stale {
		return true, nil
	}
	return r.same(ctx)
}

// same plans again, and reports whether the plan is the one that was shown.
func (r *run) same(ctx context.Context) (bool, error) {
	before, err := r.document()
	if err != nil {
		return false, err
	}
	if err := r.plan(ctx); err != nil {
		return false, err
	}
	now, err := r.document()
	return bytes.Equal(before, now), err
}

func (r *run) document() ([]byte, error) {
	var b bytes.Buffer
	err := view.PlanJSON(&b, r.s.header, r.verb, r.planned)
	return b.Bytes(), err
}

func (r *run) question() string {
	where := fmt.Sprintf("environment %s in account %s, %s", r.s.header.Environment, r.s.header.Account, r.s.header.Region)
	if r.verb == "down" {
		return "Remove this from " + where + "?"
	}
	return "Build this as " + where + "?"
}

// end shows how the run went. What remains after a removal is an error.
func (r *run) end(err error) error {
	ran := !r.began.IsZero()
	if r.lines == nil && !ran {
		return err
	}
	if r.left != nil && !r.left.Empty() && err == nil {
		err = errLeft
	}
	if r.lines != nil && r.verb == "up" && err == nil {
		r.lines.Outputs(r.s.outputs())
	}
	o := view.Outcome{Err: err, Left: r.left}
	if ran && err != nil && r.verb == "up" {
		o.Standing = new(r.s.Graph.Standing())
	}
	if ran {
		o.Elapsed = time.Since(r.began)
	}
	err = errors.Join(r.shows.Done(o), err)
	if err == nil && r.verb == "up" {
		r.farewell()
	}
	return err
}

// farewell says what is missing in a sandbox, and what can be done next.
func (r *run) farewell() {
	if r.a.sandbox && r.s.env.Agent != nil {
		fmt.Fprintln(r.a.err, "The sandbox boots no instance and has no Prefect: there is no work pool, and no worker to wait for.")
	}
	if r.lines == nil {
		fmt.Fprintln(r.a.err, "Next: `flowbed outputs` shows names, ARNs and commands; `flowbed down` removes it all.")
	}
}
