package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) agentCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "agent", Short: "Show the agent's logs or script, open a shell, or restart it", Args: requireCommand,
		SuggestFor: []string{"ssh", "shell", "worker"},
		RunE:       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.agentLogsCommand(), a.agentShellCommand(), a.agentRestartCommand(), a.agentScriptCommand())
	return c
}

// restartScript restarts the agent, which fetches the key again, and waits to see
// whether the agent keeps running: with a wrong key it exits after some seconds.
const restartScript = `systemctl restart ` + resource.AgentUnit + ` || exit 1
for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  sleep 1
  systemctl is-active --quiet ` + resource.AgentUnit + ` && continue
  echo 'the agent has stopped again; the end of its log:'
  journalctl --unit ` + resource.AgentUnit + ` --lines 20 --no-pager --output cat
  exit 1
done
`

const maxLines = 1000 // Systems Manager would not return more

func (a *app) agentLogsCommand() *cobra.Command {
	var lines int
	var follow bool
	c := &cobra.Command{
		Use: "logs", Short: "Show the logs of the agent and its setup",
		Long: `Show the end of the setup's log and of the agent's log, which come through
Systems Manager. If it does not reach the instance, show the setup's messages
from the instance's console. Of an agent in a service, show the end of the log of
each task, or of the last one if none runs. --follow streams new lines of the
agent's log until you press Ctrl-C. This needs no Prefect API key.`,
		Example: `  flowbed agent logs
  flowbed agent logs --lines 500
  flowbed agent logs --follow`,
		Args: noArgs,
	}
	c.Flags().IntVarP(&lines, "lines", "n", 100, "number of lines of the agent's log, at most 1000")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "stream new lines of the agent's log")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if lines < 1 || lines > maxLines {
			return usageOf(c, fmt.Errorf("--lines %d: want 1 to %d", lines, maxLines))
		}
		s, agent, err := a.openAgent(c)
		if err != nil {
			return err
		}
		defer s.keep(&err)
		if follow {
			ifStopped.Store(&followStopped)
			return stopped(true, a.followAgent(c.Context(), s, agent, lines))
		}
		if agent.service != nil {
			return a.showTasks(c.Context(), agent.service, lines)
		}
		return a.showLogs(c.Context(), s, agent.instance, lines)
	}
	return c
}

// showLogs prints the logs on the instance, or else its console.
func (a *app) showLogs(ctx context.Context, s *session, agent resource.InstanceState, lines int) error {
	a.busy("Reading the logs on %s, over Systems Manager", agent.ID)
	shell := s.Shell(agent)
	var setup, log string
	var errSetup, err error
	var wg crash.Group
	wg.Go(func() { setup, errSetup = shell.SetupLog(ctx) })
	wg.Go(func() { log, err = shell.AgentLog(ctx, lines) })
	wg.Wait()
	if err = errors.Join(errSetup, err); err != nil {
		_ = a.quote("%s\n\n", s.Console(ctx, agent)) // the error of stdout comes at the end
	}
	if errors.Is(err, resource.ErrUnmanaged) {
		a.say("Cannot read the logs on the instance: %v.", errSetup)
		return nil
	}
	if err != nil {
		return err
	}
	return a.quote("the end of the setup's log on %[1]s:\n%[2]s\n\nthe end of the log of %[3]s on %[1]s:\n%[4]s\n",
		agent.ID, setup, resource.AgentUnit, log)
}

// quote prints a result with lines that programs of others have written: they neither move the cursor
// nor give GitHub's runner commands.
func (a *app) quote(format string, args ...any) error {
	_, err := io.WriteString(disarm(a.out), view.Clean(fmt.Sprintf(format, args...)))
	return err
}

