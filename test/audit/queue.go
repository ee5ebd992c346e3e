package audit

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Queue is an SQS queue.
type Queue struct {
	ARN        string
	Attributes map[string]string
	Policy     Policy // empty if it has none
}

var queueControls = []Control{
	{"SQS.1, CKV_AWS_27, AWS-0096", "queues are encrypted", "SqsManagedSseEnabled or KmsMasterKeyId", queues(func(_ *Account, q Queue) bool {
		return q.Attributes["SqsManagedSseEnabled"] == "true" || q.Attributes["KmsMasterKeyId"] != ""
	})},
	{"SQS.3, CKV_AWS_168, AWS-0097", "only one EventBridge rule of this account may send to a queue", "Allow statements of the queue policy: the principal events.amazonaws.com, sqs:SendMessage, and the rule in aws:SourceArn", queues(func(a *Account, q Queue) bool {
		for _, s := range q.Policy.allows() {
			rule := s.Condition["ArnEquals"]["aws:SourceArn"]
			if len(s.Action) != 1 || s.Action[0] != "sqs:SendMessage" || len(s.NotAction) > 0 ||
				len(s.services()) != 1 || s.services()[0] != "events.amazonaws.com" ||
				len(rule) != 1 || strings.Contains(rule[0], "*") || !strings.HasPrefix(rule[0], "arn:aws:events:"+a.Region+":"+a.Number+":rule/") {
				return false
			}
		}
		return true
	})},
}

// queues passes if there is no queue: not every version of Prefect needs one.
func queues(passes func(*Account, Queue) bool) func(*Account) []string {
	return func(a *Account) []string {
		if len(a.Queues) == 0 {
			return nil
		}
		return each(a.Queues, "queue", func(q Queue) string { return q.ARN }, func(q Queue) bool { return passes(a, q) })
	}
}

func (a *Account) queues(ctx context.Context, cfg aws.Config) error {
	api := sqs.NewFromConfig(cfg)
	list, err := api.ListQueues(ctx, &sqs.ListQueuesInput{})
	if err != nil {
		return err
	}
	for _, url := range list.QueueUrls {
		out, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
		if err != nil {
			return err
		}
		q := Queue{ARN: out.Attributes["QueueArn"], Attributes: out.Attributes}
		if text := out.Attributes["Policy"]; text != "" {
			if q.Policy, err = ParsePolicy(text); err != nil {
				return err
			}
		}
		a.Queues = append(a.Queues, q)
	}
	return nil
}
