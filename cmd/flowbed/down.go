package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) downCommand() *cobra.Command {
	var f runFlags
	var data force
	var require bool
	var path string
	c := &cobra.Command{
		Use: "down [plan file]", Short: "Remove an environment", SuggestFor: []string{"destroy", "delete", "remove", "rm", "teardown"},
		Long: `Remove an environment: show the plan, ask for confirmation, and delete the
resources that flowbed created for the environment, and no others. Down needs
no variables and no secrets. Without config.hcl it needs only the environment's
name and region.`,
		Example: `  flowbed down --yes --force-destroy           delete the data, too
  flowbed down -e dev --region eu-central-1    without config.hcl
  flowbed down plan.json                       carry out a saved plan or nothing`,
		Args: atMostPlan,
	}
	f.add(c)
	c.Flags().StringVar(&f.name, "confirm", "", "confirm by `name`, also a protected environment")
	data.add(c, "also delete all data that the environment holds", "also delete all that is in the bucket")
	data.addDeployments(c, "also delete the deployments of the work pool")
	c.Flags().BoolVar(&require, "require-found", false, "fail if the environment has no resources here")
	c.Flags().StringVar(&path, "receipt", "", "write a JSON receipt to this `file` (docs/json.md)")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		ctx := c.Context()
		if err := a.requireTerminal(f.yes || c.Flags().Changed("confirm"), f.asJSON, "down"); err != nil {
			return err
		}
		planned, err := a.usePlan(c, args, &data)
		if err != nil {
			return err
		}
		file, err := a.load(true)
		if err != nil {
			return err
		}
		receipt, err := a.newReceipt(path)
		if err != nil {
			return err
		}
		defer receipt.write(&err)
		s, err := a.openFile(ctx, file, data.options(stack.Options{Destroy: true, Fence: new(lease.Fence)}))
		if err != nil {
			return err
		}
		defer s.keep(&err)
		if c.Flags().Changed("confirm") && f.name != s.env.Name {
			return usageOf(c, fmt.Errorf("--confirm %q: the environment is %s", f.name, s.env.Name))
		}
		r := a.newRun(s, "down", f)
		r.required, r.saved = require, planned
		receipt.run = r
		return r.down(ctx)
	}
	return c
}

// down removes the environment. It returns an error if any of its resources are left.
func (r *run) down(ctx context.Context) error {
	return r.do(ctx, func(ctx context.Context) (*provision.Plan, error) {
		left, err := r.s.Graph.Down(ctx)
		return &left, err
	})
}

// errNothingFound is the error of down --require-found without anything to remove.
var errNothingFound = &hinted{
	errors.New("nothing to remove, and --require-found is set"),
	"check the account (--profile), --region and -e"}

// leftError is the error of a down that has left something; nil if it has not.
func leftError(left provision.Plan) error {
	if !left.Empty() {
		return errLeft
	}
	var errs []error
	for _, a := range left.Actions {
		if a.Op != provision.Leave {
			continue
		}
		text, hint, _ := strings.Cut(a.Owner.Leave, " → ")
		errs = append(errs, &hinted{errors.New(text), hint})
	}
	return errors.Join(errs...)
}

// errLeft is the error of a down that did not delete everything.
var errLeft = &hinted{errors.New("some resources are left"), "run `flowbed down` again; its output shows what keeps them"}