// followAgent shows the end of the agent's log, and then new lines. Those of the service's tasks
// come from the last minutes.
func (a *app) followAgent(ctx context.Context, s *session, agent agent, lines int) error {
	if agent.service != nil {
		logs := agent.service.Logs()
		a.following("service " + agent.service.Name)
		err := logs.Follow(ctx, time.Now().Add(-followFrom), func(l resource.LogLine) error { return a.writeLine(l, true) },
			func(context.Context) (bool, error) { return false, nil })
		return a.logsError(s, err)
	}
	a.following(resource.AgentUnit + " on " + agent.instance.ID)
	return s.Shell(agent.instance).FollowAgentLog(ctx, lines, func(text string) error {
		return a.quote("%s\n", text)
	})
}

// followFrom is how old the first lines are that a follower of a service's tasks shows.
const followFrom = 10 * time.Minute

// showTasks prints the logs of the service's tasks.
func (a *app) showTasks(ctx context.Context, service *stack.AgentService, lines int) error {
	a.busy("Reading the logs of service %s", service.Name)
	for _, e := range service.Events(ctx) {
		a.say("%s", e)
	}
	tasks, err := service.Tasks(ctx)
	if err != nil {
		return err
	}
	if len(tasks) == 0 {
		a.say("Service %s has no task.", service.Name)
	}
	for i, task := range tasks {
		text, err := service.Log(ctx, task, lines)
		if err != nil {
			a.say("Cannot read the log of task %s: %v.", task, err)
			continue
		}
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if err := a.quote("the end of the log of task %s of service %s:\n%s\n", task, service.Name, strings.Join(text, "\n")); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) agentRestartCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restart", Short: "Restart the agent, for example to use a new key",
		Long: `Restart the agent's service on its instance, through Systems Manager, and check
that it keeps running. The service reads the key from Parameter Store at every
start: to change the key, run up first, then restart the agent. Running flows
continue, because each is an ECS task of its own. An agent in a service gets new
tasks, and the old ones end when the new ones are healthy.`,
		Example: `  flowbed up && flowbed agent restart    use a new key`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			s, agent, err := a.openAgent(c)
			if err != nil {
				return err
			}
			defer s.keep(&err)
			if service := agent.service; service != nil {
				a.note("Replacing the tasks of service %s.", service.Name)
				a.busy("Waiting for the new tasks of service %s", service.Name)
				if err := service.Restart(c.Context(), func(text string) { a.note("%s", text) }); err != nil {
					return &hinted{err, "`flowbed agent logs` shows the log"}
				}
				a.note("The new tasks of service %s are running.", service.Name)
				return nil
			}
			a.note("Restarting the agent on %s.", agent.instance.ID)
			a.busy("Waiting to see whether the agent keeps running, usually half a minute")
			if _, err := s.Shell(agent.instance).Run(c.Context(), restartScript); err != nil {
				return &hinted{fmt.Errorf("restart the agent: %w", err), "`flowbed agent logs` shows the log"}
			}
			a.note("The agent is running on %s.", agent.instance.ID)
			return nil
		},
	}
}

// agent is where the agent runs: one of them.
type agent struct {
	instance resource.InstanceState
	service  *stack.AgentService
}

// openAgent finds the agent's instance or service. Like down, it needs only names from the
// file.
func (a *app) openAgent(c *cobra.Command) (*session, agent, error) {
	s, err := a.open(c.Context(), stack.Options{Destroy: true, NoPrefect: true})
	if err != nil {
		return nil, agent{}, err
	}
	var found agent
	if s.RunsService() {
		found.service, err = s.Service(c.Context())
	} else {
		found.instance, err = s.Agent(c.Context())
	}
	if _, advised := errors.AsType[adviser](err); advised {
		return nil, agent{}, err
	}
	switch {
	case err != nil && s.env.Agent == nil:
		return nil, agent{}, &hinted{err, "the file has no agent block: look where you run the worker, or add agent {} and run `flowbed up" + a.selection() + "`"}
	case err != nil:
		return nil, agent{}, &hinted{err, "run `flowbed up" + a.selection() + "` to build the environment"}
	}
	return s, found, nil
}
