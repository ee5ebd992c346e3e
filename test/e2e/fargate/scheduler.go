//go:build linux

package fargate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// The service scheduler. ECS pauses longer, the more tasks have failed.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html
const (
	beat    = 200 * time.Millisecond
	restart = time.Second // after the end of a task, times the failures
)

// schedule keeps all services as they should be.
func (p *Player) schedule() {
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-time.After(beat):
		}
		p.mu.Lock()
		var start []moto.Object
		for _, s := range p.services {
			start = append(start, p.step(s)...)
		}
		p.mu.Unlock()
		for _, in := range start {
			p.fault("start a task of a service", p.startFor(p.ctx, in))
		}
	}
}

// startFor starts a task of a service.
func (p *Player) startFor(ctx context.Context, in moto.Object) error {
	status, out, err := p.runTask(ctx, in)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("ECS returned %d: %v", status, out)
	}
	return err
}

// step moves a service on. It returns the calls that start tasks. The caller holds the mutex.
func (p *Player) step(s *service) []moto.Object {
	switch s.status {
	case "INACTIVE":
		return nil
	case "DRAINING":
		p.drain(s)
		return nil
	}
	d := s.deployments[0]
	p.replaceUnhealthy(s)
	ended := d.countFailed(p.tasksOf(s, d))
	if d.state == "IN_PROGRESS" && s.breaker("enable") && d.failed >= max(3, min(200, s.desired/2)) {
		p.giveUp(s, d)
		return nil
	}
	mine := alive(p.tasksOf(s, d))
	for len(mine) > s.desired {
		mine[len(mine)-1].stopsLocked(scaled(d))
		mine = mine[:len(mine)-1]
	}
	p.relieve(s, d, mine)
	if d.state == "IN_PROGRESS" && len(wellOf(mine)) >= s.desired && p.left(s, d) == 0 {
		d.state, d.reason = "COMPLETED", "ECS deployment "+d.id+" completed."
		s.deployments = s.deployments[:1]
		s.says("(deployment %s) deployment completed.", d.id)
		s.says("has reached a steady state.")
	}
	most := s.desired * s.percent("maximumPercent", 200) / 100
	if d.state == "FAILED" || time.Since(ended) < restart*time.Duration(max(1, d.failed)) {
		return nil
	}
	var start []moto.Object
	for n := len(mine); n < s.desired && n+p.left(s, d) < most; n++ {
		start = append(start, s.call(d))
	}
	return start
}

// relieve stops the tasks of earlier deployments, as far as enough healthy ones are left.
func (p *Player) relieve(s *service, d *deployment, mine []*task) {
	if p.held {
		return
	}
	others := p.others(s, d)
	healthy := len(wellOf(mine)) + len(wellOf(others))
	for _, t := range others {
		if well(t) && healthy-1 < atLeast(s.desired*s.percent("minimumHealthyPercent", 100)) {
			continue
		}
		if well(t) {
			healthy--
		}
		t.stopsLocked(scaled(d))
	}
}

// atLeast rounds a number of hundredths of tasks up.
func atLeast(hundredths int) int { return (hundredths + 99) / 100 }

func scaled(d *deployment) ending {
	return ending{code: "ServiceSchedulerInitiated", reason: "Scaling activity initiated by (deployment " + d.id + ")"}
}

// call is the call that starts a task of a deployment.
func (s *service) call(d *deployment) moto.Object {
	in := moto.Object{
		"cluster": s.cluster, "taskDefinition": d.definition, "count": 1, "group": "service:" + s.name, "startedBy": d.id,
		"networkConfiguration": s.settings["networkConfiguration"], "launchType": "FARGATE",
	}
	if strategy := s.settings["capacityProviderStrategy"]; strategy != nil {
		in["capacityProviderStrategy"] = strategy
	}
	if s.settings["propagateTags"] == "SERVICE" {
		in["tags"] = slices.Clone(s.tags)
	}
	s.says("has started 1 tasks.")
	return in
}

