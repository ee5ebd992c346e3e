package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) showCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show", Short: "Show the config file with all defaults", SuggestFor: []string{"config", "render", "inspect"},
		Long: `Show what the config file says of one environment, as a config file: with all
defaults, and with variables, locals, functions and patterns replaced by their
values. Secrets are left out: each becomes a variable. If the file does not pin
the account and the region, show looks up your AWS account, because resource
names contain both.`,
		Example: `  flowbed show -e pr-4711
  flowbed show --json | jq -r .config.bucket.name`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document (docs/json.md)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		env, err := a.effective(c.Context())
		if err != nil {
			return err
		}
		if !asJSON {
			_, err = a.out.Write(env.Show())
			return err
		}
		raw, err := env.ShowJSON()
		if err != nil {
			return err
		}
		return view.ConfigJSON(a.out, env.Name, raw)
	}
	return c
}

// effective is the selected environment with all defaults.
func (a *app) effective(ctx context.Context) (*spec.Environment, error) {
	f, err := a.load(false)
	if err != nil {
		return nil, err
	}
	p := spec.Place{Account: f.Account(), Region: f.Region()}
	if p.Account == "" || p.Region == "" {
		var cfg aws.Config
		if cfg, _, err = a.configuration(ctx, f); err != nil {
			return nil, err
		}
		id, _, err := a.identity(ctx, f, cfg)
		if err != nil {
			return nil, err
		}
		p = spec.Place{Account: id.Account, Region: id.Region}
	}
	env, err := f.Environment(p)
	if err != nil {
		return nil, err
	}
	a.secrets = f.Secrets()
	return env, a.warn(f)
}
