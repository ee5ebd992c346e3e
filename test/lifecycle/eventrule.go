package lifecycle

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// EventRule sends the events of tasks to the queue.
var EventRule = register(Case{
	Name: "event rule", Step: "event rule",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "event rule", provision.Own, resource.EventRule{
			API: eventbridge.NewFromConfig(w.Config), ID: w.ID, Name: eventsName, Description: "What happens to the tasks",
			Pattern: func() string { return `{"source": ["aws.ecs"], "detail": {"group": [{"prefix": "family:flows_"}]}}` },
			Queue:   addQueues(w, g),
		})
	},
	Fields: []Field{
		{"state", onBus(func(ctx context.Context, api *eventbridge.Client) error {
			_, err := api.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: aws.String(eventsName)})
			return err
		})},
		{"event pattern", putRule(func(in *eventbridge.PutRuleInput) { in.EventPattern = aws.String(`{"source":["aws.ecs"]}`) })},
		{"description", putRule(func(in *eventbridge.PutRuleInput) { in.Description = nil })},
		{"schedule", putRule(func(in *eventbridge.PutRuleInput) { in.ScheduleExpression = aws.String("rate(1 day)") })},
		{"role", putRule(func(in *eventbridge.PutRuleInput) {
			in.RoleArn = aws.String("arn:aws:iam::123456789012:role/another")
		})},
		{"target", onBus(func(ctx context.Context, api *eventbridge.Client) error {
			list, err := targets(ctx, api)
			if err != nil {
				return err
			}
			_, err = api.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: aws.String(eventsName), Ids: []string{*list[0].Id}})
			return err
		})},
		{"target", changeTarget(func(t *types.Target) { t.Arn = aws.String(*t.Arn + "-other") })},
		{"target", changeTarget(func(t *types.Target) { t.Input = aws.String(`{"a":"b"}`) })},
		{"target", changeTarget(func(t *types.Target) { t.InputPath = aws.String("$.detail") })},
		{"target", changeTarget(func(t *types.Target) {
			t.InputTransformer = &types.InputTransformer{InputTemplate: aws.String(`"a"`)}
		})},
		{"target", changeTarget(func(t *types.Target) { t.Id = aws.String("another") })}, // a second one
		{"tags", onBus(func(ctx context.Context, api *eventbridge.Client) error {
			out, err := api.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String(eventsName)})
			if err != nil {
				return err
			}
			_, err = api.UntagResource(ctx, &eventbridge.UntagResourceInput{ResourceARN: out.Arn, TagKeys: []string{"team"}})
			return err
		})},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := eventbridge.NewFromConfig(w.Config).PutRule(ctx, &eventbridge.PutRuleInput{
			Name: aws.String(eventsName), EventPattern: aws.String(`{"source":["aws.ec2"]}`),
			Tags: list(tags, func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} })})
		return err
	},
})

func onBus(f func(context.Context, *eventbridge.Client) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error { return f(ctx, eventbridge.NewFromConfig(w.Config)) }
}

// putRule puts the rule again with a change.
func putRule(change func(*eventbridge.PutRuleInput)) func(context.Context, *World) error {
	return onBus(func(ctx context.Context, api *eventbridge.Client) error {
		have, err := api.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String(eventsName)})
		if err != nil {
			return err
		}
		in := &eventbridge.PutRuleInput{Name: have.Name, Description: have.Description, EventPattern: have.EventPattern, State: have.State}
		change(in)
		_, err = api.PutRule(ctx, in)
		return err
	})
}

func targets(ctx context.Context, api *eventbridge.Client) ([]types.Target, error) {
	out, err := api.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: aws.String(eventsName)})
	if err != nil {
		return nil, err
	}
	return out.Targets, nil
}

// changeTarget puts the target again with a change.
func changeTarget(change func(*types.Target)) func(context.Context, *World) error {
	return onBus(func(ctx context.Context, api *eventbridge.Client) error {
		list, err := targets(ctx, api)
		if err != nil {
			return err
		}
		change(&list[0])
		_, err = api.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String(eventsName), Targets: list})
		return err
	})
}
