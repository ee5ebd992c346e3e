package ecs

import (
	"cmp"
	"slices"

	"github.com/flowbed/flowbed/provision/sandbox/events"
)

// tell sends the event of a task whose state has changed. Such events have no tags.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
func (r *request) tell(t *task) error {
	container := map[string]any{"name": cmp.Or(r.containerOf(t), "prefect"), "lastStatus": t.Status, "taskArn": t.ARN}
	detail := map[string]any{
		"taskArn": t.ARN, "clusterArn": r.arnOf("cluster/" + t.Cluster), "taskDefinitionArn": t.Definition,
		"group": t.Group, "startedBy": t.StartedBy, "launchType": "FARGATE", "lastStatus": t.Status, "desiredStatus": t.desired(),
		"createdAt": t.Created.UTC(), "updatedAt": r.Now.UTC(),
		"version": 1 + slices.Index([]string{"PROVISIONING", "PENDING", "RUNNING", "STOPPED"}, t.Status),
	}
	if t.Status == "STOPPED" {
		end := TaskEnd{Code: "UserInitiated", Reason: "Task stopped by user"}
		if t.End != nil {
			end = *t.End
		}
		detail["stopCode"], detail["stoppedReason"] = end.Code, end.Reason
		if end.Exit != nil {
			container["exitCode"] = *end.Exit
		}
		if end.Container != "" {
			container["reason"] = end.Container
		}
	}
	detail["containers"] = []any{container}
	_, err := events.Emit(r.Request, events.Event{
		Source: "aws.ecs", DetailType: "ECS Task State Change", Resources: []string{t.ARN}, Detail: detail,
	})
	return err
}
