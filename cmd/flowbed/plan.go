package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

// planFlags are the flags of plan.
type planFlags struct {
	detailed, asJSON, compact, down bool

	data force
	out  string // where to save the plan; empty does not save it
}

func (a *app) planCommand() *cobra.Command {
	var f planFlags
	c := &cobra.Command{
		Use: "plan", Short: "Show what up would change", SuggestFor: []string{"diff", "preview"},
		Long: `Show what up would create, change, replace or delete, and which resources
belong to somebody else. Plan reads the account and changes nothing. With
--down, it shows what down would delete.`,
		Example: `  flowbed plan
  flowbed plan --detailed-exitcode    exit with 2 if there are changes
  flowbed plan --out plan.json        save it for flowbed up plan.json
  flowbed plan --json | jq .summary`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.plan(c.Context(), f) },
	}
	set := c.Flags()
	set.BoolVar(&f.detailed, "detailed-exitcode", false, "exit with 2 if there are changes")
	set.BoolVar(&f.compact, "compact", false, "one line for each resource")
	set.BoolVar(&f.asJSON, "json", false, "print one JSON document (docs/json.md)")
	f.data.add(c, "show what up or down would do with this flag", "show what up or down would do with this flag")
	f.data.addDeployments(c, "show what down would do with this flag")
	set.BoolVar(&f.down, "down", false, "show what down would delete")
	set.StringVar(&f.out, "out", "", "save the plan to this `file`, for up or down (docs/json.md)")
	return c
}

func (a *app) plan(ctx context.Context, f planFlags) (err error) {
	file, err := a.load(f.down)
	if err != nil {
		return err
	}
	out, err := a.newPlanFile(f.out)
	if err != nil {
		return err
	}
	o := f.data.options(stack.Options{Destroy: f.down, Fence: new(lease.Fence), Start: time.Now()})
	s, err := a.openFile(ctx, file, o)
	if err != nil {
		return err
	}
	defer s.keep(&err)
	plan, verb := s.Graph.Plan, "up"
	if f.down {
		plan, verb = s.Graph.PlanDown, "down"
	}
	p, err := plan(ctx)
	if err == nil {
		a.job.planned(s, verb, p)
		err = a.printPlan(s, f, verb, p)
	}
	if err == nil {
		err = p.Err()
	}
	if err == nil && out != nil {
		err = a.savePlan(out, s, verb, f.data, p, o.Start)
	}
	if err == nil && f.detailed && !p.Empty() {
		err = coded{code: exitChanges}
	}
	return err
}

func (a *app) printPlan(s *session, f planFlags, verb string, p provision.Plan) error {
	if f.asJSON {
		return view.PlanJSON(a.out, s.header, verb, p, s.cost(verb))
	}
	return a.showPlan(os.Stdout, s, verb, p, f.compact)
}
