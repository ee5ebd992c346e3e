package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// event is a task's change of state, as EventBridge sends it, and how late it came.
type event struct {
	ID     string
	Type   string `json:"detail-type"`
	Time   time.Time
	Detail struct {
		TaskArn    string
		Group      string
		LastStatus string
		StopCode   string
		Containers []struct {
			Name     string
			ExitCode *int
		}
		Overrides struct {
			ContainerOverrides []struct {
				Environment []struct{ Name, Value string }
			}
		}
	}

	late time.Duration
	tags string // what DescribeTasks said when the event came
}

// catch makes a queue, and a rule that sends to it the state changes of the probes
// except the last one, whose family is another one.
func (r *run) catch(ctx context.Context) error {
	name := r.object("events")
	rule := r.arn("events", r.Region, "rule/"+name)
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]any{"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
		"Resource": r.arn("sqs", r.Region, name), "Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": rule}}}}})
	if err != nil {
		return err
	}
	if r.tasks.queueURL, err = r.queue(ctx, "events", "red", map[string]string{"Policy": string(policy)}); err != nil {
		return fmt.Errorf("create queue: %w", err)
	}
	pattern, err := json.Marshal(map[string]any{
		"source": []string{"aws.ecs"}, "detail-type": []string{"ECS Task State Change"},
		"detail": map[string]any{
			"clusterArn": []string{r.arn("ecs", r.Region, "cluster/"+r.object("probe"))},
			"group":      []any{map[string]any{"prefix": "family:" + r.family("")}},
		}})
	if err != nil {
		return err
	}
	if _, err := r.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: aws.String(string(pattern)),
		Tags: []types.Tag{{Key: aws.String(tag), Value: &r.Name}}}); err != nil {
		return fmt.Errorf("create rule: %w", err)
	}
	out, err := r.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, Targets: []types.Target{{Id: aws.String("queue"), Arn: aws.String(r.arn("sqs", r.Region, name))}}})
	if err != nil {
		return fmt.Errorf("connect the rule with the queue: %w", err)
	}
	if len(out.FailedEntries) > 0 {
		return fmt.Errorf("connect the rule with the queue: %s", aws.ToString(out.FailedEntries[0].ErrorMessage))
	}
	return nil
}

// receive collects the events until the task's end is among them.
func (r *run) receive(ctx context.Context, queue, cluster, task string, limit time.Duration) (all []event, err error) {
	_, err = until(ctx, limit, time.Second, func() (bool, error) {
		out, err := r.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 5,
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameSentTimestamp}})
		if err != nil {
			return false, fmt.Errorf("receive events: %w", err)
		}
		ended := false
		for _, m := range out.Messages {
			if _, err := r.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return false, fmt.Errorf("delete a message: %w", err) // it would come again
			}
			var e event
			if json.Unmarshal([]byte(aws.ToString(m.Body)), &e) != nil || e.Detail.TaskArn == "" {
				continue
			}
			e.late = sent(m).Sub(e.Time)
			if e.Detail.LastStatus == "STOPPED" {
				e.tags = r.tagsOf(ctx, cluster, e.Detail.TaskArn)
			}
			all = append(all, e)
			ended = ended || e.Detail.TaskArn == task && e.Detail.LastStatus == "STOPPED"
		}
		return ended, nil
	})
	return all, err
}

