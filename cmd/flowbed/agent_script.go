package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) agentScriptCommand() *cobra.Command {
	var running bool
	c := &cobra.Command{
		Use: "script", Short: "Print what runs on the agent",
		Long: `Print the user data of the agent's instance: the script that runs on it as root
when it first starts. Of an agent in a service, print what its container runs, as
a shell would run it. This is what up would start, and needs no AWS account: what
only AWS knows is written as <account> or (known after up). With --running, print
what the agent that exists was started with.`,
		Example: `  flowbed agent script | less
  flowbed agent script --running > running.sh
  flowbed agent script | diff running.sh -`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&running, "running", false, "print what the agent that exists was started with")
	c.RunE = func(c *cobra.Command, _ []string) error {
		read := a.script
		if running {
			read = a.runningScript
		}
		text, err := read(c)
		if err != nil {
			return err
		}
		_, err = io.WriteString(a.out, text)
		return err
	}
	return c
}

// unknownAccount stands for the account where the file does not set it: an environment needs
// one of twelve digits.
const unknownAccount = "298374651029"

// script is what up would start. It does not call AWS.
func (a *app) script(c *cobra.Command) (string, error) {
	f, err := a.load(false)
	if err != nil {
		return "", err
	}
	id, err := a.placeWithoutCalls(c.Context(), f)
	if err != nil {
		return "", err
	}
	env, err := f.Environment(spec.Place{Account: id.Account, Region: id.Region})
	if err != nil {
		return "", err
	}
	a.secrets = f.Secrets()
	if err := a.warn(f); err != nil {
		return "", err
	}
	if env.Agent == nil {
		return "", usage(&hinted{errors.New("the environment has no agent"), "for a worker that runs elsewhere, `flowbed outputs` prints its command"})
	}
	text, err := stack.Script(env, id)
	if err != nil {
		return "", usage(err)
	}
	if f.Account() == "" {
		text = strings.ReplaceAll(text, unknownAccount, "<account>")
	}
	return text, nil
}

// placeWithoutCalls is the environment's account and region, as far as they are known here.
func (a *app) placeWithoutCalls(ctx context.Context, f *spec.File) (resource.Identity, error) {
	region := f.Region()
	if region == "" {
		cfg, _, err := a.configuration(ctx, f) // of the environment, or of the AWS profile
		if err != nil {
			return resource.Identity{}, err
		}
		region = cfg.Region
	}
	return resource.Identity{
		Env: f.EnvName(), Account: firstOf(f.Account(), unknownAccount), Region: region, Partition: partition(region), Version: version,
	}, nil
}

// runningScript is what the agent that exists was started with.
func (a *app) runningScript(c *cobra.Command) (text string, err error) {
	s, agent, err := a.openAgent(c)
	if err != nil {
		return "", err
	}
	defer s.keep(&err)
	if agent.service != nil {
		return agent.service.Script(c.Context())
	}
	return s.UserData(c.Context(), agent.instance)
}
