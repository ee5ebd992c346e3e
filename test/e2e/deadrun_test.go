//go:build linux

package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	bridge "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// tagRun is the tag in which the worker puts the id of a task's flow run.
const tagRun = "prefect.io/flow-run-id"

// dieEarly lets tasks of the deployment's runs end before their flow reports to Prefect. The
// pool's limit is two runs, and one is pending already: if Prefect does not hear of the
// ends, the last two runs never start.
func (w *worker) dieEarly(deployment string) {
	w.Helper()
	first := w.pending(deployment)[0]
	for range 3 {
		w.schedule(deployment)
	}
	w.wantTasks("the limit's second run starts", 2)
	second := other(w.pending(deployment), first)

	// Nothing tells Prefect of a task of another pool in the same cluster. The event names a
	// task of this one, so that Prefect would change its run if it heard of it.
	foreign := w.stopped(first, types.TaskStopCodeUserInitiated, "Task stopped by user")
	foreign["group"] = "family:prefect_flowbed-prod_0123"
	w.emit(foreign)

	ended := w.stopped(second, types.TaskStopCodeUserInitiated, "Task stopped by user")
	w.stop(second)
	w.emit(ended)
	w.wantCrashed(second, "terminated by infrastructure")
	w.wantTasks("a third run starts after one has crashed", 3)
	if pending := w.pending(deployment); !slices.Contains(pending, first) {
		w.Errorf("after an event of another pool: run %s is not pending; pending are %v", first, pending)
	}

	reason := "CannotPullContainerError: pull image manifest has been retried 5 time(s): docker.io/team/flows:1: not found"
	event := w.stopped(first, types.TaskStopCodeTaskFailedToStart, reason)
	event["containers"].([]map[string]any)[0]["reason"] = reason
	w.stop(first)
	w.emit(event)
	w.wantCrashed(first, "CannotPullContainerError")
	w.wantTasks("a fourth run starts after two have crashed", 4)
	w.missed(w.pending(deployment)[0])
}

// missed lets a task end with exit code 0 before its flow reports. The worker reads the event
// and does nothing. doctor names the run.
func (w *worker) missed(id string) {
	w.Helper()
	ended := w.stopped(id, types.TaskStopCodeEssentialContainerExited, "Essential container in task exited")
	ended["containers"].([]map[string]any)[0]["exitCode"] = 0
	w.stop(id)
	w.emit(ended)
	queues := sqs.NewFromConfig(w.front.Config("us-east-1"))
	url, err := queues.GetQueueUrl(w.Context(), &sqs.GetQueueUrlInput{QueueName: new("flowbed-dev-events")})
	if err != nil {
		w.Fatal(err)
	}
	eventually(w.T, "the worker has read all events", func() bool {
		out, err := queues.GetQueueAttributes(w.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: url.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
		})
		return err == nil && out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
	})
	doctor := w.start("doctor")
	<-doctor.ended // whatever it says about moto
	var named []string
	for line := range strings.Lines(doctor.out.String()) {
		if strings.Contains(line, "flow runs") {
			named = append(named, line)
		}
	}
	if len(named) != 1 || !strings.Contains(named[0], id) {
		w.Errorf("doctor names %q, want run %s alone:\n%s", named, id, &doctor.progress)
	}
}

// schedule creates a run of the deployment.
func (w *worker) schedule(deployment string) {
	w.Helper()
	w.call("POST", "/deployments/"+deployment+"/create_flow_run", map[string]any{"state": map[string]any{"type": "SCHEDULED"}}, nil)
}

// wantTasks waits until the worker has run n tasks.
func (w *worker) wantTasks(what string, n int) {
	w.Helper()
	eventually(w.T, what, func() bool { return len(w.made("ecs.RunTask")) >= n })
	if have := len(w.made("ecs.RunTask")); have != n {
		w.Errorf("%s: have %d tasks, want %d", what, have, n)
	}
}

