package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
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
// left, if that is its business. The environment is ours alone meanwhile.
func (r *run) do(ctx context.Context, work func(context.Context) (*provision.Plan, error)) error {
	held, ctx, err := r.lock(ctx)
	if err != nil {
		return r.end(err)
	}
	err = r.begin(ctx)
	if !r.began.IsZero() {
		r.left, err = work(ctx)
	}
	if failed := r.unlock(held, err); failed != nil {
		err = errors.Join(err, failed)
	}
	return r.end(err)
}

// lock takes the lease and makes the plan. The account is read from the moment
// on at which nobody else is seen to hold the lease, while it is being taken; if
// somebody was quicker after all, what was read is worth nothing.
func (r *run) lock(ctx context.Context) (*lease.Handle, context.Context, error) {
	l := r.a.lease(r.s.ssm, r.s.id, r.verb, r.flags.lockTimeout)
	if r.lines != nil {
		l.Notify = func(h lease.Held) { r.lines.Locked(h.Holder, h.Command, h.PID, h.Since, h.Expires) }
	}
	early := make(chan error, 1)
	reading := false
	reader, stop := context.WithCancel(ctx)
	defer stop()
	l.Free = func() {
		reading = true
		go func() { early <- r.plan(reader) }()
	}
	held, locked, err := l.Acquire(ctx)
	if err != nil {
		stop()
	}
	var read error
	if reading {
		read = <-early
	}
	if err != nil {
		return nil, nil, err
	}
	if !reading || !held.Alone() {
		read = r.plan(locked)
	}
	if read != nil {
		return nil, nil, errors.Join(read, held.Release(false))
	}
	return held, locked, nil
}

// unlock gives the lease back. Its parameter goes with the environment, and if
// there is none.
func (r *run) unlock(held *lease.Handle, failed error) error {
	remove := r.verb == "down" && failed == nil || r.began.IsZero() && !r.ours()
	err := held.Release(remove)
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

// begin shows the plan and asks; began is set if there is anything to do.
func (r *run) begin(ctx context.Context) error {
	for {
		p := r.planned
		if r.lines != nil {
			r.lines.Plan(p)
		} else if err := r.a.showPlan(os.Stdout, r.s, r.verb, p); err != nil {
			return err
		}
		switch err := p.Err(); {
		case err != nil:
			r.failed = err
			return shown(err)
		case p.Empty() && r.required:
			return r.errNothing()
		case p.Empty():
			return nil
		}
		if !r.flags.yes {
			if err := r.a.confirm(ctx, r.question()); err != nil {
				return err
			}
			if same, err := r.same(ctx); err != nil {
				return err
			} else if !same {
				fmt.Fprintln(r.a.err, "\nThe account has changed meanwhile. This is what it comes to now:")
				continue
			}
		}
		r.began = time.Now()
		return nil
	}
}

// stale is the age of a plan at which its readings are taken again before
// anything is done by them.
const stale = 15 * time.Second

// same plans again, if it took long to answer, and reports whether the plan is
// the one to which the answer was given.
func (r *run) same(ctx context.Context) (bool, error) {
	if time.Since(r.looked) < stale {
		return true, nil
	}
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
