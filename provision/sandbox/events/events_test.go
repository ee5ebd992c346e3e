package events_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/events"
	"github.com/flowbed/flowbed/test/try"
)

const (
	region   = "us-east-1"
	pattern  = `{"source":["aws.ecs"],"detail":{"group":[{"prefix":"family:a_"}]}}`
	queueARN = "arn:aws:sqs:us-east-1:123456789012:one"
	ruleARN  = "arn:aws:events:us-east-1:123456789012:rule/one"
	allow    = `{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queueARN +
		`","Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"}}}]}`
)

// bus makes calls to the event bus of an account.
type bus struct {
	*sandbox.Account
	api    *eventbridge.Client
	queues *sqs.Client
}

func newBus() bus {
	a := sandbox.New()
	return bus{a, eventbridge.NewFromConfig(a.Config(region)), sqs.NewFromConfig(a.Config(region))}
}

func (b bus) put(name, pattern string, more func(*eventbridge.PutRuleInput)) error {
	in := &eventbridge.PutRuleInput{Name: &name, EventPattern: &pattern}
	if more != nil {
		more(in)
	}
	_, err := b.api.PutRule(context.Background(), in)
	return err
}

func (b bus) target(rule string, targets ...types.Target) error {
	_, err := b.api.PutTargets(context.Background(), &eventbridge.PutTargetsInput{Rule: &rule, Targets: targets})
	return err
}

func to(id string) types.Target { return types.Target{Id: &id, Arn: aws.String(queueARN)} }

func TestPutRule(t *testing.T) {
	b := newBus()
	for name, code := range map[string]string{
		strings.Repeat("a", 64): "", "A.b-c_1": "", strings.Repeat("a", 65): "ValidationException", "a/b": "ValidationException", "": "ValidationException",
	} {
		try.WantCode(t, b.put(name, pattern, nil), code)
	}
	for _, bad := range []string{"{", "{}", `{"source":"aws.ecs"}`, `{"source":[]}`, `{"detail":{}}`, `{"source":[{"like":"x"}]}`, `{"source":[1]}`} {
		try.WantCode(t, b.put("one", bad, nil), "InvalidEventPatternException")
	}
}

// A rule is replaced, but neither its targets nor its tags are.
func TestPutRuleAgain(t *testing.T) {
	b := newBus()
	tag := func(v string) []types.Tag { return []types.Tag{{Key: aws.String("a"), Value: &v}} }
	try.OK(b.put("one", pattern, func(in *eventbridge.PutRuleInput) {
		in.Description, in.State, in.Tags = aws.String("text"), types.RuleStateDisabled, tag("first")
	}))
	try.OK(b.target("one", to("q")))
	try.OK(b.put("one", `{"source":["aws.ec2"]}`, func(in *eventbridge.PutRuleInput) { in.Tags = tag("second") }))
	have := try.Must(b.api.DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: aws.String("one")}))
	if have.Description != nil || have.State != types.RuleStateEnabled || *have.EventPattern != `{"source":["aws.ec2"]}` {
		t.Errorf("have %v, %s, %s", have.Description, have.State, *have.EventPattern)
	}
	tags := try.Must(b.api.ListTagsForResource(t.Context(), &eventbridge.ListTagsForResourceInput{ResourceARN: aws.String(ruleARN)}))
	if len(tags.Tags) != 1 || *tags.Tags[0].Value != "first" {
		t.Errorf("have the tags %v, want the first", tags.Tags)
	}
	if list := try.Must(b.api.ListTargetsByRule(t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: aws.String("one")})); len(list.Targets) != 1 {
		t.Errorf("have the targets %v", list.Targets)
	}
}

