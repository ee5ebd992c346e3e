package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) policyCommand() *cobra.Command {
	var verb, trust string
	var data force
	c := &cobra.Command{
		Use: "policy", Short: "Print the IAM policy that a command needs",
		Long: `Policy prints the smallest IAM policy for the person or the role that runs a
command on this environment; docs/permissions.md says what is in it. With --trust
it prints the trust policy of a role for a workflow of GitHub instead. Nothing is
called if account and region are in the file.`,
		Example: `  flowbed policy --for up > up.json
  flowbed policy --trust github:ada/flows:main > trust.json
  aws iam create-role --role-name flowbed-ci --assume-role-policy-document file://trust.json
  aws iam put-role-policy --role-name flowbed-ci --policy-name up --policy-document file://up.json`,
		Args: noArgs,
	}
	c.Flags().StringVar(&verb, "for", "", "the command: plan, up or down")
	c.Flags().StringVar(&trust, "trust", "", "who may assume the role: github:OWNER/REPO, or with :BRANCH or :environment:NAME behind it")
	data.add(c, "for a command with --force-destroy", "for a command with --force-destroy-bucket")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case (verb == "") == (trust == ""):
			return usageOf(c, errors.New("policy needs either --for or --trust"))
		case trust != "":
			return a.trustPolicy(c, trust)
		case !slices.Contains(permissions.Verbs, permissions.Verb(verb)):
			return usageOf(c, fmt.Errorf("--for %s: not plan, up or down", verb))
		}
		return a.policy(c.Context(), permissions.Verb(verb), data)
	}
	return c
}

func (a *app) policy(ctx context.Context, v permissions.Verb, data force) error {
	f, err := a.load(v == permissions.Down)
	if err != nil {
		return err
	}
	id, err := a.place(ctx, f)
	if err != nil {
		return err
	}
	env, err := f.Environment(spec.Place{Account: id.Account, Region: id.Region})
	if err != nil {
		return err
	}
	if err := a.warn(f); err != nil {
		return err
	}
	needs, err := stack.Permissions(v, env, id, data.options(stack.Options{}))
	if err != nil {
		return usage(err)
	}
	p := permissions.NewPolicy(needs)
	if n := p.Size(); n > permissions.ManagedSize {
		fmt.Fprintf(a.err, "This policy has %d characters, and a managed policy may have %d: make it an inline policy of a role, "+
			"which may have %d, or two managed ones of its statements.\n", n, permissions.ManagedSize, permissions.InlineSize)
	}
	_, err = io.WriteString(a.out, p.String())
	return err
}

func (a *app) trustPolicy(c *cobra.Command, who string) error {
	w, err := permissions.ParseWorkflow(who)
	if err != nil {
		return usageOf(c, fmt.Errorf("--trust: %w", err))
	}
	f, err := a.load(true)
	if err != nil {
		return err
	}
	id, err := a.place(c.Context(), f)
	if err != nil {
		return err
	}
	if w.Open() {
		fmt.Fprintf(a.err, "Any workflow of %s can assume this role, on every branch and for every pull request from within it; "+
			"name a branch (%s:main) or an environment (%s:environment:NAME) to narrow it.\n", w.Repository, who, who)
	}
	_, err = io.WriteString(a.out, w.Trust(id.Partition, id.Account))
	return err
}

// place is where the environment is: from the file if it says so, or else from
// those whom we can ask.
func (a *app) place(ctx context.Context, f *spec.File) (resource.Identity, error) {
	if f.Account() != "" && f.Region() != "" {
		return resource.Identity{
			Env: f.EnvName(), Account: f.Account(), Region: f.Region(), Partition: partition(f.Region()), Version: version,
		}, nil
	}
	cfg, save, err := a.configuration(ctx, f)
	if err != nil {
		return resource.Identity{}, err
	}
	id, _, err := a.identity(ctx, f, cfg)
	return id, errors.Join(err, save())
}

// partition is that of a region.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
