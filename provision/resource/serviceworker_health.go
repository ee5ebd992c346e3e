package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
)

// ServiceHealth is how the agent's service is, for people who have not just run up.
type ServiceHealth struct {
	Running  int      // tasks that run, and are not known to be unhealthy
	Desired  int      // of the service
	Troubles []Fault  // the worst first
	Said     []string // what ECS has said about the service last, if there are troubles
}

// Fault is what is wrong, and what to do about it.
type Fault struct {
	What, Todo string
	Fatal      bool // no worker can come while it lasts
}

// rolloutTime is how long the replacement of tasks takes at most, with the pauses of ECS
// between tasks that fail, and the time in which the old ones end.
const rolloutTime = 30 * time.Minute

// Health reads how the service is. It returns provision.ErrAbsent if there is none.
func (w ServiceWorker) Health(ctx context.Context) (h ServiceHealth, err error) {
	s, err := w.service().Read(ctx)
	if err != nil {
		return h, err
	}
	h.Desired = s.Desired
	if s.Status != serviceActive {
		h.Troubles = []Fault{{"it is " + strings.ToLower(s.Status) + ": somebody has deleted it", "run `flowbed up`, which creates it again", true}}
		return h, nil
	}
	var running, stopped []types.Task
	var revisions TaskDefinitionState
	err = parallel(ctx,
		func(ctx context.Context) (err error) {
			revisions, err = w.definition().Read(ctx)
			if errors.Is(err, provision.ErrAbsent) { // all are deregistered; the service goes on
				err = nil
			}
			return err
		},
		func(ctx context.Context) (err error) {
			running, err = w.tasks(ctx, types.DesiredStatusRunning)
			return err
		},
		func(ctx context.Context) (err error) {
			stopped, err = w.tasks(ctx, types.DesiredStatusStopped)
			return err
		},
	)
	if err != nil {
		return ServiceHealth{}, err
	}
	for _, t := range running {
		if deref(t.LastStatus) == "RUNNING" && t.HealthStatus != types.HealthStatusUnhealthy {
			h.Running++
		}
	}
	h.Troubles = append(w.deployed(s, revisions.Revision), h.died(stopped)...)
	if h.Running < h.Desired && len(h.Troubles) == 0 && time.Since(s.primary().Created) > restartTime {
		h.Troubles = []Fault{{fmt.Sprintf("%d of %d workers run", h.Running, h.Desired), "`flowbed agent logs` shows what ECS has said", h.Running == 0}}
	}
	if len(h.Troubles) > 0 {
		h.Said = w.service().Events(ctx)
	}
	return h, nil
}

// deployed tells what is wrong with the service's deployment.
func (w ServiceWorker) deployed(s ServiceState, newest Revision) []Fault {
	d := s.primary()
	reason := ""
	if d.Reason != "" {
		reason = ": " + d.Reason
	}
	const todo = "`flowbed agent logs` shows the log; correct the file, and run `flowbed up`"
	switch r := w.rollout(s); {
	case r == "FAILED":
		return []Fault{{"its deployment has failed, and ECS starts no more tasks" + reason, "`flowbed agent logs` shows the log; then run `flowbed agent restart`, or correct the file and run `flowbed up`", true}}
	case r == rolledBack:
		return []Fault{{"its new tasks did not become healthy, and ECS went back to the task definition before, " + lastPart(s.Definition), todo, false}}
	case r == "COMPLETED" && newest.ARN != "" && newest.ARN != s.Definition && newest.Tags.Owner().By == w.ID.Owner():
		return []Fault{{fmt.Sprintf("it runs %s and not %s, the newest: ECS has gone back, or an up was interrupted", lastPart(s.Definition), lastPart(newest.ARN)), "run `flowbed up`", false}}
	case r != "COMPLETED" && time.Since(d.Created) > rolloutTime:
		return []Fault{{fmt.Sprintf("its deployment began %s ago, and is not completed", time.Since(d.Created).Truncate(time.Minute)), todo, false}}
	}
	return nil
}

// died tells of what tasks have died. ECS knows those of the last hour.
func (h ServiceHealth) died(stopped []types.Task) (list []Fault) {
	count := map[Fault]int{}
	var order []Fault
	for _, t := range newestFirst(slices.DeleteFunc(stopped, func(t types.Task) bool { return !died(t) })) {
		f := Fault{What: redact(TaskEnding(t)), Todo: "`flowbed agent logs` shows the log"}
		if c, ok := causeOf(t); ok {
			f = Fault{What: c.what, Todo: c.todo}
		}
		if count[f]++; count[f] == 1 {
			order = append(order, f)
		}
	}
	for _, f := range order {
		what := "a task has died in the last hour: " + f.What
		if n := count[f]; n > 1 {
			what = fmt.Sprintf("%d tasks have died in the last hour: %s", n, f.What)
		}
		list = append(list, Fault{what, f.Todo, h.Running == 0})
	}
	return list
}