// run is a flow run in Prefect.
type run struct {
	ID    string `json:"id"`
	State struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"state"`
}

// pending lists the deployment's runs that Prefect believes to be starting.
func (w *worker) pending(deployment string) (ids []string) {
	w.Helper()
	var list []run
	w.call("POST", "/flow_runs/filter", map[string]any{
		"deployments": map[string]any{"id": map[string]any{"any_": []string{deployment}}},
		"flow_runs":   map[string]any{"state": map[string]any{"type": map[string]any{"any_": []string{"PENDING"}}}},
	}, &list)
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}

func other(list []string, one string) string {
	for _, s := range list {
		if s != one {
			return s
		}
	}
	return ""
}

// wantCrashed waits until a run is crashed, and checks that its message or its log says why.
func (w *worker) wantCrashed(id, why string) {
	w.Helper()
	var r run
	eventually(w.T, "run "+id+" crashes", func() bool {
		w.call("GET", "/flow_runs/"+id, nil, &r)
		return r.State.Type == "CRASHED"
	})
	var lines []struct {
		Message string `json:"message"`
	}
	eventually(w.T, "run "+id+" says why", func() bool {
		w.call("POST", "/logs/filter", map[string]any{
			"logs": map[string]any{"flow_run_id": map[string]any{"any_": []string{id}}},
		}, &lines)
		said := r.State.Message
		for _, l := range lines {
			said += "\n" + l.Message
		}
		return strings.Contains(said, why)
	})
}

func (w *worker) ecs() *ecs.Client { return ecs.NewFromConfig(w.front.Config("us-east-1")) }

// task returns the task of a run.
func (w *worker) task(run string) types.Task {
	w.Helper()
	cluster := "default"
	listed, err := w.ecs().ListTasks(w.Context(), &ecs.ListTasksInput{Cluster: &cluster})
	if err != nil {
		w.Fatal(err)
	}
	out, err := w.ecs().DescribeTasks(w.Context(), &ecs.DescribeTasksInput{
		Cluster: &cluster, Tasks: listed.TaskArns, Include: []types.TaskField{types.TaskFieldTags},
	})
	if err != nil {
		w.Fatal(err)
	}
	for _, t := range out.Tasks {
		if slices.ContainsFunc(t.Tags, func(tag types.Tag) bool { return *tag.Key == tagRun && *tag.Value == run }) {
			return t
		}
	}
	w.Fatalf("run %s has no task among %v", run, listed.TaskArns)
	return types.Task{}
}

// stop stops the task of a run, as a person would.
func (w *worker) stop(run string) {
	w.Helper()
	t := w.task(run)
	if _, err := w.ecs().StopTask(w.Context(), &ecs.StopTaskInput{Cluster: t.ClusterArn, Task: t.TaskArn}); err != nil {
		w.Fatal(err)
	}
}

// stopped is the detail of ECS's event about the task of a run that has stopped before its
// container ran.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
func (w *worker) stopped(run string, code types.TaskStopCode, reason string) map[string]any {
	w.Helper()
	t := w.task(run)
	family := (*t.TaskDefinitionArn)[strings.LastIndex(*t.TaskDefinitionArn, "/")+1:]
	family = family[:strings.LastIndex(family, ":")]
	now := time.Now().UTC().Format(time.RFC3339Nano)
	return map[string]any{
		"attachments": []any{}, "attributes": []any{}, "availabilityZone": "us-east-1a", "connectivity": "CONNECTED",
		"clusterArn": *t.ClusterArn, "taskArn": *t.TaskArn, "taskDefinitionArn": *t.TaskDefinitionArn, "group": "family:" + family,
		"containers": []map[string]any{{
			"containerArn": "arn:aws:ecs:us-east-1:" + w.front.Account + ":container/default/0123abcd/4dedf152", "lastStatus": "STOPPED",
			"name": "prefect", "image": "team/flows:1", "taskArn": *t.TaskArn, "networkInterfaces": []any{}, "cpu": "0",
		}},
		"cpu": "1024", "memory": "4096", "desiredStatus": "STOPPED", "lastStatus": "STOPPED", "launchType": "FARGATE",
		"overrides": map[string]any{"containerOverrides": []any{map[string]any{"name": "prefect"}}}, "platformVersion": "1.4.0",
		"stopCode": string(code), "stoppedReason": reason, "createdAt": now, "stoppedAt": now, "updatedAt": now, "version": 5,
	}
}

// emit hands the detail of a task's event to EventBridge. moto's ECS emits none itself.
func (w *worker) emit(detail map[string]any) {
	w.Helper()
	text, err := json.Marshal(detail)
	if err != nil {
		w.Fatal(err)
	}
	out, err := eventbridge.NewFromConfig(w.front.Config("us-east-1")).PutEvents(w.Context(), &eventbridge.PutEventsInput{
		Entries: []bridge.PutEventsRequestEntry{{
			Source: new("aws.ecs"), DetailType: new("ECS Task State Change"), Detail: new(string(text)),
			Resources: []string{detail["taskArn"].(string)},
		}},
	})
	if err != nil || out.FailedEntryCount > 0 {
		w.Fatalf("emit an event: %v, %v", err, out)
	}
}
