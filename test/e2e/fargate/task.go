//go:build linux

package fargate

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// task is a task on its way through its life. The player's mutex guards what changes.
type task struct {
	p          *Player
	id, arn    string
	definition definition
	overrides  overrides

	view    moto.Object // as RunTask returned it
	tags    []any
	status  string
	desired string
	version int
	times   map[string]time.Time
	end     *ending
	healthy string // what the health check says; empty without one
	said    log
	runs    *container    // nil before it runs
	asked   chan struct{} // closed when it shall stop
}

// ending says why a task stops or stopped. The zero exit code counts only if exited is set.
type ending struct {
	code, reason string
	container    string // the reason in the container; empty for none
	exit         int
	exited       bool
}

// definition is what the player uses of a task definition.
type definition struct {
	ARN           string       `json:"taskDefinitionArn"`
	Family        string       `json:"family"`
	Revision      int          `json:"revision"`
	CPU           string       `json:"cpu"`
	Memory        string       `json:"memory"`
	TaskRole      string       `json:"taskRoleArn"`
	ExecutionRole string       `json:"executionRoleArn"`
	Containers    []containers `json:"containerDefinitions"`
}

type containers struct {
	Name        string        `json:"name"`
	Image       string        `json:"image"`
	EntryPoint  []string      `json:"entryPoint"`
	Command     []string      `json:"command"`
	Directory   string        `json:"workingDirectory"`
	Environment []variable    `json:"environment"`
	Secrets     []secret      `json:"secrets"`
	StopTimeout *int          `json:"stopTimeout"`
	Health      *health       `json:"healthCheck"`
	Log         *logConfigure `json:"logConfiguration"`
}

type variable struct{ Name, Value string }

type secret struct{ Name, ValueFrom string }

type health struct {
	Command []string `json:"command"`
	Timeout int      `json:"timeout"`
	Retries int      `json:"retries"`
}

type logConfigure struct {
	Driver  string            `json:"logDriver"`
	Options map[string]string `json:"options"`
}

// overrides are what RunTask changes of a definition.
type overrides struct {
	TaskRole      string `json:"taskRoleArn"`
	ExecutionRole string `json:"executionRoleArn"`
	Containers    []struct {
		Name        string     `json:"name"`
		Command     []string   `json:"command"`
		Environment []variable `json:"environment"`
	} `json:"containerOverrides"`
}

func (t *task) family() string { return t.definition.Family }

// service is the name of the task's service; empty for a task that RunTask started.
func (t *task) service() string {
	name, _ := strings.CutPrefix(text(t.view["group"]), "service:")
	if name == text(t.view["group"]) {
		return ""
	}
	return name
}

func (t *task) taskRole() string { return first(t.overrides.TaskRole, t.definition.TaskRole) }

func (t *task) executionRole() string {
	return first(t.overrides.ExecutionRole, t.definition.ExecutionRole)
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// only is the task's container. The player runs tasks with one.
func (t *task) only() containers { return t.definition.Containers[0] }

// command is what the container runs, and its environment without the secrets.
func (t *task) command() (args []string, env map[string]string) {
	c := t.only()
	args, env = c.Command, map[string]string{}
	for _, v := range c.Environment {
		env[v.Name] = v.Value
	}
	for _, o := range t.overrides.Containers {
		if o.Name != c.Name {
			continue
		}
		if len(o.Command) > 0 {
			args = o.Command
		}
		for _, v := range o.Environment {
			env[v.Name] = v.Value
		}
	}
	return append(append([]string{}, c.EntryPoint...), args...), env
}

func (t *task) container() *container {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.runs
}

// live takes the task through its life.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
func (t *task) live() {
	ctx := t.p.ctx
	t.becomes(ctx, "PROVISIONING")
	t.becomes(ctx, "PENDING")
	c, err := t.prepare(ctx)
	if t.cancelled() {
		t.p.mu.Lock()
		end := *t.end
		t.p.mu.Unlock()
		t.ends(ctx, end)
		return
	}
	if err == nil {
		err = c.start(ctx)
		t.p.fault("start the container of task "+t.id, err)
	}
	if err != nil {
		t.ends(ctx, ending{code: "TaskFailedToStart", reason: err.Error()})
		return
	}
	defer c.remove()
	t.p.mu.Lock()
	t.runs = c
	t.p.mu.Unlock()
	t.becomes(ctx, "RUNNING")
	exit := t.attend(ctx, c)
	if ctx.Err() != nil {
		return
	}
	t.p.mu.Lock()
	end := ending{code: "EssentialContainerExited", reason: "Essential container in task exited"}
	if t.end != nil {
		end = *t.end
	}
	t.runs = nil
	t.p.mu.Unlock()
	end.exit, end.exited = exit, true
	t.ends(ctx, end)
}

// attend checks the container's health and forwards its log until it has ended. It returns
// the exit code.
func (t *task) attend(ctx context.Context, c *container) int {
	checks, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { t.check(checks, c) })
	beside.Go(func() { t.forward(ctx, c) })
	exit := t.wait(ctx, c)
	cancel()
	beside.Wait()
	return exit
}

// wait waits until the container has ended, and stops it when it shall. It returns the exit
// code.
func (t *task) wait(ctx context.Context, c *container) int {
	select {
	case <-c.ended:
		return c.exit()
	case <-ctx.Done():
		c.kill()
	case <-t.asked:
		t.becomes(ctx, "STOPPING")
		c.terminate()
	}
	grace := 30 * time.Second // ECS's default
	if s := t.only().StopTimeout; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	select {
	case <-c.ended:
	case <-ctx.Done():
		c.kill()
	case <-time.After(grace):
		c.kill()
	}
	<-c.ended
	return c.exit()
}

