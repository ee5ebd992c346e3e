package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/stack"
)

func (a *app) agentCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "agent", Short: "Look after the agent: its logs, a restart", Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.agentLogsCommand(), a.agentRestartCommand())
	return c
}

// unit is the service that the agent's setup makes.
const unit = "flowbed-agent.service"

// logsScript prints the end of the log. Systems Manager shows the beginning of
// a long output only, so the script itself leaves out what is too much.
func logsScript(lines int) string {
	return "journalctl --unit " + unit + " --lines " + strconv.Itoa(lines) + " --no-pager --output short-iso | tail -c 20000\n"
}

// restartScript fetches the key anew, as each start does, and looks whether the
// agent stays: with a wrong key it ends after some seconds.
const restartScript = `systemctl restart ` + unit + ` || exit 1
for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  sleep 1
  systemctl is-active --quiet ` + unit + ` && continue
  echo 'the agent has ended again; its last words:'
  journalctl --unit ` + unit + ` --lines 20 --no-pager --output cat
  exit 1
done
`

const mostLines = 1000 // of which Systems Manager would not show all

func (a *app) agentLogsCommand() *cobra.Command {
	var lines int
	c := &cobra.Command{
		Use: "logs", Short: "What the agent has said: its setup on the console, and its log",
		Long: `Logs prints the lines of the instance's console in which the setup says what it
does and why it failed, and the end of the agent's log, which it gets through
Systems Manager. It needs no key of Prefect.`,
		Example: `  flowbed agent logs
  flowbed agent logs --lines 500`,
		Args: noArgs,
	}
	c.Flags().IntVarP(&lines, "lines", "n", 100, "how many lines of the log, at most 1000")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if lines < 1 || lines > mostLines {
			return usageOf(c, fmt.Errorf("--lines %d: not between 1 and %d", lines, mostLines))
		}
		s, agent, err := a.openAgent(c)
		if err != nil {
			return err
		}
		defer s.keep(&err)
		fmt.Fprintf(a.out, "%s\n\n", s.Console(c.Context(), agent))
		text, err := s.Shell(agent).Run(c.Context(), logsScript(lines))
		if errors.Is(err, resource.ErrUnmanaged) {
			fmt.Fprintf(a.err, "There is no more: %v.\n", err)
			return nil
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "the log of %s on %s ends with:\n%s\n", unit, agent.ID, text)
		return err
	}
	return c
}

func (a *app) agentRestartCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restart", Short: "Restart the agent, for example for a new key",
		Long: `Restart restarts the agent's service on its instance through Systems Manager,
and looks whether it stays up. At each start the service fetches the key that is
in the Parameter Store: after a change of the key, run up and then this. Flows
that run are not disturbed: they are tasks of their own.`,
		Example: `  flowbed up && flowbed agent restart    after the key has changed`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			s, agent, err := a.openAgent(c)
			if err != nil {
				return err
			}
			defer s.keep(&err)
			fmt.Fprintf(a.err, "Restarting the agent on %s.\n", agent.ID)
			if _, err := s.Shell(agent).Run(c.Context(), restartScript); err != nil {
				return &hinted{fmt.Errorf("restart the agent: %w", err), "`flowbed agent logs` shows more"}
			}
			_, err = fmt.Fprintf(a.err, "The agent runs on %s.\n", agent.ID)
			return err
		},
	}
}

// openAgent finds the agent's instance. That needs as little of the file as a
// removal does.
func (a *app) openAgent(c *cobra.Command) (*session, resource.InstanceState, error) {
	none := resource.InstanceState{}
	if a.sandbox {
		return nil, none, usage(errors.New("the sandbox boots no instance: there is no agent with a log or a service"))
	}
	s, err := a.open(c.Context(), stack.Options{Removal: true, NoPrefect: true})
	if err != nil {
		return nil, none, err
	}
	agent, err := s.Agent(c.Context())
	if err != nil {
		return nil, none, &hinted{err, "`flowbed up` builds the environment"}
	}
	return s, agent, nil
}
