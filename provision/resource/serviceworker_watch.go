package resource

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// ServiceWatch looks at the tasks of a service while up waits for its workers, to find out
// whether they cannot start.
type ServiceWatch struct {
	begun time.Time
	next  time.Time // of the next look
	back  time.Time // when the service was first seen at another revision; zero if it is at ours
	pool  Watch
}

// enough is how many tasks have to die of the same cause before up gives up. ECS itself goes
// on until its circuit breaker has counted three, which takes minutes.
const enough = 2

// Quit implements provision.Quitter.
func (w ServiceWorker) Quit(ctx context.Context, have ServiceWorkerState) error {
	if w.Watch == nil || have.Service == "" {
		return nil
	}
	now := time.Now()
	if w.Watch.begun.IsZero() {
		w.Watch.begun = now
	}
	if w.Watch.pool.poolGone(have.noPool) {
		return &ServiceFailed{w.Name, "the work pool " + w.Worker.Pool + " does not exist any more", "run `flowbed up` again: it creates the pool"}
	}
	d, _ := w.Definition.Get()
	over := w.Watch.over(have, d.ARN, w.moved(d.ARN))
	if !over && now.Before(w.Watch.next) {
		return nil
	}
	w.Watch.next = now.Add(nextLook)
	if c, ok := w.deadly(ctx, d.ARN, over); ok {
		return &ServiceFailed{w.Name, c.what, c.todo}
	}
	switch {
	case over && have.Definition != d.ARN:
		return &ServiceFailed{w.Name, "its new tasks did not become healthy, and ECS went back to the task definition before",
			"`flowbed agent logs` shows the log; correct the file, and run `flowbed up` again"}
	case over:
		return &ServiceFailed{w.Name, "its tasks did not become healthy, and ECS starts no more",
			"`flowbed agent logs` shows the log; then run `flowbed agent restart`, or correct the file and run `flowbed up`"}
	}
	return nil
}

// moved reports whether the service has moved to a revision in this run.
func (w ServiceWorker) moved(definition string) bool {
	s, _ := w.Service.Get()
	return s.Definition == definition
}

// over reports whether ECS starts no more tasks of a revision: it has given up, or gone back to
// the one before. A reading may be older than the move to the new one.
func (w *ServiceWatch) over(have ServiceWorkerState, definition string, moved bool) bool {
	if have.Definition == definition {
		w.back = time.Time{}
		return have.Rollout == "FAILED"
	}
	if !moved {
		return false
	}
	if w.back.IsZero() {
		w.back = time.Now()
	}
	return have.Rollout == rolledBack || time.Since(w.back) > firstLook
}

// deadly returns the cause of which tasks of a revision have died since the wait began, if
// enough of them have; if it is over, one is enough.
func (w ServiceWorker) deadly(ctx context.Context, definition string, over bool) (taskCause, bool) {
	dead, err := w.tasks(ctx, types.DesiredStatusStopped)
	if err != nil { // no news about the tasks: the next look may succeed
		return taskCause{}, false
	}
	seen := map[string]int{}
	for _, t := range newestFirst(dead) {
		if !died(t) || deref(t.TaskDefinitionArn) != definition || deref(t.StoppedAt).Before(w.Watch.begun.Add(-maxClockSkew)) {
			continue
		}
		c, ok := causeOf(t)
		seen[c.what]++
		if ok && (over || seen[c.what] >= enough) {
			return c, true
		}
	}
	return taskCause{}, false
}

func newestFirst(tasks []types.Task) []types.Task {
	slices.SortFunc(tasks, func(a, b types.Task) int {
		return cmp.Or(deref(b.StoppedAt).Compare(deref(a.StoppedAt)), cmp.Compare(deref(a.TaskArn), deref(b.TaskArn)))
	})
	return tasks
}

// ServiceFailed is the error of a wait for workers that cannot start.
type ServiceFailed struct {
	Service, Why, Remedy string
}

func (e *ServiceFailed) Error() string {
	return fmt.Sprintf("the tasks of service %s cannot start: %s → %s", e.Service, e.Why, e.Remedy)
}

// Hint is what to do about it.
func (e *ServiceFailed) Hint() string { return e.Remedy }

// taskCause is a cause of death that the words of ECS tell, and its cure.
type taskCause struct {
	text       string // a regular expression, regardless of case
	what, todo string
}

const (
	otherSubnets = "use subnets with a route to the internet (network.subnets), or with a NAT gateway"
	repairRole   = "run `flowbed up`, which repairs the execution role; to a role that somebody else created, add the permission"
)