// sent is when a message came into the queue, by AWS's clock.
func sent(m sqstypes.Message) time.Time {
	ms, err := strconv.ParseInt(m.Attributes[string(sqstypes.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	if err != nil {
		return time.Now()
	}
	return time.UnixMilli(ms)
}

// tagsOf is what DescribeTasks says about the tags of a task.
func (r *run) tagsOf(ctx context.Context, cluster, task string) string {
	out, err := r.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: []string{task}, Include: []ecstypes.TaskField{ecstypes.TaskFieldTags}})
	switch {
	case err != nil:
		return codeOf(err)
	case len(out.Tasks) == 0 && len(out.Failures) > 0:
		return aws.ToString(out.Failures[0].Reason)
	case len(out.Tasks) == 0:
		return "no task"
	}
	for _, t := range out.Tasks[0].Tags {
		if aws.ToString(t.Key) == tag && aws.ToString(t.Value) == r.Name {
			return tagged
		}
	}
	return "the task without its tags"
}

const tagged = "the task with its tags"

// collect collects the events of the probes.
func (r *run) collect(ctx context.Context) error {
	if err := r.runTasks(ctx); err != nil {
		return err
	}
	switch first := r.tasks.all[0]; {
	case r.tasks.noQueue != nil:
		return r.tasks.noQueue
	case first.stopped == nil:
		return unasked("no task ended: " + first.String())
	case r.tasks.deaf != nil && !tooLong(r.tasks.deaf):
		return r.tasks.deaf
	}
	return nil
}

// ended returns the event of the end of the first probe.
func (t *tasks) ended() *event {
	for i, e := range t.events {
		if e.Detail.TaskArn == t.all[0].arn && e.Detail.LastStatus == "STOPPED" {
			return &t.events[i]
		}
	}
	return nil
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func askEvents(ctx context.Context, r *run) (answer, error) {
	if err := r.collect(ctx); err != nil {
		return answer{}, err
	}
	e := r.tasks.ended()
	if e == nil {
		return no("the event did not come in 2 minutes; %d others came", len(r.tasks.events))
	}
	var wrong []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	check(e.late <= time.Minute, "it came %s late", rough(e.late))
	check(e.Detail.Group == "family:"+r.tasks.all[0].family, "its group is %q", e.Detail.Group)
	check(uuid.MatchString(e.ID), "its id is %q", e.ID)
	check(e.Type == "ECS Task State Change", "its type is %q", e.Type)
	check(len(e.Detail.Containers) == 1 && e.Detail.Containers[0].ExitCode != nil, "it has no exit code of the container")
	for _, o := range r.tasks.events {
		check(o.Detail.TaskArn != r.tasks.all[3].arn, "an event of another family came, too")
	}
	if len(wrong) > 0 {
		return no("%s", strings.Join(wrong, "; "))
	}
	return yes("%d events; that of the end came %s late, with group %q and stop code %s", len(r.tasks.events), rough(e.late), e.Detail.Group, e.Detail.StopCode)
}

func askEventEnvironment(ctx context.Context, r *run) (answer, error) {
	if err := r.collect(ctx); err != nil {
		return answer{}, err
	}
	e := r.tasks.ended()
	if e == nil {
		return couldNot("no event came")
	}
	for _, c := range e.Detail.Overrides.ContainerOverrides {
		for _, v := range c.Environment {
			if v.Name == overridden {
				return judged(v.Value == r.Name, "the name is in the event, and the value is there: %t", v.Value == r.Name)
			}
		}
	}
	return no("the environment of the overrides is not in the event")
}

func askEventTags(ctx context.Context, r *run) (answer, error) {
	if err := r.collect(ctx); err != nil {
		return answer{}, err
	}
	e := r.tasks.ended()
	if e == nil {
		return couldNot("no event came")
	}
	return judged(e.tags == tagged, "DescribeTasks shows %s", e.tags)
}

// askEnvironmentEvents runs a task in the environment's cluster, while there is no
// worker that would read the queue.
func askEnvironmentEvents(ctx context.Context, r *run) (answer, error) {
	if err := r.build(ctx); err != nil {
		return answer{}, err
	}
	pool := "flowbed-" + r.Name // also the cluster, because of the ttl
	var queue *sqs.GetQueueUrlOutput
	_, err := until(ctx, 30*time.Second, 3*time.Second, func() (_ bool, err error) { // it may not be visible yet
		queue, err = r.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(pool + "-events")})
		if strings.Contains(awserr.Code(err), "NonExistentQueue") {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return couldNot("the environment has no queue %s-events: %s", pool, codeOf(err))
	}
	subnets, err := r.defaultSubnets(ctx)
	if err != nil {
		return answer{}, err
	}
	family := "prefect_" + pool + "_life"
	if _, err := r.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: &family, Cpu: aws.String("256"), Memory: aws.String("512"), NetworkMode: ecstypes.NetworkModeAwsvpc, Tags: r.ecsTags(),
		RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("probe"), Image: aws.String(probeImage),
			Essential: aws.Bool(true), Command: []string{"true"}}},
	}); err != nil {
		return answer{}, fmt.Errorf("register task definition: %w", err)
	}
	task, err := r.startIn(ctx, pool, family, subnets)
	if err != nil {
		return answer{}, fmt.Errorf("start a task: %w", err)
	}
	if _, err := r.end(ctx, pool, task); err != nil {
		// Otherwise down would not delete the cluster.
		_, stop := r.ecs.StopTask(ctx, &ecs.StopTaskInput{Cluster: &pool, Task: &task})
		return answer{}, errors.Join(err, stop)
	}
	all, err := r.receive(ctx, aws.ToString(queue.QueueUrl), pool, task, 2*time.Minute)
	switch {
	case tooLong(err):
		return no("the task ended, and 2 minutes later its event was not in the queue; %d others were", len(all))
	case err != nil:
		return answer{}, err
	}
	last := all[len(all)-1]
	return judged(last.late <= time.Minute, "%d events; that of the end came %s late, with group %q", len(all), rough(last.late), last.Detail.Group)
}
