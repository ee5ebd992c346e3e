package ecs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// The service scheduler: it starts the tasks of services, replaces those that have ended, and
// moves a service from one deployment to the next.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html

func init() { core.AsTimePasses(scheduleAll) }

// ofService starts what has started the task of a service: a deployment.
const ofService = "ecs-svc/"

type deployment struct {
	ID         string    `json:"id"`
	Definition string    `json:"definition"` // ARN
	State      string    `json:"state"`
	Reason     string    `json:"reason"`
	Created    time.Time `json:"created"`
	Failed     int32     `json:"failed,omitempty"`
	Back       bool      `json:"back,omitempty"` // goes back to the definition before
	Good       string    `json:"good,omitempty"` // the definition of the last completed one before
}

func scheduleAll(call *core.Request) {
	all := part.All(call)
	for _, region := range core.SortedKeys(all) {
		r := &request{call.In(region)}
		for _, s := range core.Sorted(all[region].Services) {
			r.schedule(s)
		}
		r.forget()
	}
}

// deploy begins a deployment of the service as it is now.
func (r *request) deploy(s *ecsService, back string) {
	d := &deployment{ID: fmt.Sprintf("%s%019d", ofService, r.Next()), Definition: s.Definition, State: "IN_PROGRESS", Created: r.Now}
	d.Reason = "ECS deployment " + d.ID + " in progress."
	if len(s.Deployments) > 0 {
		last := s.Deployments[0]
		d.Good = last.Good
		if last.State == "COMPLETED" {
			d.Good = last.Definition
		}
	}
	if back != "" {
		d.Back, d.Reason = true, "ECS deployment circuit breaker: rolling back to deploymentId "+d.ID+"."
	}
	s.Deployments = append([]*deployment{d}, s.Deployments...)
}

// tasksOf returns the tasks of a service, the oldest first.
func (r *request) tasksOf(s *ecsService) (list []*task) {
	for _, arn := range slices.Sorted(maps.Keys(r.db().Tasks)) {
		if t := r.db().Tasks[arn]; t.Cluster == s.Cluster && t.Group == "service:"+s.Name {
			list = append(list, t)
		}
	}
	slices.SortStableFunc(list, func(a, b *task) int { return a.Created.Compare(b.Created) })
	return list
}

// The pauses of the scheduler, and how long ECS shows a task that has stopped.
const (
	replacePause = 5 * time.Second
	forgetAfter  = time.Hour
)

func (r *request) schedule(s *ecsService) {
	if s.Status == "INACTIVE" {
		return
	}
	tasks := r.refreshTasks(s)
	if s.Status == "DRAINING" {
		r.drain(s, tasks)
		return
	}
	p := s.Deployments[0]
	mine := alive(tasks, p, true)
	last := p.count(tasks)
	if p.State == "IN_PROGRESS" && s.Rollout.Breaker && p.Failed >= max(3, min(200, s.Desired/2)) {
		r.breaks(s, p, mine)
		return
	}
	r.scale(s, p, mine, last)
	running := slices.DeleteFunc(slices.Clone(mine), func(t *task) bool { return t.Status != "RUNNING" || r.Now.Sub(t.Created) < r.Account.HealthTime })
	if len(running) < int(s.Desired) {
		return
	}
	for _, t := range alive(tasks, p, false) {
		r.stops(t, "Scaling activity initiated by (deployment "+p.ID+")")
	}
	if p.State == "IN_PROGRESS" && len(alive(tasks, p, false)) == 0 {
		p.State, p.Reason = "COMPLETED", "ECS deployment "+p.ID+" completed."
		s.Deployments = s.Deployments[:1]
		s.says(r.Now, "(deployment %s) deployment completed.", p.ID)
	}
}

// refreshTasks ends the tasks of a service whose time to stop is over, and forgets old ones.
func (r *request) refreshTasks(s *ecsService) []*task {
	tasks := slices.DeleteFunc(r.tasksOf(s), func(t *task) bool {
		old := t.Status == "STOPPED" && t.End != nil && r.Now.Sub(t.End.At) > forgetAfter
		if old {
			delete(r.db().Tasks, t.ARN)
		}
		return old
	})
	for _, t := range tasks {
		if e := t.Stopping; e != nil && t.Status != "STOPPED" && !r.Now.Before(e.At) {
			Ends(r.Request, t.ARN, *e)
		}
	}
	return tasks
}

