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
		Use: "agent", Short: "Show the agent's logs, or restart it", Args: requireCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.agentLogsCommand(), a.agentRestartCommand())
	return c
}

// agentUnit is the systemd unit that the agent's setup installs.
const agentUnit = "flowbed-agent.service"

// logsScript prints the end of the log. Systems Manager returns only the beginning of
// a long output, so the script itself limits the output.
func logsScript(lines int) string {
	return "journalctl --unit " + agentUnit + " --lines " + strconv.Itoa(lines) + " --no-pager --output short-iso | tail -c 20000\n"
}

// restartScript restarts the agent, which fetches the key again, and waits to see
// whether the agent keeps running: with a wrong key it exits after some seconds.
const restartScript = `systemctl restart ` + agentUnit + ` || exit 1
for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  sleep 1
  systemctl is-active --quiet ` + agentUnit + ` && continue
  echo 'the agent has stopped again; the end of its log:'
  journalctl --unit ` + agentUnit + ` --lines 20 --no-pager --output cat
  exit 1
done
`

const maxLines = 1000 // Systems Manager would not return more

func (a *app) agentLogsCommand() *cobra.Command {
	var lines int
	c := &cobra.Command{
		Use: "logs", Short: "Show the logs of the agent and its setup",
		Long: `Show the setup's messages from the instance's console, and the end of the
agent's log, which comes through Systems Manager. This needs no Prefect API
key.`,
		Example: `  flowbed agent logs
  flowbed agent logs --lines 500`,
		Args: noArgs,
	}
	c.Flags().IntVarP(&lines, "lines", "n", 100, "number of lines of the agent's log, at most 1000")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if lines < 1 || lines > maxLines {
			return usageOf(c, fmt.Errorf("--lines %d: want 1 to %d", lines, maxLines))
		}
		s, agent, err := a.openAgent(c)
		if err != nil {
			return err
		}
		defer s.keep(&err)
		fmt.Fprintf(a.out, "%s\n\n", s.Console(c.Context(), agent))
		text, err := s.Shell(agent).Run(c.Context(), logsScript(lines))
		if errors.Is(err, resource.ErrUnmanaged) {
			a.say("Cannot read the agent's log: %v.", err)
			return nil
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "the end of the log of %s on %s:\n%s\n", agentUnit, agent.ID, text)
		return err
	}
	return c
}

func (a *app) agentRestartCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restart", Short: "Restart the agent, for example to use a new key",
		Long: `Restart the agent's service on its instance, through Systems Manager, and check
that it keeps running. The service reads the key from Parameter Store at every
start: to change the key, run up first, then restart the agent. Running flows
continue, because each is an ECS task of its own.`,
		Example: `  flowbed up && flowbed agent restart    use a new key`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			s, agent, err := a.openAgent(c)
			if err != nil {
				return err
			}
			defer s.keep(&err)
			a.say("Restarting the agent on %s.", agent.ID)
			if _, err := s.Shell(agent).Run(c.Context(), restartScript); err != nil {
				return &hinted{fmt.Errorf("restart the agent: %w", err), "`flowbed agent logs` shows the log"}
			}
			a.say("The agent is running on %s.", agent.ID)
			return nil
		},
	}
}

// openAgent finds the agent's instance. Like down, it needs only names from the file.
func (a *app) openAgent(c *cobra.Command) (*session, resource.InstanceState, error) {
	none := resource.InstanceState{}
	s, err := a.open(c.Context(), stack.Options{Destroy: true, NoPrefect: true})
	if err != nil {
		return nil, none, err
	}
	agent, err := s.Agent(c.Context())
	switch {
	case err != nil && s.env.Agent == nil:
		return nil, none, &hinted{err, "the file has no agent block: look where you run the worker, or add agent {} and run `flowbed up" + a.selection() + "`"}
	case err != nil:
		return nil, none, &hinted{err, "run `flowbed up" + a.selection() + "` to build the environment"}
	}
	return s, agent, nil
}
