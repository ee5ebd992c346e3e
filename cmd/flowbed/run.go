package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/view"
)

// runFlags are the flags of the commands that change something.
type runFlags struct {
	yes, asJSON bool
	endpoints   bool   // --accept-endpoints
	name        string // --confirm: the environment's name, typed by the user
	lockTimeout time.Duration
}

func (f *runFlags) add(c *cobra.Command) {
	c.Flags().BoolVarP(&f.yes, "yes", "y", false, "skip the confirmation")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print JSON lines (docs/json.md); needs --yes")
	f.addTimeout(c)
	f.addEndpoints(c, "go on if AWS services have different endpoints")
}

func (f *runFlags) addEndpoints(c *cobra.Command, text string) {
	c.Flags().BoolVar(&f.endpoints, "accept-endpoints", false, text)
}

func (f *runFlags) addTimeout(c *cobra.Command) {
	c.Flags().DurationVar(&f.lockTimeout, "lock-timeout", 5*time.Minute, "how long to wait for the lock")
}

// run is one execution of up or down: lock, plan, confirmation, progress, summary.
type run struct {
	a        *app
	s        *session
	verb     string
	flags    runFlags
	lines    *view.JSONLines // with --json; nil otherwise
	progress view.Progress

	planned   provision.Plan
	plannedAt time.Time // when the plan was made
	began     time.Time // when the changes began; zero if there were none
	left      *provision.Plan
	held      *lease.Handle // nil until there is something to do

	required bool   // --require-found
	saved    *saved // the plan to carry out; nil if the run makes its own
}

func (a *app) newRun(s *session, verb string, f runFlags) *run {
	o := a.options(os.Stderr)
	o.Verb, o.Header = verb, s.header
	r := &run{a: a, s: s, verb: verb, flags: f}
	r.progress = view.NewLog(a.err, o)
	if f.asJSON {
		o.Hint = a.hint
		r.lines = view.NewJSONLines(a.out, o)
		r.progress = r.lines
	} else if b := a.newBoard(o); b != nil {
		r.progress = b
	}
	s.Graph.Notify = a.job.watch(verb, r.progress.Notify)
	return r
}

// plan reads the account and makes the plan.
func (r *run) plan(ctx context.Context) (err error) {
	plan := r.s.Graph.Plan
	if r.verb == "down" {
		plan = r.s.Graph.PlanDown
	}
	r.plannedAt = time.Now()
	r.a.reading(r.s.header)
	r.planned, err = plan(ctx)
	return err
}

// do plans first. Only a run that has something to do takes the lease, and it holds the
// lease until it ends. work makes the changes; for down, it returns what is left.
//
// A panic becomes an error, so that the run releases the lease and writes its receipt.
func (r *run) do(ctx context.Context, work func(context.Context) (*provision.Plan, error)) (err error) {
	defer r.a.idle()
	defer crash.Catch(&err)
	locked, err := r.prepare(ctx)
	if err != nil || r.held == nil {
		return r.end(err)
	}
	err = crash.Do(func() (err error) {
		r.left, err = work(locked)
		return err
	})
	return r.end(errors.Join(err, r.unlock(err)))
}

// prepare makes the plan, asks for confirmation, and takes the lease. If it returns no
// error and there is something to do, the run holds the lease, and the context is that
// of the lease.
//
// prepare reads the lease while it reads the account, so that it does not plan with
// what another run is changing. Whether a run was active in between shows when the lease
// is taken: then prepare plans again under the lease.
func (r *run) prepare(ctx context.Context) (context.Context, error) {
	if err := r.checkPlace(); err != nil {
		return nil, err
	}
	l := r.a.lease(r.s.ssm, r.s.id, r.verb, r.flags.lockTimeout)
	l.Fence = r.s.fence
	if r.lines != nil {
		l.Notify = func(h lease.Held) { r.lines.Locked(h.Holder, h.Command, h.PID, h.Since, h.Expires) }
	}
	seen, err := r.planBeside(ctx, l)
	if err != nil {
		return nil, err
	}
	planned := seen.Held() == nil // another run may be changing what was read
	if planned {
		if goOn, err := r.begin(ctx); err != nil || !goOn && !r.leftover(seen) {
			return nil, err
		}
	}
	outliveReaders()
	r.a.busy("Taking the lock of environment %s", r.s.env.Name)
	held, locked, err := l.Acquire(ctx, seen)
	r.a.idle()
	if err != nil {
		r.began = time.Time{}
		return nil, err
	}
	r.held = held
	if planned && held.Alone() && (seen.Quiet() || seen.Fresh() && !r.exists()) {
		return r.ready(locked, nil)
	}
	return r.ready(locked, crash.Do(func() error { return r.planAgain(locked, planned) }))
}

