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
and remove all that again. If the flow does not complete, hello says who said
why, and what to do. It exits with 0 only if the flow completed and its result
is in the bucket.`,
		Example: `  flowbed up && flowbed hello
  flowbed hello --keep     leave the flow, to change it and run it again
  flowbed hello --clean    remove what --keep left`,
		Args: noArgs,
	}
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long the flow run may take")
	c.Flags().BoolVar(&keep, "keep", false, "leave the flow, its deployment and its result")
	c.Flags().BoolVar(&clean, "clean", false, "run nothing, and remove what earlier runs have left")
	c.Flags().BoolVar(&accept, "accept-endpoints", false, "with --clean: go on if AWS services have different endpoints")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines (docs/json.md)")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		switch {
		case timeout <= 0:
			return usageOf(c, fmt.Errorf("--timeout %s: want more than 0", timeout))
		case clean && (keep || asJSON):
			return usageOf(c, errors.New("--clean runs no flow: use it without --keep and --json"))
		}
		s, h, err := a.openHello(c.Context())
		if err != nil {
			return err
		}
		defer s.keep(&err)
		h.Timeout, h.Keep, h.Flags = timeout, keep, a.selection()
		if a.sandbox {
			h.Pace = sandboxPace
		}
		if clean {
			if err := checkEndpoints(s.header, accept); err != nil {
				return err
			}
			return a.cleanHello(c.Context(), h)
		}
		return a.hello(c.Context(), s, h, asJSON)
	}
	return c
}

// sandboxPace is how often hello looks at a run in the sandbox, where all is short.
const sandboxPace = 100 * time.Millisecond

func (a *app) openHello(ctx context.Context) (*session, *hello.Hello, error) {
	s, err := a.open(ctx, stack.Options{AsIs: true})
	if err != nil {
		return nil, nil, err
	}
	h, err := s.Hello()
	switch {
	case errors.Is(err, stack.ErrNoAPI):
		return nil, nil, usage(errNoAPI)
	case errors.Is(err, stack.ErrNoPool):
		return nil, nil, usage(&hinted{err, "run a flow of your own: docs/first-flow.md shows how, and `flowbed outputs" + a.selection() +
			" --format prefect` prints what it needs"})
	}
	return s, h, err
}

func (a *app) cleanHello(ctx context.Context, h *hello.Hello) error {
	h.Notify = func(e hello.Event) { a.say("%s", e.Text) }
	n, err := h.RemoveKept(ctx)
	if err == nil {
		a.say("Removed what %s left.", map[bool]string{true: "1 earlier run", false: fmt.Sprintf("%d earlier runs", n)}[n == 1])
	}
	return err
}

// hello runs the flow and shows what happens.
func (a *app) hello(ctx context.Context, s *session, h *hello.Hello, asJSON bool) error {
	var shown view.FlowRun
	if asJSON {
		o := a.options(os.Stdout)
		o.Header, o.Hint = s.header, a.hint
		shown = view.NewFlowRunJSON(a.out, o)
	} else {
		a.say("Environment %s in account %s, region %s, work pool %s:", s.env.Name, s.id.Account, s.id.Region, h.Pool)
		shown = view.NewFlowRun(a.err, a.options(os.Stderr))
	}
	h.Notify = func(e hello.Event) {
		shown.Notify(view.RunEvent{Kind: string(e.Kind), Time: e.Time, Name: e.Name, Object: e.Object, Source: e.Source, Text: e.Text})
	}
	outliveReaders()
	r, err := h.Run(ctx)
	end := view.RunResult{Flow: r.Flow, Deployment: r.Deployment, Run: r.Run, Kept: r.Kept, Elapsed: r.Elapsed, Err: err}
	if r.Key != "" {
		end.Object = "s3://" + h.Bucket + "/" + r.Key
	}
	if asJSON || r.Flow != "" { // otherwise nothing has happened
		err = errors.Join(shown.Done(end), err)
	}
	if r.Kept && !asJSON {
		_, failed := fmt.Fprintf(a.out, keptText, h.Bucket, r.Prefix, h.Bucket, r.Prefix, r.Flow, r.Deployment, a.selection())
		err = errors.Join(err, failed)
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
