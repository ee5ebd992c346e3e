//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// made returns the calls of an operation that the machine made.
func (s session) made(operation string) (list []moto.Call) {
	for _, c := range s.front.Calls() {
		if c.Key == workerKey && c.Service+"."+c.Operation == operation {
			list = append(list, c)
		}
	}
	return list
}

// wantFlow1 waits until the agent has started the task of a run in ECS, and checks the
// agent's calls.
func (s session) wantFlow1(server *server1, key string) {
	s.Helper()
	eventually(s.T, "the agent has run a task", func() bool {
		messages, _ := server.log()
		return len(messages) > 0
	})
	messages, unknown := server.log()
	if len(unknown) > 0 || !strings.Contains(messages[0], "Submitted for execution: Task arn:aws:ecs:") {
		s.Fatalf("have log messages %q and unknown queries %q, want a submitted task and no unknown query", messages, unknown)
	}
	ran := s.made("ecs.RunTask")
	var r task
	if len(ran) != 1 || json.Unmarshal(ran[0].Body, &r) != nil {
		s.Fatalf("have RunTask calls %v, want one", ran)
	}
	o := s.found()
	have := []any{r.Cluster, r.LaunchType, r.Overrides.TaskRole, r.Network.VPC.Subnets, r.Network.VPC.Groups, r.Network.VPC.PublicIP}
	want := []any{o.Cluster, "FARGATE", o.Task, o.Subnets, o.Groups, "ENABLED"}
	if diff := cmp.Diff(want, have); diff != "" {
		s.Errorf("the task (-want +have):\n%s\n%s", diff, ran[0].Body)
	}
	for _, c := range s.made("ecs.RegisterTaskDefinition") {
		if !bytes.Contains(c.Body, []byte(o.Execution)) {
			s.Errorf("the task definition lacks the execution role:\n%s", c.Body)
		}
		if key != "" && bytes.Contains(c.Body, []byte(key)) {
			s.Errorf("the task definition, which stays forever, contains the key:\n%s", c.Body)
		}
	}
	s.wantRights()
}

// end1 removes the environment.
func (s session) end1(before map[string][]string, server *server1) {
	s.Helper()
	s.run(0, "plan", "--detailed-exitcode")
	s.endTasks()
	s.run(0, "down", "--yes")
	if list := server.seen(); len(list) > 0 {
		s.Errorf("after down: have agents %v, want none", list)
	}
	if diff := cmp.Diff(before, inventory(s.T, s.front)); diff != "" {
		s.Errorf("the account has changed (-before up +after down):\n%s", diff)
	}
}

// endTasks stops all tasks in the environment's cluster.
func (s session) endTasks() {
	s.Helper()
	api := ecs.NewFromConfig(s.front.Config("us-east-1"))
	out, err := api.ListTasks(s.Context(), &ecs.ListTasksInput{})
	if err != nil || len(out.TaskArns) != 1 {
		s.Fatalf("have tasks %v, %v, want one", out, err)
	}
	if _, err := api.StopTask(s.Context(), &ecs.StopTaskInput{Task: &out.TaskArns[0]}); err != nil {
		s.Fatal(err)
	}
}
