package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/view"
)

// planner is the version of flowbed in saved plans. Builds that are no release have a commit.
func planner() string {
	if version == "dev" && built.Commit != "" {
		return version + "-" + built.Commit
	}
	return version
}

// newPlanFile checks that a plan can be written to a file.
func (a *app) newPlanFile(path string) (*output, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // without --out, there is none
	}
	o, err := newOutput(path, slices.Concat(a.reads, []string{sandboxFile}))
	if err != nil {
		return nil, usage(fmt.Errorf("--out: %w", err))
	}
	o.private = true
	return o, nil
}

// savePlan writes a plan to a file, with the time at which it was begun: with it, up computes the same
// expiry. A plan with problems is not written: no run could carry it out.
func (a *app) savePlan(o *output, s *session, verb string, data force, p provision.Plan, begun time.Time) error {
	saved, err := view.NewSavedPlan(view.SavedPlan{
		Program: planner(), Verb: verb, Header: s.header, Flags: data.given(), Config: s.config, Hide: a.hide,
	}, p)
	if err != nil {
		return err
	}
	saved.Created = begun
	var b bytes.Buffer
	if err := view.WriteSavedPlan(a.guarded(&b), saved); err != nil {
		return fmt.Errorf("encode the plan: %w", err)
	}
	if err := o.write(b.Bytes()); err != nil {
		return fmt.Errorf("write the plan %s: %w", o.path, err)
	}
	a.say("Saved as plan %s. `flowbed %s %s%s` carries out this plan, or nothing.", saved.Fingerprint, verb, quoted(o.path), a.selection())
	return nil
}

// hide is the guard for a text that is read again.
func (a *app) hide(text []byte) []byte {
	var b bytes.Buffer
	_, _ = a.guarded(&b).Write(text) // a buffer takes everything
	return b.Bytes()
}

// saved is the plan that a run was given.
type saved struct {
	path string
	plan view.SavedPlan
}

// atMostPlan accepts the file of a saved plan.
func atMostPlan(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return noArgs(c, args[1:])
	}
	return nil
}

// usePlan reads the saved plan that a command was given; nil if it was given none. The flags
// that it was made with hold, and its environment, unless -e names one.
func (a *app) usePlan(c *cobra.Command, args []string, data *force) (*saved, error) {
	if len(args) == 0 {
		return nil, nil //nolint:nilnil // there is none
	}
	for _, f := range data.flags() {
		if c.Flags().Changed(f.name) {
			return nil, usage(&hinted{fmt.Errorf("--%s cannot be combined with a saved plan", f.name), "pass it to `flowbed plan --out` when you make the plan"})
		}
	}
	s, err := a.readPlan(c, args[0])
	if err != nil {
		return nil, usage(err)
	}
	if verb := s.plan.Verb; verb != c.Name() {
		return nil, usage(&hinted{fmt.Errorf("%s is a plan for `flowbed %s`, not for `flowbed %s`", s.path, verb, c.Name()),
			"`flowbed " + verb + " " + quoted(s.path) + "` carries it out"})
	}
	for _, f := range data.flags() {
		*f.value = slices.Contains(s.plan.Flags, "--"+f.name)
	}
	if a.env == "" {
		a.env = s.plan.Header.Environment
	}
	a.reads = append(a.reads, s.path)
	return s, nil
}

func (a *app) readPlan(c *cobra.Command, path string) (*saved, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &hinted{fmt.Errorf("there is no saved plan%s", quotedArgument(c, path)),
			"`flowbed plan --out FILE` saves one; -e names an environment, and -c a config file"}
	case err == nil && info.IsDir():
		return nil, &hinted{fmt.Errorf("%s is a directory, and not a saved plan", path), "-c names a config file"}
	case err != nil:
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	p, err := view.ReadSavedPlan(f, quoted(path), planner())
	if err != nil {
		return nil, err
	}
	p.Hide = a.hide
	return &saved{path, p}, nil
}

// movedError is the error of a run whose saved plan is not what the run would do.
type movedError struct {
	path, verb, again string
	list              []string
	account           bool // the credentials are those of another account
}

// mostMoved is how many differences a message shows.
const mostMoved = 30

func (e *movedError) Error() string {
	shown, more := e.list, ""
	if n := len(e.list) - mostMoved; n > 0 {
		shown, more = e.list[:mostMoved], fmt.Sprintf("\n  - and %d more differences", n)
	}
	return fmt.Sprintf("%s is not what %s would do now, so nothing was changed:\n  - %s%s", e.path, e.verb, strings.Join(shown, "\n  - "), more)
}

// Hint is what to do about it.
func (e *movedError) Hint() string {
	if e.account {
		return "use the credentials that the plan was made for (--profile, AWS_PROFILE)"
	}
	return e.again
}

func (s *saved) moved(list []string) *movedError {
	again := "flowbed plan --out " + quoted(s.path)
	if s.plan.Verb == "down" {
		again = "flowbed plan --down --out " + quoted(s.path)
	}
	return &movedError{path: s.path, verb: s.plan.Verb, list: list,
		again: "if this is as it should be, make the plan again and look at it: `" + strings.Join(append([]string{again}, s.plan.Flags...), " ") + "`"}
}

// checkPlace returns an error if the run is about another environment, account, region or
// endpoint than the plan. It needs no call.
func (s *saved) checkPlace(h view.Header) error {
	if s == nil {
		return nil
	}
	list := s.plan.Elsewhere(h)
	if len(list) == 0 {
		return nil
	}
	e := s.moved(list)
	if h.Account != s.plan.Header.Account {
		e.account = true
		return coded{exitDenied, e}
	}
	return e
}

// check returns an error if a plan is not the saved one.
func (s *saved) check(config map[string]string, p provision.Plan) error {
	if s == nil {
		return nil
	}
	list, err := s.plan.Moved(config, p)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return s.moved(list)
	}
	return nil
}
