package fargate

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ecs"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
	"github.com/flowbed/flowbed/provision/sandbox/machine" // whose workers start the tasks, so it goes first
)

// serve does what is due in a task of a service, which runs an agent.
func (t *task) serve() {
	part, now := t.call.Account.TaskTime, t.call.Now
	pulls, starts := t.Created.Add(part), t.Created.Add(2*part)
	if now.Before(pulls) {
		return
	}
	ecs.Becomes(t.call, t.ARN, "PENDING")
	if now.Before(starts) {
		return
	}
	if err := t.begin(starts); err != nil {
		ecs.Ends(t.call, t.ARN, ecs.TaskEnd{At: starts, Code: "TaskFailedToStart", Reason: err.Error()})
		return
	}
	ecs.Becomes(t.call, t.ARN, "RUNNING")
	if need := t.call.Account.WorkerMemory; need > 0 && t.Memory < need {
		t.dies(starts, "OutOfMemoryError: Container killed due to memory usage", 137)
		return
	}
	c := &machine.Container{
		Task: t.ID, Role: t.TaskRole, Image: t.Image, Command: t.Command, Environment: t.Environment, Started: starts,
		Reaches: t.reaches, Print: t.print,
	}
	for _, variable := range core.SortedKeys(t.secrets) {
		c.Variable, c.Secret = variable, t.secrets[variable]
	}
	if t.Stopping == nil && c.Run(t.call) {
		t.dies(now, "", 1)
	}
}

// begin prepares the task when it starts. Later it only finds out what the container has known
// since then: ECS does not look at the roles and the secret again.
func (t *task) begin(starts time.Time) error {
	if t.Status == "RUNNING" {
		t.who, _ = iam.TaskSession(t.call, t.ExecutionRole, t.ID)
		_ = t.readSecrets()
		return nil
	}
	now := t.call
	t.at(starts)
	defer func() { t.call = now }()
	return t.prepare()
}

func (t *task) dies(at time.Time, reason string, code int32) {
	ecs.Ends(t.call, t.ARN, ecs.TaskEnd{
		At: at, Code: "EssentialContainerExited", Reason: "Essential container in task exited", Container: reason, Exit: aws.Int32(code),
	})
	machine.End(t.call, t.ID)
}
