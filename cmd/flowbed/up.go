package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) upCommand() *cobra.Command {
	var f runFlags
	var o stack.Options
	var data force
	c := &cobra.Command{
		Use: "up", Short: "Build the environment, or repair it",
		Long: `Up shows the plan, asks, and carries it out. It may be stopped at any moment
and run again: it looks at what is there, and does what is missing.`,
		Example: `  flowbed up
  flowbed up --yes            without asking, as in CI
  flowbed up --timeout 20m    if the agent needs long to install`,
		Args: noArgs,
	}
	f.add(c)
	c.Flags().DurationVar(&o.Wait, "timeout", 10*time.Minute, "how long to wait for the agent's worker to report to Prefect")
	data.add(c, "also delete what renamed objects hold", "also delete a renamed bucket's old contents")
	c.Flags().BoolVar(&o.NoWait, "no-wait", false, "end when the agent's instance runs")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		ctx := c.Context()
		if err := a.mustAsk(f.yes, f.asJSON, "up"); err != nil {
			return err
		}
		s, err := a.open(ctx, data.options(o))
		if err != nil {
			return err
		}
		defer s.keep(&err)
		return a.newRun(s, "up", f).do(ctx, func(ctx context.Context) (*provision.Plan, error) {
			return nil, s.Graph.Up(ctx)
		})
	}
	return c
}