// checkPlace returns an error if the run would look in the wrong place.
func (r *run) checkPlace() error {
	if err := r.saved.checkPlace(r.s.header); err != nil {
		return err
	}
	if r.verb == "down" {
		return checkEndpoints(r.s.header, r.flags.endpoints)
	}
	return nil
}

// planBeside plans, and reads the lease at the same time.
func (r *run) planBeside(ctx context.Context, l *lease.Lease) (seen *lease.View, err error) {
	var looked error
	var wg crash.Group
	wg.Go(func() { seen, looked = l.Look(ctx) })
	wg.Go(func() { err = r.plan(ctx) })
	wg.Wait()
	return seen, errors.Join(looked, err)
}

// planAgain plans under the lease. If the user has seen another plan, it asks again.
func (r *run) planAgain(locked context.Context, shown bool) error {
	if shown {
		if same, err := r.samePlan(locked); same || err != nil {
			return err
		}
		r.sayNew()
	} else if err := r.plan(locked); err != nil {
		return err
	}
	r.began = time.Time{}
	_, err := r.begin(locked)
	return err
}

// ready releases the lease if there is nothing to do under it after all.
func (r *run) ready(locked context.Context, err error) (context.Context, error) {
	if err == nil && !r.began.IsZero() {
		return locked, nil
	}
	err = errors.Join(err, r.unlock(err))
	r.held, r.began = nil, time.Time{}
	return nil, err
}

// leftover reports whether the lease's parameter is all that down has to delete.
func (r *run) leftover(seen *lease.View) bool {
	return r.verb == "down" && !seen.Fresh() && !r.exists()
}

// unlock releases the lease. It deletes the lease's parameter together with the
// environment, or if the environment does not exist.
func (r *run) unlock(failed error) error {
	remove := r.verb == "down" && failed == nil || r.began.IsZero() && !r.exists()
	err := r.held.Release(remove)
	if lost, ok := errors.AsType[*lease.LostError](err); ok {
		if _, known := errors.AsType[*lease.LostError](failed); known || r.began.IsZero() {
			return nil
		}
		return lost
	}
	return err
}

// exists reports whether the environment had any resources.
func (r *run) exists() bool {
	for _, a := range r.planned.Actions {
		if a.Err != nil || a.Owner.By == r.s.Graph.Owner {
			return true
		}
	}
	return false
}

// sayNew introduces another plan than the one that was shown. A saved plan has no other.
func (r *run) sayNew() {
	if r.saved == nil {
		r.a.say(newPlan)
	}
}

const newPlan = "\nThe account has changed since then. This is the new plan:"

// begin shows the plan and asks for confirmation. It returns false if there is nothing
// to do; otherwise it sets began.
func (r *run) begin(ctx context.Context) (bool, error) {
	for {
		r.a.idle()
		p := r.planned
		r.a.job.planned(r.s, r.verb, p)
		if p.Err() == nil {
			if err := r.saved.check(r.s.config, p); err != nil {
				return false, err
			}
		}
		if err := r.show(p); err != nil {
			return false, err
		}
		if err := r.refused(p); err != nil || p.Empty() {
			return false, err
		}
		asked, err := r.agree(ctx)
		if err != nil {
			return false, err
		}
		if asked {
			if same, err := r.samePlanSoon(ctx); err != nil {
				return false, err
			} else if !same {
				r.sayNew()
				continue
			}
		}
		r.began = time.Now()
		r.progress.Begin(p.Count(provision.Create, provision.Update, provision.Replace, provision.Delete, provision.Release))
		return true, nil
	}
}

