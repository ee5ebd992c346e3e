package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) upCommand() *cobra.Command {
	var yes, asJSON bool
	var o stack.Options
	c := &cobra.Command{
		Use: "up", Short: "Build the environment, or repair it",
		Long: `Up shows the plan, asks, and carries it out. It may be stopped at any moment
and run again: it looks at what is there, and does what is missing.`,
		Example: `  flowbed up
  flowbed up --yes            without asking, as in CI
  flowbed up --timeout 20m    if the agent needs long to install`,
		Args: noArgs,
	}
	a.runFlags(c, &yes, &asJSON)
	c.Flags().DurationVar(&o.Wait, "timeout", 10*time.Minute, "how long to wait for the agent's worker to report to Prefect")
	c.Flags().BoolVar(&o.NoWait, "no-wait", false, "end when the agent's instance runs")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		ctx := c.Context()
		if err := a.mustAsk(yes, asJSON, "up"); err != nil {
			return err
		}
		s, err := a.open(ctx, o)
		if err != nil {
			return err
		}
		defer s.keep(&err)
		p, err := s.Graph.Plan(ctx)
		if err != nil {
			return err
		}
		r := a.newRun(s, "up", asJSON)
		ran, err := r.begin(ctx, p, yes)
		if ran {
			err = s.Graph.Up(ctx)
		}
		return r.end(ran, nil, err)
	}
	return c
}

// runFlags are the flags of the commands that change something.
func (a *app) runFlags(c *cobra.Command, yes, asJSON *bool) {
	f := c.Flags()
	f.BoolVarP(yes, "yes", "y", false, "do not ask")
	f.BoolVar(asJSON, "json", false, "JSON lines on stdout (docs/json.md); needs --yes")
}
