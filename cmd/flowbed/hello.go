package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/hello"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) helloCommand() *cobra.Command {
	var timeout time.Duration
	var keep, clean, accept, asJSON bool
	c := &cobra.Command{
		Use: "hello", Short: "Run a small flow, to see that the environment works", SuggestFor: []string{"run", "test"},
		Long: `Run a small flow in the environment: upload it to the bucket, deploy it to the
work pool, run it, show its states and its log, check its result in the bucket,
and remove all that again. If the flow does not complete, show the cause, who
reported it, and what to do. Hello exits with 0 only if the flow completed and
its result is in the bucket. --clean removes what --keep left, and what killed
runs left as soon as they have ended, or must have ended.`,
		Example: `  flowbed up && flowbed hello
  flowbed hello --keep     leave the flow, to change it and run it again
  flowbed hello --clean    remove what --keep and killed runs left`,
		Args: noArgs,
	}
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long the flow run may take")
	c.Flags().BoolVar(&keep, "keep", false, "leave the flow, its deployment and its result")
	c.Flags().BoolVar(&clean, "clean", false, "run nothing, and remove what earlier runs have left")
	c.Flags().BoolVar(&accept, "accept-endpoints", false, "--clean: go on if services have different endpoints")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines (docs/json.md)")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		switch {
		case timeout > hello.Longest:
			return usageOf(c, fmt.Errorf("--timeout %s: want at most %s", timeout, hello.Longest))
		case timeout <= 0:
			return usageOf(c, fmt.Errorf("--timeout %s: want more than 0", timeout))
		case clean && (keep || asJSON):
			return usageOf(c, errors.New("--clean runs no flow: use it without --keep and --json"))
		}
		if !clean {
			ifStopped.Store(helloStopped(a.selection()))
		}
		s, h, err := a.openHello(c.Context(), clean)
		if err != nil {
			return err
		}
		defer s.keep(&err)
		h.Timeout, h.Keep = timeout, keep
		if a.sandbox {
			h.Pace = sandboxPace
		}
		if clean {
			if err := checkEndpoints(s.header, accept); err != nil {
				return err
			}
			return a.cleanHello(c.Context(), s, h)
		}
		return a.hello(c.Context(), s, h, asJSON)
	}
	return c
}

// sandboxPace is how often hello looks at a run in the sandbox, where all is short.
const sandboxPace = 100 * time.Millisecond

// openHello needs a Prefect API, except to remove old objects. Then it does not need a file
// either.
func (a *app) openHello(ctx context.Context, clean bool) (*session, *hello.Hello, error) {
	bare := clean && a.noConfig()
	f, err := a.load(bare)
	if err != nil {
		return nil, nil, err
	}
	s, err := a.openFile(ctx, f, stack.Options{AsIs: true, Destroy: bare, NoPrefect: bare})
	switch {
	case err != nil:
		return nil, nil, err
	case bare:
		return s, s.HelloRemains(), nil
	}
	h, err := s.Hello()
	switch {
	case err == nil:
		return s, h, nil
	case clean:
		return s, s.HelloRemains(), nil
	case errors.Is(err, stack.ErrNoPool):
		return nil, nil, usage(&hinted{err, "run a flow of your own: docs/first-flow.md shows how, and `flowbed outputs" + a.selection() +
			" --format prefect` prints what it needs"})
	}
	return nil, nil, usage(errNoAPI)
}

// introduce tells where a command works.
func (a *app) introduce(s *session, more string) {
	for _, b := range s.header.Banners() {
		a.note("%s", b)
	}
	a.note("Environment %s in account %s, region %s%s:", s.env.Name, s.id.Account, s.id.Region, more)
}

func (a *app) cleanHello(ctx context.Context, s *session, h *hello.Hello) error {
	a.introduce(s, "")
	h.Notify = func(e hello.Event) { a.note("  %s", e.Text) }
	if h.API == nil {
		a.say("  there is no work pool: only old objects in the bucket can be removed")
	}
	a.busy("Looking for what earlier runs have left")
	c, err := h.RemoveKept(ctx)
	a.idle()
	if c.Removed > 0 {
		a.say("Removed what %s left.", runs(c.Removed, "earlier run"))
	}
	if err != nil {
		return err
	}
	if c.Removed+c.Busy+c.Foreign == 0 {
		a.say("Nothing to remove.")
	}
	if c.Busy > 0 {
		a.say("%s may still be in use until %s; left alone. Run `flowbed hello --clean%s` again then, or `flowbed down%s --force-destroy-bucket` to remove the environment with them.",
			runs(c.Busy, "run"), c.Until.UTC().Format("2006-01-02 15:04 UTC"), a.selection(), a.selection())
	}
	if c.Foreign > 0 {
		a.say("The bucket has objects of %s that no deployment here names; left alone, because others may use the bucket. They are in s3://%s/%s.",
			runs(c.Foreign, "run"), h.Bucket, hello.Prefix)
	}
	return nil
}

func runs(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// hello runs the flow and shows what happens.
func (a *app) hello(ctx context.Context, s *session, h *hello.Hello, asJSON bool) error {
	var shown view.FlowRun
	if asJSON {
		o := a.options(os.Stdout)
		o.Header, o.Hint = s.header, a.hint
		shown = view.NewFlowRunJSON(a.out, o)
	} else {
		a.introduce(s, ", work pool "+h.Pool)
		shown = view.NewFlowRun(a.chatter(), a.options(os.Stderr))
	}
	h.Notify = func(e hello.Event) {
		shown.Notify(view.RunEvent{Kind: string(e.Kind), Time: e.Time, Name: e.Name, Object: e.Object, Source: e.Source, Text: e.Text})
	}
	outliveReaders()
	a.busy("Running a flow in environment %s", s.env.Name)
	r, err := h.Run(ctx)
	a.idle()
	_, left := errors.AsType[*hello.Leftover](err)
	err = helloError(err)
	end := view.RunResult{Left: left, Flow: r.Flow, Deployment: r.Deployment, Run: r.Run, Kept: r.Kept, Elapsed: r.Elapsed, Err: err}
	if r.Key != "" {
		end.Object = "s3://" + h.Bucket + "/" + r.Key
	}
	if asJSON || r.Flow != "" { // otherwise nothing has happened
		err = errors.Join(shown.Done(end), err)
	}
	if r.Kept && !asJSON {
		_, failed := fmt.Fprintf(a.out, keptText, h.Bucket, r.Prefix, h.Bucket, r.Prefix, r.Flow, r.Deployment, a.selection())
		err = errors.Join(err, failed)
	} else if err == nil && !asJSON {
		a.note("Next: `flowbed outputs%s --format prefect` prints a prefect.yaml, with which you deploy a flow of your own.", a.selection())
	}
	return err
}

// helloError gives an error of hello its exit code. Like other commands, hello exits with 1 if
// something is left, whatever the reason is.
func helloError(err error) error {
	if _, left := errors.AsType[*hello.Leftover](err); left {
		return coded{exitFailed, err}
	}
	if errors.Is(err, errInterrupted) {
		return coded{exitInterrupted, errors.New("interrupted")}
	}
	return err
}

// keptText tells what can be done with a flow that was kept.
const keptText = `To change the flow:
  aws s3 cp s3://%s/%scode/hello.py .
  aws s3 cp hello.py s3://%s/%scode/hello.py
To run it again:
  prefect deployment run %s/%s --watch
To remove it:
  flowbed hello --clean%s
`
