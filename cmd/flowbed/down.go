package main

import (
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) downCommand() *cobra.Command {
	var yes, asJSON, force bool
	c := &cobra.Command{
		Use: "down", Short: "Remove the environment",
		Long: `Down shows what it would remove, asks, removes it, and looks again. It removes
only what flowbed made for this environment. It needs no variable and no secret.`,
		Example: `  flowbed down
  flowbed down --yes --force-destroy-bucket    with all that is in the bucket`,
		Args: noArgs,
	}
	a.runFlags(c, &yes, &asJSON)
	c.Flags().BoolVar(&force, "force-destroy-bucket", false, "delete the bucket with all objects and versions in it")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		ctx := c.Context()
		if err := a.mustAsk(yes, asJSON, "down"); err != nil {
			return err
		}
		s, err := a.open(ctx, stack.Options{Removal: true, ForceDestroy: force})
		if err != nil {
			return err
		}
		defer s.keep(&err)
		p, err := s.Graph.PlanDown(ctx)
		if err != nil {
			return err
		}
		r := a.newRun(s, "down", asJSON)
		ran, err := r.begin(ctx, p, yes)
		if !ran {
			return r.end(false, nil, err)
		}
		left, err := s.Graph.Down(ctx)
		return r.end(true, &left, err)
	}
	return c
}