// show shows the plan: a saved one in short, because somebody has seen it.
func (r *run) show(p provision.Plan) error {
	if r.lines != nil {
		r.lines.Plan(p, r.s.cost(r.verb))
		return nil
	}
	known := r.saved != nil && p.Err() == nil
	if known {
		r.a.say("Plan %s of %s, saved %s: nothing has changed since then.", r.saved.plan.Fingerprint, r.saved.path, r.saved.plan.Created.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return r.a.showPlan(os.Stdout, r.s, r.verb, p, known)
}

// refused is why the run does not carry out a plan, or why it cannot do what was asked;
// nil if it can.
func (r *run) refused(p provision.Plan) error {
	if err := p.Err(); err != nil {
		return err
	}
	if p.Empty() {
		if r.verb == "down" {
			if err := leftError(p); err != nil {
				return err
			}
		}
		if r.required {
			return errNothingFound
		}
		return nil
	}
	if p.Count(provision.Replace, provision.Delete, provision.Release) > 0 {
		return checkEndpoints(r.s.header, r.flags.endpoints)
	}
	return nil
}

// agree asks for confirmation, unless a flag confirms. It reports whether it asked.
func (r *run) agree(ctx context.Context) (asked bool, err error) {
	word, name := "yes", r.s.env.Name
	switch protected := r.verb == "down" && r.protected(); {
	case r.flags.name != "":
		return false, nil // the command has compared it
	case r.flags.yes && protected:
		return false, &hinted{
			fmt.Errorf("environment %s is protected from deletion, and --yes alone does not remove it; nothing was changed", name),
			fmt.Sprintf("add --confirm %s, or run `flowbed up` with a file that does not protect it", name)}
	case r.flags.yes:
		return false, nil
	case protected:
		r.a.say("\nEnvironment %s is protected from deletion.", name)
		word = name
	}
	return true, r.a.confirm(ctx, r.question(), word)
}

// protected reports whether the config file or the tags of a resource protect the
// environment from deletion.
func (r *run) protected() bool {
	return r.s.env.DeletionProtection || slices.ContainsFunc(r.planned.Actions, func(a provision.Action) bool {
		return a.Owner.By == r.s.Graph.Owner && a.Owner.Protected
	})
}

// maxPlanAge is the age at which a confirmed plan is made again before it is carried
// out.
const maxPlanAge = 15 * time.Second

// samePlanSoon is samePlan if the answer took long; otherwise the plan counts as the same.
func (r *run) samePlanSoon(ctx context.Context) (bool, error) {
	if time.Since(r.plannedAt) < maxPlanAge {
		return true, nil
	}
	return r.samePlan(ctx)
}

// samePlan makes the plan again. It reports whether it is the one that was shown.
func (r *run) samePlan(ctx context.Context) (bool, error) {
	before, err := r.document()
	if err != nil {
		return false, err
	}
	err = r.plan(ctx)
	r.a.idle() // what follows does not read
	if err != nil {
		return false, err
	}
	now, err := r.document()
	return bytes.Equal(before, now), err
}

func (r *run) document() ([]byte, error) {
	var b bytes.Buffer
	err := view.PlanJSON(&b, r.s.header, r.verb, r.planned, nil)
	return b.Bytes(), err
}

func (r *run) question() string {
	verb := "Build"
	if r.verb == "down" {
		verb = "Remove"
	}
	h := r.s.header
	return fmt.Sprintf("%s environment %s in account %s, region %s?", verb, h.Environment, h.Account, h.Region)
}

// end shows the summary. If down leaves resources behind, it returns an error.
func (r *run) end(err error) error {
	ran := !r.began.IsZero()
	if r.left != nil && err == nil {
		err = leftError(*r.left)
	}
	r.a.job.ended(r.s, r.verb, ran, r.outcome(err))
	if r.lines == nil && !ran {
		return err
	}
	if r.lines != nil && r.verb == "up" && err == nil {
		r.lines.Outputs(r.s.outputs())
	}
	err = errors.Join(r.progress.Done(r.outcome(err)), err)
	if err == nil && r.verb == "up" {
		r.nextSteps()
	}
	return err
}

// outcome is what the summary shows.
func (r *run) outcome(err error) view.Outcome {
	o := view.Outcome{Err: err, Left: r.left}
	ran := !r.began.IsZero()
	if ran {
		o.Elapsed = time.Since(r.began)
	}
	if r.verb != "up" {
		return o
	}
	o.Warnings = r.s.Graph.Warnings()
	if ran && err != nil {
		o.Standing = new(r.s.Graph.Standing())
	}
	return o
}

// newKey reports whether the run has changed the API key, but left the agent's instance
// or tasks, which have read the old one.
func (r *run) newKey() (changed bool) {
	for _, a := range r.planned.Actions {
		switch {
		case a.Step == "agent instance" && (a.Op == provision.Create || a.Op == provision.Replace):
			return false
		case a.Step == "service" && (a.Op == provision.Create || a.Op == provision.Update): // its new tasks read it
			return false
		case a.Step == "api key parameter" && a.Op == provision.Update:
			changed = slices.ContainsFunc(a.Changes, func(c provision.Change) bool { return c.Field == "value" })
		}
	}
	return changed && r.s.env.Agent != nil
}

// nextSteps tells what the user can do next.
func (r *run) nextSteps() {
	if r.lines == nil {
		e := r.a.selection()
		next := "`flowbed outputs" + e + "` shows names, ARNs and commands"
		if _, err := r.s.Hello(); err == nil && r.s.env.Agent != nil {
			next = "`flowbed hello" + e + "` runs a first flow; " + next
		}
		switch {
		case r.newKey():
			next = "`flowbed agent restart" + e + "` makes the agent read the new key"
		case r.s.env.Prefect != nil && r.s.env.Agent == nil:
			next = "start a worker: `flowbed outputs" + e + "` shows its command, and `flowbed policy --for worker" + e + "` the permissions that it needs"
		}
		r.a.note("Next: %s; `flowbed down%s` removes the environment.", next, e)
	}
}
