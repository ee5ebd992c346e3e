package hello

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/prefect"
)

const (
	// How long a run may wait for its worker before the reason is of interest. A worker asks
	// for runs every 10 seconds, or a little more, and reports every 30 seconds.
	patience = 40 * time.Second
	// How long Prefect may take to hear of the end of a task, if it hears of it. The task
	// itself reports before it ends.
	settling = 15 * time.Second
	// How long Prefect's API may be away.
	outage = time.Minute
)

// watch tells what happens to the run until it ends. It reports lost if the run's task has
// ended and the run has not.
func (f *attempt) watch(ctx context.Context) (lost bool, err error) {
	heard := time.Now()
	var stopped time.Time
	for {
		if err := f.look(ctx); err == nil {
			heard = time.Now()
		} else if err := f.hopeless(ctx, err, time.Since(heard)); err != nil {
			return false, err
		}
		if f.run.State.Final() {
			return false, f.rest(ctx)
		}
		if f.task.stopped() && stopped.IsZero() {
			stopped = time.Now()
		}
		switch {
		case f.task.stopped() && (!f.task.ran() || time.Since(stopped) >= settling):
			return true, nil
		case time.Since(f.began) >= f.Timeout:
			return false, f.timedOut(ctx)
		}
		if err := pause(ctx, f.pace()); err != nil {
			return false, err
		}
	}
}

// hopeless returns the error to end with after a look that failed, or nil to look again.
// silence is how long ago the last good look was.
func (f *attempt) hopeless(ctx context.Context, err error, silence time.Duration) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, prefect.ErrNotFound):
		return fmt.Errorf("the flow run %s has been deleted: %w", f.run.Name, err)
	case !prefect.Retry(err) && !awserr.Retry(err) || silence > outage:
		return err
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// look reads the run, its log and its task once, and tells what is new.
func (f *attempt) look(ctx context.Context) error {
	run, err := f.API.ReadRun(ctx, f.run.ID)
	if err != nil {
		return err
	}
	changed := run.State.ID != f.run.State.ID || len(f.seen) == 0
	f.run = run
	var news []Event
	if changed {
		if news, err = f.states(ctx); err != nil {
			return err
		}
	}
	lines, err := f.log(ctx)
	f.tellInOrder(append(news, lines...))
	if err != nil {
		return err
	}
	if err := f.lookAtTask(ctx); err != nil {
		return err
	}
	if run.State.Type == prefect.Scheduled && time.Since(f.began) >= patience {
		return f.tellWhyWaiting(ctx)
	}
	return nil
}

// tellInOrder tells events in the order of their times.
func (f *attempt) tellInOrder(news []Event) {
	slices.SortStableFunc(news, func(a, b Event) int { return a.Time.Compare(b.Time) })
	for _, e := range news {
		f.tell(e)
	}
}

// states returns the states that were not told. There may be several since the last look.
func (f *attempt) states(ctx context.Context) (news []Event, err error) {
	list, err := f.API.States(ctx, f.run.ID)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if f.seen[s.ID] {
			continue
		}
		f.seen[s.ID] = true
		f.started = f.started || s.Type == prefect.Running
		news = append(news, Event{Kind: State, Time: s.Time, Name: s.Name, Text: s.Message})
	}
	return news, nil
}

// overlap is how many lines log reads again. The worker and the task both write to the log,
// and a line of one may arrive after later lines of the other.
const overlap = 20

// log returns the lines of the log that were not told.
func (f *attempt) log(ctx context.Context) (news []Event, err error) {
	for {
		list, err := f.API.Logs(ctx, f.run.ID, max(0, len(f.lines)-overlap))
		if err != nil {
			return news, err
		}
		fresh := 0
		for _, l := range list {
			if f.seen[l.ID] {
				continue
			}
			fresh++
			f.seen[l.ID] = true
			f.lines = append(f.lines, l.Message)
			news = append(news, Event{Kind: Log, Time: l.Time, Source: FromPrefect, Text: strings.TrimRight(l.Message, "\n")})
		}
		if fresh < 2*overlap { // otherwise there may be another page
			return news, nil
		}
	}
}

// rest tells the last lines of the log of a run that has ended. They may arrive a moment later.
func (f *attempt) rest(ctx context.Context) error {
	if err := pause(ctx, f.pace()); err != nil {
		return err
	}
	news, err := f.log(ctx)
	f.tellInOrder(news)
	return err
}

// tellWhyWaiting tells why no worker takes the run, if that can be seen.
func (f *attempt) tellWhyWaiting(ctx context.Context) error {
	why, _, err := f.whyWaiting(ctx)
	if err != nil || why == f.told {
		return err
	}
	f.told = why
	f.note("the run waits: %s", why)
	return nil
}

// whyWaiting returns why no worker takes the run, and what the user can do.
func (f *attempt) whyWaiting(ctx context.Context) (why, todo string, err error) {
	pool, err := f.API.ReadPool(ctx, f.Pool)
	if err != nil {
		return "", "", err
	}
	if pool.Paused {
		return "the work pool " + f.Pool + " is paused", "resume it: prefect work-pool resume " + f.Pool, nil
	}
	last, online, err := f.lastWorker(ctx)
	switch {
	case err != nil:
		return "", "", err
	case !online:
		a := f.offline(last)
		return a.Error(), a.hint, nil
	case !last.Heartbeat.After(f.heartbeat) && time.Since(f.began) >= patience:
		return fmt.Sprintf("no worker of the work pool %s has reported since the run began%s, so the last one has probably ended", f.Pool, heard(last)), f.startWorker(), nil
	}
	if pool.Limit != nil && *pool.Limit == 0 {
		return "the limit is 0, so no run starts", raiseLimit, nil
	}
	if pool.Limit != nil {
		n, err := f.API.CountActive(ctx, f.Pool)
		if err != nil {
			return "", "", err
		}
		if n >= *pool.Limit {
			return fmt.Sprintf("the work pool's concurrency limit of %d is used up (%d active)", *pool.Limit, n),
				"wait until one of them ends, cancel those whose tasks are gone, or set a higher concurrency_limit", nil
		}
	}
	if f.Timeout < patience {
		return fmt.Sprintf("a worker of the work pool %s is online, but a worker takes up to %s to see a run, which is longer than the timeout", f.Pool, patience),
			"use a longer --timeout", nil
	}
	queue := "default queue"
	if f.Queue != "" {
		queue = "queue " + f.Queue
	}
	return fmt.Sprintf("a worker of the work pool %s is online, but has not taken the run; either it does not poll the pool's %s, or that queue is paused or at its limit", f.Pool, queue),
		"look at the pool's work queues in Prefect, and at the worker's log", nil
}

// timedOut is the error of a run that takes too long.
func (f *attempt) timedOut(ctx context.Context) error {
	e := &Failure{
		What: fmt.Sprintf("the run has not ended after %s; its state is %s", f.Timeout, f.run.State.Name),
		Todo: "to wait longer, use --timeout", Section: sectionPending,
	}
	if f.run.State.Type == prefect.Scheduled {
		why, todo, err := f.whyWaiting(ctx)
		if err != nil {
			return err
		}
		e.What += ": " + why
		e.Todo = todo
	} else if f.task.status != "" {
		e.What += ", and its task " + f.task.id() + " is " + f.task.status
	}
	return e
}
