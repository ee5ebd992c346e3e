package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (a *app) agentShellCommand() *cobra.Command {
	return &cobra.Command{
		Use: "shell", Short: "Open a shell on the agent's instance",
		Long: `Open a shell on the agent's instance through Session Manager: no port is open,
and no key is needed. Shell shows the command of the AWS CLI that it runs, which
needs the Session Manager plugin. An agent in a service has no shell.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			s, agent, err := a.openAgent(c)
			if err != nil {
				return err
			}
			defer s.keep(&err)
			if agent.service != nil {
				return &hinted{fmt.Errorf("the agent runs in service %s, whose tasks have no shell: ECS Exec is not turned on for them", agent.service.Name),
					"`flowbed agent logs" + a.selection() + "` shows what they say, and `flowbed open cluster" + a.selection() + "` opens the console"}
			}
			a.busy("Asking Systems Manager for %s", agent.instance.ID)
			if err := s.Shell(agent.instance).Reachable(c.Context()); err != nil {
				return fmt.Errorf("open a shell: %w", err)
			}
			a.idle()
			command := sessionCommand(agent.instance.ID, s.id.Region, a.profile)
			if a.sandbox {
				a.say("There is no shell in the sandbox. On AWS, this command opens one:")
				_, err := fmt.Fprintln(a.out, typed(command))
				return err
			}
			if !term.IsTerminal(int(a.in.Fd())) {
				return usage(&hinted{errors.New("agent shell needs a terminal"), "run in a terminal: " + typed(command)})
			}
			a.say("Running: %s", typed(command))
			return runSession(c.Context(), command, a.in)
		},
	}
}

// sessionCommand is the command of the AWS command line that opens a shell on an instance.
func sessionCommand(instance, region, profile string) []string {
	command := []string{"aws", "ssm", "start-session", "--target", instance, "--region", region}
	if profile != "" {
		command = append(command, "--profile", profile)
	}
	return command
}

// typed is a command as a user would type it.
func typed(command []string) string {
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = quoted(w)
	}
	return strings.Join(words, " ")
}

// sessionPrograms are the programs that a session needs, and where they come from.
var sessionPrograms = [][2]string{
	{"aws", "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"},
	{"session-manager-plugin", "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"},
}

// runSession runs the command in this terminal. Ctrl-C is for the shell on the instance, and not
// for flowbed.
func runSession(ctx context.Context, command []string, in *os.File) error {
	for _, p := range sessionPrograms {
		if _, err := exec.LookPath(p[0]); err != nil {
			return &hinted{fmt.Errorf("open a shell: %s is not installed", p[0]), "install it: " + p[1] + "; then run: " + typed(command)}
		}
	}
	signal.Reset(os.Interrupt)
	ignored := make(chan os.Signal, 1) // not Ignore, which the command would inherit
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	session := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...)
	session.Stdin, session.Stdout, session.Stderr = in, os.Stdout, os.Stderr
	err := session.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return coded{code: exitFailed} // it has said why
	}
	return err
}
