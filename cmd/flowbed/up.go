package main

import (
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) upCommand() *cobra.Command {
	var yes, asJSON bool
	c := &cobra.Command{
		Use: "up", Short: "Build the environment, or repair it",
		Long: `Up shows the plan, asks, and carries it out. It may be stopped at any moment
and run again: it looks at what is there, and does what is missing.`,
		Example: `  flowbed up
  flowbed up --yes            without asking, as in CI`,
		Args: noArgs,
	}
	a.runFlags(c, &yes, &asJSON)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		ctx := c.Context()
		if err := a.mustAsk(yes, asJSON, "up"); err != nil {
			return err
		}
		s, err := a.open(ctx, stack.Options{})
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
