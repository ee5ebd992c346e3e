package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/view"
)

// run is the course of up or down: the plan, the question, the progress, the end.
type run struct {
	a     *app
	s     *session
	verb  string
	lines *view.Lines // with --json; nil otherwise
	began time.Time
	shows view.Progress
}

func (a *app) newRun(s *session, verb string, asJSON bool) *run {
	o := a.options(os.Stderr)
	o.Verb, o.Header = verb, s.header
	r := &run{a: a, s: s, verb: verb}
	switch {
	case asJSON:
		o.Hint = hint
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

// begin shows the plan and asks; goOn says whether there is anything to do.
func (r *run) begin(ctx context.Context, p provision.Plan, yes bool) (goOn bool, err error) {
	if r.lines != nil {
		r.lines.Plan(p)
	} else if err := r.a.showPlan(os.Stdout, r.s, r.verb, p); err != nil {
		return false, err
	}
	if err := p.Err(); err != nil {
		return false, shown(err)
	}
	if p.Empty() {
		return false, nil
	}
	if !yes {
		if err := r.a.confirm(ctx, r.question(p)); err != nil {
			return false, err
		}
	}
	r.began = time.Now()
	return true, nil
}

func (r *run) question(p provision.Plan) string {
	where := fmt.Sprintf("environment %s in account %s, %s", r.s.header.Environment, r.s.header.Account, r.s.header.Region)
	if r.verb == "down" {
		return "Remove this from " + where + "?"
	}
	return "Build this as " + where + "?"
}

// end shows how the run went; ran says whether there was anything to do. What
// remains after a removal is an error.
func (r *run) end(ran bool, left *provision.Plan, err error) error {
	if r.lines == nil && !ran {
		return err
	}
	if left != nil && !left.Empty() && err == nil {
		err = errors.New("something is left; run down again, and see what stands in its way")
	}
	if r.lines != nil && r.verb == "up" && err == nil {
		r.lines.Outputs(r.s.outputs())
	}
	o := view.Outcome{Err: err, Left: left}
	if ran {
		o.Elapsed = time.Since(r.began)
	}
	err = errors.Join(r.shows.Done(o), err)
	if err == nil && r.lines == nil && r.verb == "up" {
		fmt.Fprintln(r.a.err, "Next: `flowbed outputs` shows names, ARNs and commands; `flowbed down` removes it all.")
	}
	return err
}

// showPlan prints a plan.
func (a *app) showPlan(f *os.File, s *session, verb string, p provision.Plan) error {
	o := a.options(f)
	o.Verb, o.Header = verb, s.header
	return view.Plan(a.out, p, o)
}

// report prints an error that ended a command.
func (a *app) report(err error) {
	if c, ok := errors.AsType[coded](err); ok && c.err == nil {
		return
	}
	if e, ok := errors.AsType[*spec.Error](err); ok {
		_ = e.WriteTo(a.err, width(os.Stderr), a.colour(os.Stderr))
		return
	}
	o := a.options(os.Stderr)
	o.Hint = hint
	_ = view.Error(a.err, err, o)
}

// hint says what to do about an error: what the error knows itself, or else
// what is known of AWS's.
func hint(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	return awserr.Hint(err)
}

// shown marks errors that the plan has told already: the exit code is theirs,
// but they are not printed twice.
func shown(err error) error { return coded{code: exitCode(err)} }
