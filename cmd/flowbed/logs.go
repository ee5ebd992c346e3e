package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/hello"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

// logFlags are the flags of logs.
type logFlags struct {
	follow bool
	run    string
	since  time.Duration
}

func (a *app) logsCommand() *cobra.Command {
	var f logFlags
	c := &cobra.Command{
		Use: "logs", Short: "Show the logs of flows", SuggestFor: []string{"log", "tail"},
		Long: `Show what the tasks of flows have written to the environment's log group, with
the time and the beginning of the task's id. --run shows one flow run, from its
beginning; this asks Prefect's API for the run's task. --follow streams new lines
until you press Ctrl-C, or until the run has ended.`,
		Example: `  flowbed logs
  flowbed logs --since 24h
  flowbed logs --follow --run amber-heron`,
		Args: noArgs,
	}
	c.Flags().BoolVarP(&f.follow, "follow", "f", false, "stream new lines")
	c.Flags().StringVar(&f.run, "run", "", "only the flow run with this `name` or id")
	c.Flags().DurationVar(&f.since, "since", time.Hour, "how far to go back; not used with --run")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if f.since <= 0 {
			return usageOf(c, fmt.Errorf("--since %s: want more than 0", f.since))
		}
		if f.follow {
			ifStopped.Store(&followStopped)
		}
		s, h, err := a.openLogs(c.Context(), f.run != "")
		if err != nil {
			return err
		}
		defer s.keep(&err)
		if h != nil {
			return stopped(f.follow, a.showRun(c.Context(), s, h, f))
		}
		return stopped(f.follow, a.showFlows(c.Context(), s, f))
	}
	return c
}

// followStopped are the texts of a command that goes on until somebody stops it.
var followStopped = stopTexts{"Stopped.", "Stopped."}

// stopped is the error of such a command: that somebody has stopped it needs no words.
func stopped(follow bool, err error) error {
	if follow && (errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled)) {
		return coded{code: exitInterrupted}
	}
	return err
}

// openLogs needs a Prefect API, and so its secret, only to find a run.
func (a *app) openLogs(ctx context.Context, run bool) (*session, *hello.Hello, error) {
	if !run {
		s, err := a.open(ctx, stack.Options{Destroy: true, NoPrefect: true})
		return s, nil, err
	}
	s, err := a.open(ctx, stack.Options{AsIs: true})
	if err != nil {
		return nil, nil, err
	}
	h, err := s.Hello()
	if err != nil {
		return nil, nil, usage(&hinted{errors.New("--run needs a work pool of Prefect, and the environment has none"), "leave out --run, to show the logs of all flows"})
	}
	return s, h, nil
}

// showFlows shows the lines of all flows.
func (a *app) showFlows(ctx context.Context, s *session, f logFlags) error {
	logs, lines := s.FlowLogs(), 0
	show := func(l resource.LogLine) error {
		lines++
		return a.writeLine(l, true)
	}
	since := time.Now().Add(-f.since)
	if f.follow {
		a.following("log group " + logs.Group)
		return a.logsError(s, logs.Follow(ctx, since, show, func(context.Context) (bool, error) { return false, nil }))
	}
	a.busy("Reading log group %s", logs.Group)
	err := logs.Read(ctx, since, show)
	a.idle()
	if err == nil && lines == 0 {
		a.note("Flows have written nothing in the last %s; --since goes further back.", inWords(f.since))
	}
	return a.logsError(s, err)
}

// following says what the command follows. Off a terminal nobody has to be told again and again.
func (a *app) following(what string) {
	a.idle()
	if a.motion() {
		a.busy("Following %s; Ctrl-C stops", what)
	}
}

func (a *app) writeLine(l resource.LogLine, withTask bool) error {
	out := view.LogLine{At: l.At, Text: l.Text}
	if withTask {
		out.Task = l.Task
	}
	return view.WriteLogLine(a.out, out, a.options(os.Stdout))
}

// logsError adds to an error that the environment may not exist.
func (a *app) logsError(s *session, err error) error {
	if awserr.Classify(err) == awserr.Absent {
		return &hinted{fmt.Errorf("environment %s has no log group %s", s.env.Name, s.FlowLogs().Group), "run `flowbed up" + a.selection() + "` to build it"}
	}
	return err
}

// runPoll is the time between two questions to Prefect for a run.
const runPoll = 2 * time.Second

// showRun shows the lines of one run. It waits for the run's task only if it follows the run.
func (a *app) showRun(ctx context.Context, s *session, h *hello.Hello, f logFlags) error {
	a.busy("Asking Prefect for the run %s", f.run)
	run, err := h.API.FindRun(ctx, h.Pool, f.run)
	if errors.Is(err, prefect.ErrNotFound) {
		return &hinted{fmt.Errorf("there is no flow run %s in the work pool %s", f.run, h.Pool), "give the name or the id that Prefect shows; `flowbed hello` removes its own run, unless it is given --keep"}
	}
	for f.follow && err == nil && !run.State.Final() && taskOf(run) == "" {
		a.busy("Waiting for the task of the run %s, which is %s", run.Name, run.State.Name)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(runPoll):
			run, err = h.API.ReadRun(ctx, run.ID)
		}
	}
	switch {
	case err != nil:
		return err
	case taskOf(run) == "":
		return &hinted{fmt.Errorf("the flow run %s has no task: its state is %s", run.Name, run.State.Name), "`flowbed logs --follow` waits for the task of a run that has not ended"}
	}
	logs, lines := s.FlowLogs(), 0
	logs.Task, logs.Likely = taskOf(run), run.LogPrefix(h.Pool)
	show := func(l resource.LogLine) error {
		lines++
		return a.writeLine(l, false)
	}
	a.busy("Reading log group %s for the run %s", logs.Group, run.Name)
	if f.follow {
		a.following("the run " + run.Name)
		err = logs.Follow(ctx, run.Created, show, func(ctx context.Context) (bool, error) {
			now, err := h.API.ReadRun(ctx, run.ID)
			run.State = now.State
			return now.State.Final(), err
		})
	} else {
		err = logs.Read(ctx, run.Created, show)
	}
	a.idle()
	if err == nil {
		a.note("The state of the flow run %s is %s.", run.Name, run.State.Name)
		if lines == 0 {
			a.note("Its task %s has written nothing to %s so far.", logs.Task, logs.Group)
		}
	}
	return a.logsError(s, err)
}

// taskOf is the id of a run's task; empty if it has none.
func taskOf(run prefect.Run) string {
	_, arn := run.Task()
	return arn[strings.LastIndex(arn, "/")+1:]
}
