package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) upCommand() *cobra.Command {
	var f runFlags
	var o stack.Options
	var data force
	var path string
	c := &cobra.Command{
		Use: "up [plan file]", Short: "Build or repair an environment", SuggestFor: []string{"apply", "create", "deploy"},
		Long: `Build or repair an environment: show the plan, ask for confirmation, and carry
the plan out. With a saved plan, carry out that one or nothing. You can stop up
at any time and run it again: it reads the account and does what is missing.`,
		Example: `  flowbed up
  flowbed up --yes            without confirmation, e.g. in CI
  flowbed up plan.json        carry out a saved plan
  flowbed up --timeout 20m    wait longer for the agent`,
		Args: atMostPlan,
	}
	f.add(c)
	c.Flags().DurationVar(&o.Wait, "timeout", 10*time.Minute, "how long to wait for the agent")
	data.add(c, "also delete what renamed resources hold", "also delete what a renamed bucket held")
	c.Flags().StringVar(&path, "report", "", "write a report as an HTML page to this `file`")
	c.Flags().BoolVar(&o.NoWait, "no-wait", false, "do not wait for the agent")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		ctx := c.Context()
		if o.Wait <= 0 {
			return usageOf(c, fmt.Errorf("--timeout %s: want more than 0", o.Wait))
		}
		if err := a.requireTerminal(f.yes, f.asJSON, "up"); err != nil {
			return err
		}
		planned, err := a.usePlan(c, args, &data)
		if err != nil {
			return err
		}
		if planned != nil {
			o.Start = planned.plan.Created
		}
		o.Fence = new(lease.Fence)
		file, err := a.load(false)
		if err != nil {
			return err
		}
		page, err := a.newPageFile(path)
		if err != nil {
			return err
		}
		defer page.write(&err)
		s, err := a.openFile(ctx, file, data.options(o))
		if err != nil {
			return err
		}
		defer s.keep(&err)
		r := a.newRun(s, "up", f)
		page.listen(r)
		r.saved = planned
		return r.do(ctx, func(ctx context.Context) (*provision.Plan, error) {
			return nil, s.Graph.Up(ctx)
		})
	}
	return c
}