// cancelled reports whether the task shall stop.
func (t *task) cancelled() bool {
	select {
	case <-t.asked:
		return true
	default:
		return false
	}
}

// stops asks a task to stop.
func (t *task) stops(e ending) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.stopsLocked(e)
}

// stopsLocked asks a task to stop. The caller holds the mutex.
func (t *task) stopsLocked(e ending) {
	if t.desired == "STOPPED" {
		return
	}
	t.desired, t.end = "STOPPED", &e
	close(t.asked)
}

// becomes records and tells a status.
func (t *task) becomes(ctx context.Context, status string) {
	t.p.mu.Lock()
	t.status = status
	t.version++
	switch status {
	case "PENDING":
		t.times["pullStartedAt"] = time.Now()
	case "RUNNING":
		t.times["pullStoppedAt"], t.times["startedAt"] = time.Now(), time.Now()
	case "STOPPED":
		t.times["stoppedAt"] = time.Now()
	}
	event := t.event()
	t.p.mu.Unlock()
	t.p.fault("tell the state of task "+t.id, t.p.tell(ctx, t.arn, event))
}

// ends records and tells how the task ended. Fargate then removes its network interface.
func (t *task) ends(ctx context.Context, e ending) {
	t.p.mu.Lock()
	t.desired, t.end = "STOPPED", &e
	t.p.mu.Unlock()
	t.becomes(ctx, "DEPROVISIONING")
	t.p.fault("end task "+t.id, t.p.forget(ctx, t))
	t.becomes(ctx, "STOPPED")
}

// show returns the task as DescribeTasks does. The caller holds the mutex.
func (t *task) show(tags bool) moto.Object {
	o := maps.Clone(t.view)
	delete(o, "tags")
	if tags {
		o["tags"] = t.tags
	}
	o["lastStatus"], o["desiredStatus"], o["version"] = t.status, t.desired, t.version
	o["cpu"], o["memory"], o["platformVersion"] = t.definition.CPU, t.definition.Memory, "1.4.0"
	delete(o, "stoppedReason")
	if t.end != nil {
		o["stopCode"], o["stoppedReason"] = t.end.code, t.end.reason
	}
	for name, at := range t.times {
		o[name] = float64(at.UnixMilli()) / 1000
	}
	o["healthStatus"] = first(t.healthy, "UNKNOWN")
	o["containers"] = []moto.Object{t.showContainer()}
	return o
}

func (t *task) showContainer() moto.Object {
	c := t.only()
	o := moto.Object{
		"containerArn": strings.Replace(t.arn, ":task/", ":container/", 1) + "/" + c.Name, "taskArn": t.arn, "name": c.Name,
		"image": c.Image, "lastStatus": t.status, "cpu": "0", "networkInterfaces": []any{}, "healthStatus": first(t.healthy, "UNKNOWN"),
	}
	ended := t.status == "DEPROVISIONING" || t.status == "STOPPED"
	switch {
	case t.status == "PROVISIONING":
		o["lastStatus"] = "PENDING"
	case t.status == "STOPPING":
		o["lastStatus"] = "RUNNING"
	case ended:
		o["lastStatus"] = "STOPPED"
	}
	if t.status != "PROVISIONING" && t.status != "PENDING" {
		o["runtimeId"] = t.id + "-0"
	}
	if ended && t.end != nil {
		if t.end.exited {
			o["exitCode"] = t.end.exit
		}
		if t.end.container != "" {
			o["reason"] = t.end.container
		}
	}
	return o
}

// event is the detail of the event about the task's state, with times as text and without
// tags. The caller holds the mutex.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
func (t *task) event() moto.Object {
	o := t.show(false)
	for name, at := range t.times {
		o[name] = at.UTC().Format(time.RFC3339Nano)
	}
	o["updatedAt"], o["connectivity"], o["availabilityZone"] = time.Now().UTC().Format(time.RFC3339Nano), "CONNECTED", t.p.Region+"a"
	for _, name := range []string{"healthStatus", "containerInstanceArn", "inferenceAccelerators"} {
		delete(o, name)
	}
	return o
}

// prepare does what Fargate does before it starts the container. The errors are in ECS's
// words:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
func (t *task) prepare(ctx context.Context) (*container, error) {
	args, env := t.command()
	execution := role{p: t.p, arn: t.executionRole()}
	if err := execution.assume(ctx); err != nil {
		return nil, err
	}
	if r := (role{p: t.p, arn: t.taskRole()}); r.arn != "" {
		if err := r.assume(ctx); err != nil {
			return nil, err
		}
	}
	for _, s := range t.only().Secrets {
		value, err := execution.secret(ctx, s.ValueFrom)
		if err != nil {
			return nil, sayf("ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: %v", err)
		}
		env[s.Name] = value
	}
	if !t.p.has(t.only().Image) {
		return nil, sayf("CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref %[1]s: %[1]s: not found", t.only().Image)
	}
	if err := t.openLog(ctx, execution); err != nil {
		return nil, sayf("ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: %v : exit status 1", err)
	}
	return &container{task: t, args: args, env: env, ended: make(chan struct{})}, nil
}

// has reports whether there is an image.
func (p *Player) has(image string) bool {
	for _, i := range p.Images {
		if i == image {
			return true
		}
	}
	return false
}
