package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) planCommand() *cobra.Command {
	var detailed, asJSON, down bool
	var data force
	var path string
	var compact bool
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
	}
	f := c.Flags()
	f.BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 if there are changes")
	f.BoolVar(&compact, "compact", false, "one line for each resource")
	f.BoolVar(&asJSON, "json", false, "print one JSON document (docs/json.md)")
	data.add(c, "show what up or down would do with this flag", "show what up or down would do with this flag")
	data.addDeployments(c, "show what down would do with this flag")
	f.BoolVar(&down, "down", false, "show what down would delete")
	f.StringVar(&path, "out", "", "save the plan to this `file`, for up or down (docs/json.md)")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		file, err := a.load(down)
		if err != nil {
			return err
		}
		out, err := a.newPlanFile(path)
		if err != nil {
			return err
		}
		s, err := a.openFile(c.Context(), file, data.options(stack.Options{Destroy: down, Fence: new(lease.Fence)}))
		if err != nil {
			return err
		}
		defer s.keep(&err)
		plan, verb := s.Graph.Plan, "up"
		if down {
			plan, verb = s.Graph.PlanDown, "down"
		}
		p, err := plan(c.Context())
		if err != nil {
			return err
		}
		if asJSON {
			err = view.PlanJSON(a.out, s.header, verb, p)
		} else {
			err = a.showPlan(os.Stdout, s, verb, p, compact)
		}
		if err == nil {
			err = p.Err()
		}
		if err == nil && out != nil {
			err = a.savePlan(out, s, verb, data, p)
		}
		switch {
		case err != nil:
			return err
		case detailed && !p.Empty():
			return coded{code: exitChanges}
		}
		return nil
	}
	return c
}
