package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) downCommand() *cobra.Command {
	var f runFlags
	var data force
	var require bool
	var path string
	c := &cobra.Command{
		Use: "down", Short: "Remove the environment",
		Long: `Down shows what it would remove, asks, removes it, and looks again. It removes
only what flowbed made for this environment. It needs no variable and no secret,
and without config.hcl no more than the environment's name and its region.`,
		Example: `  flowbed down
  flowbed down --yes --force-destroy           with all data
  flowbed down -e dev --region eu-central-1    without config.hcl
  flowbed down --yes --receipt down.json       and write down what was removed`,
		Args: noArgs,
	}
	f.add(c)
	data.add(c, "also delete all data that the environment holds", "also delete all objects and versions in the bucket")
	c.Flags().BoolVar(&require, "require-found", false, "fail if nothing of the environment is found, as in the wrong account")
	c.Flags().StringVar(&path, "receipt", "", "write what was removed and what was not to this file, as JSON (docs/json.md)")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		ctx := c.Context()
		if err := a.mustAsk(f.yes, f.asJSON, "down"); err != nil {
			return err
		}
		receipt, err := a.newReceipt(path)
		if err != nil {
			return err
		}
		defer receipt.write(&err)
		s, err := a.open(ctx, data.options(stack.Options{Removal: true}))
		if err != nil {
			return err
		}
		defer s.keep(&err)
		r := a.newRun(s, "down", f)
		r.required = require
		receipt.run = r
		return r.down(ctx)
	}
	return c
}

// down removes the environment, and returns an error if anything of it is left.
func (r *run) down(ctx context.Context) error {
	return r.do(ctx, func(ctx context.Context) (*provision.Plan, error) {
		left, err := r.s.Graph.Down(ctx)
		return &left, err
	})
}

// errNothing is the end of a down that has to find something.
func (r *run) errNothing() error {
	h := r.s.header
	return &hinted{
		fmt.Errorf("nothing of environment %s was found in account %s, region %s", h.Environment, h.Account, h.Region),
		"--require-found makes this an error; check the account (--profile), --region and -e"}
}

// errLeft is the end of a down that could not remove everything.
var errLeft = errors.New("something is left; run down again, and see what stands in its way")
