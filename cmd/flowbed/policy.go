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
	var part int
	var data force
	c := &cobra.Command{
		Use: "policy", Short: "Print the IAM policy that a command needs",
		Long: `Print the smallest IAM policy for whoever runs a command on this environment, a
worker elsewhere, or an agent's role of your own, or a policy for the file's KMS
key (docs/permissions.md). With --trust, print the trust policy of a role for a
GitHub workflow. If the file sets account and region, it does not call AWS.`,
		Example: `  flowbed policy --for up > up.json
  flowbed policy --trust github:ada/flows:main > trust.json
  aws iam create-role --role-name flowbed-ci \
    --assume-role-policy-document file://trust.json
  aws iam put-role-policy --role-name flowbed-ci --policy-name up \
    --policy-document file://up.json`,
		Args: noArgs,
	}
	c.Flags().StringVar(&verb, "for", "", "`command`: plan, up, down, hello, logs, agent, worker or key")
	c.Flags().StringVar(&trust, "trust", "", "the `workflow`: github:OWNER/REPO[:BRANCH], or with :ref:REF, :environment:NAME or :pull_request")
	c.Flags().IntVar(&part, "part", 0, "which `part` of a long policy, from 1 (default all)")
	data.add(c, "for a command with --force-destroy", "for a command with --force-destroy-bucket")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case (verb == "") == (trust == ""):
			return usageOf(c, errors.New("want either --for or --trust"))
		case part != 0 && (verb == "worker" || verb == "agent" || verb == "key" || verb == "logs" || trust != ""):
			return usageOf(c, errors.New("--part is for the policy of plan, up, down or hello"))
		case trust != "":
			return a.trustPolicy(c, trust)
		case verb == "agent":
			return a.agentPolicy(c.Context())
		case verb == "logs":
			return a.logsPolicy(c.Context())
		case verb == "worker":
			return a.workerPolicy(c.Context())
		case verb == "key":
			return a.keyPolicy(c.Context())
		case !slices.Contains(permissions.Verbs, permissions.Verb(verb)):
			return usageOf(c, fmt.Errorf("--for %s: want plan, up, down, hello, logs, agent, worker or key", verb))
		}
		return a.policy(c.Context(), permissions.Verb(verb), data, part)
	}
	return c
}

// inPlace reads the file, and returns the environment in its account and region.
func (a *app) inPlace(ctx context.Context, destroy bool) (*spec.File, *spec.Environment, resource.Identity, error) {
	f, err := a.load(destroy)
	if err != nil {
		return nil, nil, resource.Identity{}, err
	}
	id, err := a.place(ctx, f)
	if err != nil {
		return nil, nil, id, err
	}
	env, err := f.Environment(spec.Place{Account: id.Account, Region: id.Region})
	if err != nil {
		return nil, nil, id, err
	}
	return f, env, id, a.warn(f)
}

func (a *app) policy(ctx context.Context, v permissions.Verb, data force, part int) error {
	_, env, id, err := a.inPlace(ctx, v == permissions.Down)
	if err != nil {
		return err
	}
	needs, err := stack.Permissions(v, env, id, data.options(stack.Options{}))
	if err != nil {
		return usage(err)
	}
	p := permissions.NewPolicy(needs)
	parts := p.Split(permissions.ManagedSize)
	switch {
	case part < 0 || part > len(parts):
		return usage(fmt.Errorf("--part %d: this policy has only %s", part, plural(len(parts), "part")))
	case part > 0:
		p = parts[part-1]
	case len(parts) > 1:
		a.say("%s", tooLong(p.Size(), len(parts)))
	}
	_, err = io.WriteString(a.out, p.String())
	return err
}

// tooLong tells where a policy of this many characters fits.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func tooLong(size, parts int) string {
	text := fmt.Sprintf("This policy has %d characters, but a managed policy can have only %d. ", size, permissions.ManagedSize)
	if size <= permissions.InlineSize {
		text += fmt.Sprintf("Use it as an inline policy of a role (at most %d characters), or print", permissions.InlineSize)
	} else {
		text += fmt.Sprintf("It is too long even for the inline policies of a role (%d characters). Print", permissions.InlineSize)
	}
	return text + fmt.Sprintf(" it in %d parts, each for a managed policy: --part 1 to --part %[1]d.", parts)
}

// workerPolicy prints the policy for a worker elsewhere. Like down, it needs no secrets.
func (a *app) workerPolicy(ctx context.Context) error {
	f, env, id, err := a.inPlace(ctx, true)
	if err != nil {
		return err
	}
	if env.Prefect == nil {
		return usage(errNoAPI)
	}
	if err := f.Unset(&env.Prefect.WorkPool, &env.Prefect.Version, &env.Prefect.Events, &env.Cluster.Name); err != nil {
		return usage(err)
	}
	text, err := stack.WorkerPolicy(env, id)
	if err != nil {
		return usage(err)
	}
	_, err = io.WriteString(a.out, text)
	return err
}

// logsPolicy prints the policy for those who only read the logs of flows. It needs only names.
func (a *app) logsPolicy(ctx context.Context) error {
	_, env, id, err := a.inPlace(ctx, true)
	if err != nil {
		return err
	}
	text, err := stack.LogsPolicy(env, id)
	if err != nil {
		return usage(err)
	}
	_, err = io.WriteString(a.out, text)
	return err
}

// agentPolicy prints the policy for the role of the agent. Like up, it needs the secrets: they
// decide whether the agent reads a parameter.
func (a *app) agentPolicy(ctx context.Context) error {
	_, env, id, err := a.inPlace(ctx, false)
	if err != nil {
		return err
	}
	if env.Agent == nil {
		return usage(&hinted{errors.New("the environment has no agent"), "for a worker that runs elsewhere: flowbed policy --for worker"})
	}
	text, err := stack.RoleOfAgent(env, id)
	if err != nil {
		return usage(err)
	}
	_, err = io.WriteString(a.out, text)
	return err
}

// keyPolicy prints a policy for the key of the file. Like up, it needs the secrets: they decide
// whether there is a parameter.
func (a *app) keyPolicy(ctx context.Context) error {
	_, env, id, err := a.inPlace(ctx, false)
	if err != nil {
		return err
	}
	if env.KMSKey == "" {
		return usage(errors.New("the file names no kms_key"))
	}
	text, err := stack.KeyPolicy(env, id)
	if err != nil {
		return usage(err)
	}
	a.say("This policy is for the log group %s alone: keep the key's statements for former ones as long as somebody reads their logs.", env.Logs.Name)
	_, err = io.WriteString(a.out, text)
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
		a.say("Every workflow of %s can assume this role, on every branch and for every pull request from the repository. "+
			"To restrict it, name a branch (%s:main) or an environment (%s:environment:NAME).", w.Repository, who, who)
	}
	_, err = io.WriteString(a.out, w.Trust(id.Partition, id.Account))
	return err
}

// place returns the environment's account and region: from the file, or else from AWS.
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

// partition is the AWS partition of a region.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