// scale starts the tasks that are missing, and stops those that are too many. It starts one
// only some time after the last has ended.
func (r *request) scale(s *ecsService, p *deployment, mine []*task, last time.Time) {
	due := p.Created
	if !last.IsZero() {
		due = last.Add(replacePause * time.Duration(max(1, p.Failed)))
	}
	for n := len(mine); n < int(s.Desired) && p.State != "FAILED" && !due.After(r.Now); n++ {
		r.startFor(s, p, due)
	}
	for n := len(mine) - 1; n >= int(s.Desired); n-- {
		r.stops(mine[n], "Scaling activity initiated by (deployment "+p.ID+")")
	}
}

// alive returns the tasks of a deployment that are meant to run, or those of all others that
// have not stopped.
func alive(tasks []*task, p *deployment, mine bool) (list []*task) {
	for _, t := range tasks {
		if t.Status != "STOPPED" && (t.StartedBy == p.ID) == mine && (!mine || t.Stopping == nil) {
			list = append(list, t)
		}
	}
	return list
}

// count counts the tasks that have failed before the deployment was completed, and returns when
// the last task ended.
func (p *deployment) count(tasks []*task) (last time.Time) {
	var failed int32
	for _, t := range tasks {
		if t.StartedBy != p.ID || t.Status != "STOPPED" || t.End == nil {
			continue
		}
		if last.Before(t.End.At) {
			last = t.End.At
		}
		if t.End.Code == string(types.TaskStopCodeTaskFailedToStart) || t.End.Code == string(types.TaskStopCodeEssentialContainerExited) {
			failed++
		}
	}
	if p.State == "IN_PROGRESS" {
		p.Failed = failed
	}
	return last
}

// breaks ends a deployment whose tasks do not start. It goes back to the last one that did.
func (r *request) breaks(s *ecsService, p *deployment, mine []*task) {
	p.State, p.Reason = "FAILED", "ECS deployment circuit breaker: tasks failed to start."
	s.says(r.Now, "(deployment %s) deployment failed: tasks failed to start.", p.ID)
	for _, t := range mine {
		r.stops(t, "Deployment "+p.ID+" failed")
	}
	if s.Rollout.Rollback && p.Good != "" {
		s.Definition = p.Good
		r.deploy(s, p.ID)
		s.says(r.Now, "rolling back to deployment %s.", s.Deployments[0].ID)
	}
}

// drain stops the tasks of a deleted service. It is INACTIVE when each of them is STOPPING or
// STOPPED.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html
func (r *request) drain(s *ecsService, tasks []*task) {
	left := 0
	for _, t := range tasks {
		r.stops(t, "Scaling activity initiated by (deployment "+s.Deployments[0].ID+")")
		if status := r.status(t); status != "STOPPED" && status != "STOPPING" {
			left++
		}
	}
	if left == 0 {
		s.Status, s.Deployments, s.Tags = "INACTIVE", nil, core.Tags{}
	}
}

// stops lets a task end as the scheduler wishes.
func (r *request) stops(t *task, reason string) {
	if t.Status == "STOPPED" || t.Stopping != nil {
		return
	}
	t.Stopping = &TaskEnd{At: r.Now.Add(r.Account.StopTime), Code: string(types.TaskStopCodeServiceSchedulerInitiated), Reason: reason}
	if t.Status == "RUNNING" {
		t.Stopping.Exit = aws.Int32(0)
	}
	if r.Account.StopTime == 0 {
		Ends(r.Request, t.ARN, *t.Stopping)
	}
}

// startFor starts a task of a deployment.
func (r *request) startFor(s *ecsService, p *deployment, at time.Time) {
	provider := "FARGATE"
	if len(s.Strategy) > 0 {
		provider = s.Strategy[0].Provider
	}
	t := &task{
		ARN: r.arnOf(fmt.Sprintf("task/%[1]s/%08[2]x%024[2]x", s.Cluster, r.Next())), Cluster: s.Cluster, Status: "PROVISIONING", Provider: provider,
		Definition: p.Definition, Group: "service:" + s.Name, StartedBy: p.ID, Created: at, Network: s.Network,
	}
	if s.Propagate == "SERVICE" {
		t.Tags = maps.Clone(s.Tags)
	}
	if err := r.attach(t); err != nil {
		s.says(at, "was unable to place a task. Reason: %v.", err)
		return
	}
	r.db().Tasks[t.ARN] = t
	_ = r.tell(t)
	s.says(at, "has started 1 tasks: (task %s).", t.ARN[strings.LastIndex(t.ARN, "/")+1:])
}
