//go:build linux

package fargate

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// tell hands the event about a task's state to EventBridge, as ECS does. moto's rules and the
// policies of its queues decide who gets it.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
func (p *Player) tell(ctx context.Context, task string, detail moto.Object) error {
	body, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	out, err := eventbridge.NewFromConfig(p.as(playerKey)).PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		Source: aws.String("aws.ecs"), DetailType: aws.String("ECS Task State Change"), Detail: aws.String(string(body)), Resources: []string{task},
	}}})
	if err == nil && out.FailedEntryCount > 0 {
		err = fmt.Errorf("EventBridge took no event: %s", aws.ToString(out.Entries[0].ErrorMessage))
	}
	return err
}
