package main

import (
	"errors"
	"os"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/view"
)

// showPlan prints a plan, or only a line for each resource.
func (a *app) showPlan(f *os.File, s *session, verb string, p provision.Plan, compact bool) error {
	o := a.options(f)
	o.Compact = compact
	o.Verb, o.Header, o.Cost = verb, s.header, s.cost(verb)
	if verb == "down" {
		o.Cost = new(s.Ends(p))
	} else {
		defer a.sayRenamed(s, p)
	}
	return view.Plan(a.out, p, o)
}

// report prints the error of a command.
func (a *app) report(err error) {
	a.idle() // also after a panic
	if c, ok := errors.AsType[coded](err); err == nil || ok && c.err == nil {
		return
	}
	if e, ok := errors.AsType[*spec.Error](err); ok {
		_ = e.WriteTo(a.err, width(os.Stderr), a.colour(os.Stderr))
	} else {
		o := a.options(os.Stderr)
		o.Hint = a.hint
		_ = view.Error(a.err, onceInterrupted(err), o)
	}
	a.annotate(err)
}

// onceInterrupted says only once that the user has stopped the run, and not for each step.
func onceInterrupted(err error) error {
	if !errors.Is(err, errInterrupted) {
		return err
	}
	return errors.Join(withoutStopped(err), errInterrupted)
}

// withoutStopped leaves out the errors of steps that the user has stopped.
func withoutStopped(err error) error {
	all, ok := err.(joined) //nolint:errorlint // this error is one of several, or it joins them
	if !ok {
		if errors.Is(err, errInterrupted) {
			return nil
		}
		return err
	}
	var rest []error
	for _, e := range all.Unwrap() {
		rest = append(rest, withoutStopped(e))
	}
	return errors.Join(rest...)
}

// hint is what the user can do about an error: the error's own hint, or else the hint
// for an error from AWS.
func (a *app) hint(err error) string {
	if e, ok := errors.AsType[*crash.Error](err); ok {
		return a.crashes.hint(a, e)
	}
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	if h, ok := errors.AsType[adviser](err); ok && h.Hint() != "" {
		return h.Hint()
	}
	if h := a.expired(err); h != "" {
		return h
	}
	if r, ok := awserr.RefusalOf(err); ok {
		return a.explained(r)
	}
	if s, ok := errors.AsType[*provision.StepError](err); ok && s.Step == "worker" && s.Doing == "wait" {
		return "see why with `flowbed agent logs" + a.selection() + "`; to keep waiting, run `flowbed up" + a.selection() + "` again"
	}
	return awserr.Hint(err)
}

// adviser is an error with a hint.
type adviser interface {
	error
	Hint() string
}
