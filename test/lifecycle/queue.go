package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const (
	eventsName     = "flowbed-dev-events"
	deadEventsName = "flowbed-dev-events-dlq"
	deadEventsKept = 14 * 24 * time.Hour
)

// Queue is the queue of events.
var Queue = register(Case{
	Name: "queue", Step: "event queue",
	Add: func(w *World, g *provision.Graph) { addQueues(w, g) },
	Fields: []Field{
		{"message retention period", setQueue(eventsName, types.QueueAttributeNameMessageRetentionPeriod, "60")},
		{"visibility timeout", setQueue(eventsName, types.QueueAttributeNameVisibilityTimeout, "0")},
		{"encryption with SQS keys", setQueue(eventsName, types.QueueAttributeNameSqsManagedSseEnabled, "false")},
		{"redrive policy", setQueue(eventsName, types.QueueAttributeNameRedrivePolicy, "")},
		{"policy", setQueue(eventsName, types.QueueAttributeNamePolicy, "")},
		{"policy", func(ctx context.Context, w *World) error {
			return setQueue(eventsName, types.QueueAttributeNamePolicy, w.queuePolicy(eventsName, "another"))(ctx, w)
		}},
		{"redrive allow policy", setQueue(eventsName, types.QueueAttributeNameRedriveAllowPolicy, `{"redrivePermission":"denyAll"}`)},
		{"tags", untagQueue(eventsName)},
	},
	Foreign: foreignQueue(eventsName),
})

// DeadLetterQueue takes the events that could not be handled.
var DeadLetterQueue = register(Case{
	Name: "dead-letter queue", Step: "dead-letter queue",
	Add: func(w *World, g *provision.Graph) { addDeadLetters(w, g) },
	Fields: []Field{
		{"message retention period", setQueue(deadEventsName, types.QueueAttributeNameMessageRetentionPeriod, "60")},
		{"redrive allow policy", setQueue(deadEventsName, types.QueueAttributeNameRedriveAllowPolicy, `{"redrivePermission":"denyAll"}`)},
		{"redrive allow policy", setQueue(deadEventsName, types.QueueAttributeNameRedriveAllowPolicy, "")},
		{"policy", func(ctx context.Context, w *World) error {
			return setQueue(deadEventsName, types.QueueAttributeNamePolicy, w.queuePolicy(deadEventsName, "another"))(ctx, w)
		}},
		{"tags", untagQueue(deadEventsName)},
	},
	Foreign: foreignQueue(deadEventsName),
})

func (w *World) queueARN(name string) string { return w.ID.ARN("sqs", w.ID.Region, name) }

// queuePolicy lets a rule send to a queue.
func (w *World) queuePolicy(queue, rule string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},`+
		`"Action":"sqs:SendMessage","Resource":%q,"Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`, w.queueARN(queue), w.ID.EventRuleARN(rule))
}

func addDeadLetters(w *World, g *provision.Graph) provision.Ref[resource.QueueState] {
	return provision.Add(g, "dead-letter queue", provision.Own, resource.Queue{
		API: sqs.NewFromConfig(w.Config), ID: w.ID, Name: deadEventsName, Retention: deadEventsKept, Source: w.queueARN(eventsName),
	})
}

func addQueues(w *World, g *provision.Graph) provision.Ref[resource.QueueState] {
	return provision.Add(g, "event queue", provision.Own, resource.Queue{
		API: sqs.NewFromConfig(w.Config), ID: w.ID, Name: eventsName, Retention: 24 * time.Hour,
		Policy: w.queuePolicy(eventsName, eventsName), DeadLetters: addDeadLetters(w, g),
	})
}

func setQueue(name string, attribute types.QueueAttributeName, value string) func(context.Context, *World) error {
	return onQueue(name, func(ctx context.Context, api *sqs.Client, url *string) error {
		_, err := api.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{string(attribute): value}})
		return err
	})
}

func untagQueue(name string) func(context.Context, *World) error {
	return onQueue(name, func(ctx context.Context, api *sqs.Client, url *string) error {
		_, err := api.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"team"}})
		return err
	})
}

func foreignQueue(name string) func(context.Context, *World, resource.Tags) error {
	return func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := sqs.NewFromConfig(w.Config).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Tags: tags})
		return err
	}
}

func onQueue(name string, f func(context.Context, *sqs.Client, *string) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error {
		api := sqs.NewFromConfig(w.Config)
		out, err := api.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		if err != nil {
			return err
		}
		return f(ctx, api, out.QueueUrl)
	}
}