// taskCauses are in the order in which they are tried. The texts are those of
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
var taskCauses = []taskCause{
	{`cannotpull.*toomanyrequests`, "Docker Hub limits how often this address may pull images",
		"copy the image to ECR, and set it as image in the service block"},
	{`cannotpull.*(i/o timeout|context deadline|dial tcp|no such host|client\.timeout)`, "a task does not reach the registry of its image: its subnet has no way out", otherSubnets},
	{`cannotpull.*(descriptor matching platform|no matching manifest)|exec format error`, "the image is for another CPU architecture",
		"use an image for X86_64 (image in the service block)"},
	{`cannotpull.*(403|no basic auth|denied|not authorized|unauthorized)`, "ECS may not pull the image",
		"correct image in the service block, or let the execution role pull it"},
	{`cannotpull`, "the image cannot be pulled", "correct image in the service block, or push that image"},
	{`(logger args|logging driver|log stream).*(signal: killed|timed? ?out|deadline)`, "a task does not reach CloudWatch Logs: its subnet has no way out", otherSubnets},
	{`(logger args|logging driver|createlogstream).*(accessdenied|not authorized)`, "the execution role may not write the log", repairRole},
	{`logger args|logging driver|log group does not exist`, "the log group is missing, or cannot be written", "run `flowbed up`, which creates the log group again"},
	{`resourceinitializationerror.*(secret|ssm|kms).*(accessdenied|not authorized)`, "the execution role may not read the secret", repairRole},
	{`resourceinitializationerror.*(invalid ssm parameters|parameternotfound|can't find the specified secret|secretsmanager.*resourcenotfound)`,
		"the secret does not exist", "run `flowbed up`, which writes it again"},
	{`resourceinitializationerror`, "a task does not reach an endpoint of AWS: its subnet has no way out", otherSubnets},
	{`unable to assume (the )?role|was unable to assume`, "ECS may not assume the roles of the task", "run `flowbed up`, which repairs their trust policies"},
	{`outofmemory`, "a worker ran out of memory", "set memory in the service block to more"},
	{`exit code 137`, "a worker was killed, probably because it ran out of memory", "set memory in the service block to more"},
}

// causeOf returns why a task died, if the words of ECS tell it.
func causeOf(t types.Task) (taskCause, bool) {
	said := TaskEnding(t)
	for _, c := range taskCauses {
		if regexp.MustCompile(`(?i)` + c.text).MatchString(said) {
			return c, true
		}
	}
	return taskCause{}, false
}

// Explain implements provision.Explainer. It returns the newest events of the service, how its
// newest tasks ended, and the last lines of the log of the newest.
func (w ServiceWorker) Explain(ctx context.Context, _ ServiceWorkerState) string {
	ctx, cancel := context.WithTimeoutCause(ctx, causeTime, fmt.Errorf("no answer for %s", causeTime))
	defer cancel()
	var parts []string
	if s, err := w.service().Read(ctx); err == nil {
		if text := w.service().Explain(ctx, s); text != "" {
			parts = append(parts, text)
		}
		if r := s.primary().Reason; r != "" {
			parts = append(parts, "its deployment: "+r)
		}
	}
	dead, err := w.tasks(ctx, types.DesiredStatusStopped)
	if err != nil {
		return strings.Join(append(parts, "cannot read the stopped tasks: "+withoutRequest(err)), "\n")
	}
	dead = newestFirst(slices.DeleteFunc(dead, func(t types.Task) bool { return !died(t) }))
	if len(dead) == 0 {
		return strings.Join(append(parts, "no task has died in the last hour"), "\n")
	}
	const shown = 3
	for _, t := range dead[:min(shown, len(dead))] {
		parts = append(parts, "task "+lastPart(deref(t.TaskArn))+" ended: "+redact(TaskEnding(t)))
	}
	lines, err := w.Log(ctx, lastPart(deref(dead[0].TaskArn)), lastLines)
	switch {
	case awserr.Classify(err) == awserr.Absent: // it has not come so far
	case err != nil:
		parts = append(parts, "cannot read its log: "+withoutRequest(err))
	case len(lines) > 0:
		parts = append(parts, "the log of "+lastPart(deref(dead[0].TaskArn))+" ends with:\n"+strings.Join(lines, "\n"))
	}
	return strings.Join(parts, "\n")
}

const lastLines = 12

// Log returns the last lines of a task's log, without what may be secret.
func (w ServiceWorker) Log(ctx context.Context, task string, most int) (lines []string, err error) {
	stream := w.Container + "/" + w.Container + "/" + task
	out, err := w.Logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{
		LogGroupName: &w.LogGroup, LogStreamName: &stream, Limit: new(int32(most)), StartFromHead: new(false),
	})
	if err != nil {
		return nil, fmt.Errorf("read log stream %s: %w", stream, err)
	}
	for _, e := range out.Events {
		lines = append(lines, redact(deref(e.Message)))
	}
	return lines, nil
}

// Tasks returns the ids of the service's tasks: those that run, the newest first, or else the
// newest that has ended.
func (w ServiceWorker) Tasks(ctx context.Context) (ids []string, err error) {
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		list, err := w.tasks(ctx, status)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(list, func(a, b types.Task) int { return deref(b.CreatedAt).Compare(deref(a.CreatedAt)) })
		for _, t := range list {
			ids = append(ids, lastPart(deref(t.TaskArn)))
		}
		if len(ids) > 0 {
			if status == types.DesiredStatusStopped {
				ids = ids[:1]
			}
			return ids, nil
		}
	}
	return nil, nil
}