// says adds an event of the service, the newest first.
func (s *service) says(format string, args ...any) {
	s.events = append([]moto.Object{{
		"id": fmt.Sprint(len(s.events)), "createdAt": float64(time.Now().UnixMilli()) / 1000, "message": "(service " + s.name + ") " + fmt.Sprintf(format, args...),
	}}, s.events...)
}

func (s *service) configuration() moto.Object {
	c, _ := s.settings["deploymentConfiguration"].(moto.Object)
	return c
}

func (s *service) percent(name string, otherwise int) int {
	switch v := s.configuration()[name].(type) {
	case float64:
		return int(v)
	case int:
		return v
	}
	return otherwise
}

func (s *service) breaker(name string) bool {
	b, _ := s.configuration()["deploymentCircuitBreaker"].(moto.Object)
	on, _ := b[name].(bool)
	return on
}

// alive returns the tasks that shall run.
func alive(tasks []*task) []*task {
	return slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return t.desired == "STOPPED" })
}

// others returns the tasks of earlier deployments that shall run.
func (p *Player) others(s *service, d *deployment) []*task {
	return slices.DeleteFunc(alive(p.tasksOf(s, nil)), func(t *task) bool { return text(t.view["startedBy"]) == d.id })
}

// left counts the tasks of earlier deployments that have not stopped.
func (p *Player) left(s *service, d *deployment) (n int) {
	for _, t := range p.tasksOf(s, nil) {
		if text(t.view["startedBy"]) != d.id && t.status != "STOPPED" {
			n++
		}
	}
	return n
}

// well reports whether a task runs and is healthy, if it has a health check.
func well(t *task) bool {
	return t.status == "RUNNING" && (t.only().Health == nil || t.healthy == "HEALTHY")
}

func wellOf(tasks []*task) []*task {
	return slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return !well(t) })
}

// replaceUnhealthy stops the tasks that are not healthy any more.
func (p *Player) replaceUnhealthy(s *service) {
	for _, t := range alive(p.tasksOf(s, nil)) {
		if t.healthy == "UNHEALTHY" {
			t.stopsLocked(ending{code: "ServiceSchedulerInitiated", reason: "Task failed container health checks"})
		}
	}
}

// countFailed counts the tasks that have failed, and returns when the last one ended.
func (d *deployment) countFailed(tasks []*task) (ended time.Time) {
	failed := 0
	for _, t := range tasks {
		if t.status != "STOPPED" || t.end == nil {
			continue
		}
		if at := t.times["stoppedAt"]; at.After(ended) {
			ended = at
		}
		if t.end.code == "TaskFailedToStart" || t.end.code == "EssentialContainerExited" || strings.Contains(t.end.reason, "health checks") {
			failed++
		}
	}
	if d.state == "IN_PROGRESS" {
		d.failed = failed
	}
	return ended
}

// giveUp ends a deployment whose tasks do not run. It goes back to the last one whose did.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
func (p *Player) giveUp(s *service, d *deployment) {
	d.state, d.reason = "FAILED", "ECS deployment circuit breaker: tasks failed to start."
	s.says("(deployment %s) deployment failed: tasks failed to start.", d.id)
	for _, t := range alive(p.tasksOf(s, d)) {
		t.stopsLocked(scaled(d))
	}
	if s.breaker("rollback") && d.good != "" {
		s.definition = d.good
		s.deploy("ECS deployment circuit breaker: rolling back to deploymentId " + d.id + ".")
		s.says("rolling back to deployment %s.", s.deployments[0].id)
	}
}

// drain stops the tasks of a deleted service, which is inactive when they are stopping.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html
func (p *Player) drain(s *service) {
	left := 0
	for _, t := range p.tasksOf(s, nil) {
		t.stopsLocked(scaled(s.deployments[0]))
		if slices.Contains([]string{"PROVISIONING", "PENDING", "RUNNING"}, t.status) {
			left++
		}
	}
	if left == 0 {
		s.status, s.deployments = "INACTIVE", nil
	}
}