func TestTargets(t *testing.T) {
	b := newBus()
	try.WantCode(t, b.target("one", to("q")), "ResourceNotFoundException")
	try.OK(b.put("one", pattern, nil))
	try.WantCode(t, b.target("one", types.Target{Id: aws.String("a/b"), Arn: aws.String(queueARN)}), "ValidationException")
	try.WantCode(t, b.target("one", types.Target{Id: aws.String("a"), Arn: aws.String("one")}), "ValidationException")
	try.WantCode(t, b.target("one", types.Target{Id: aws.String("a"), Arn: aws.String(queueARN), Input: aws.String("{}"), InputPath: aws.String("$")}), "ValidationException")
	try.WantCode(t, b.target("one", to("a"), to("b"), to("c"), to("d"), to("e"), to("f")), "LimitExceededException")
	try.WantCode(t, b.target("one", to("a"), to("a")), "")
	drop := func() error {
		_, err := b.api.DeleteRule(t.Context(), &eventbridge.DeleteRuleInput{Name: aws.String("one")})
		return err
	}
	try.WantCode(t, drop(), "ValidationException")
	try.Must(b.api.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{Rule: aws.String("one"), Ids: []string{"a", "unknown"}}))
	try.WantCode(t, drop(), "")
	try.WantCode(t, drop(), "") // as AWS
}

// An event arrives if the rule is on and matches, and the queue takes messages from it.
func TestDelivery(t *testing.T) {
	for _, c := range []struct {
		name, pattern, policy string
		off                   bool
		want                  int
	}{
		{"matches", pattern, allow, false, 1},
		{"rule is off", pattern, allow, true, 0},
		{"another source", `{"source":["aws.ec2"]}`, allow, false, 0},
		{"another group", `{"detail":{"group":[{"prefix":"family:b_"}]}}`, allow, false, 0},
		{"a field that it lacks", `{"detail":{"lastStatus":["STOPPED"]}}`, allow, false, 0},
		{"no policy", pattern, "", false, 0},
		{"a policy for another rule", pattern, strings.ReplaceAll(allow, "rule/one", "rule/two"), false, 0},
		{"a policy for another service", pattern, strings.ReplaceAll(allow, "events.amazonaws", "sns.amazonaws"), false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBus()
			url := try.Must(b.queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("one"), Attributes: map[string]string{"Policy": c.policy}})).QueueUrl
			try.OK(b.put("one", c.pattern, func(in *eventbridge.PutRuleInput) {
				if c.off {
					in.State = types.RuleStateDisabled
				}
			}))
			try.OK(b.target("one", to("q"), types.Target{Id: aws.String("gone"), Arn: aws.String(queueARN + "-gone")}))
			b.Change(region, func(r *core.Request) {
				taken := try.Must(events.Emit(r, events.Event{Source: "aws.ecs", DetailType: "ECS Task State Change", Detail: map[string]any{"group": "family:a_b"}}))
				if taken != c.want {
					t.Errorf("%d queues took it, want %d", taken, c.want)
				}
			})
			got := try.Must(b.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})).Messages
			if len(got) != c.want {
				t.Errorf("have %d messages, want %d", len(got), c.want)
			}
			if c.want > 0 && (!strings.Contains(*got[0].Body, `"group":"family:a_b"`) || !strings.Contains(*got[0].Body, `"detail-type":"ECS Task State Change"`)) {
				t.Errorf("have %s", *got[0].Body)
			}
		})
	}
}

// ECS tells what happens to its tasks.
func TestTasks(t *testing.T) {
	b := newBus()
	url := try.Must(b.queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("one"), Attributes: map[string]string{"Policy": allow}})).QueueUrl
	try.OK(b.put("one", pattern, nil))
	try.OK(b.target("one", to("q")))
	api := ecs.NewFromConfig(b.Config(region))
	try.OK(try.Of(b.Account, region).Link("ecs.amazonaws.com"))
	try.Must(api.CreateCluster(t.Context(), &ecs.CreateClusterInput{}))
	for _, family := range []string{"a_flow", "b_flow"} {
		try.Must(api.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{Family: &family, ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("flow"), Image: aws.String("flow")}}}))
		task := try.Must(api.RunTask(t.Context(), &ecs.RunTaskInput{TaskDefinition: &family})).Tasks[0]
		for range 2 {
			try.Must(api.StopTask(t.Context(), &ecs.StopTaskInput{Task: task.TaskArn}))
		}
	}
	got := try.Must(b.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})).Messages
	if len(got) != 2 || !strings.Contains(*got[0].Body, `"lastStatus":"RUNNING"`) || !strings.Contains(*got[1].Body, `"lastStatus":"STOPPED"`) {
		t.Errorf("have %d messages, want one of the start and one of the end", len(got))
	}
	for _, m := range got {
		if !strings.Contains(*m.Body, "family:a_flow") {
			t.Errorf("have an event of another family: %s", *m.Body)
		}
	}
}
