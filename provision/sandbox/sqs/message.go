package sqs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/kms"
)

type message struct {
	ID       string    `json:"id"`
	Body     string    `json:"body"`
	Sent     time.Time `json:"sent"`
	Visible  time.Time `json:"visible"`
	Received int       `json:"received"` // how often
}

// handle is the receipt handle of the last receive.
func (m *message) handle() string { return fmt.Sprintf("%s-%d", m.ID, m.Received) }

// Deliver puts a message into a queue for an AWS service, such as "events.amazonaws.com",
// if the queue's policy allows it. The source is the ARN of the object that sends, such as
// a rule. AWS tells nobody if the queue refuses or does not exist.
func Deliver(r *core.Request, queueARN, service, source, body string) (bool, error) {
	q := (&request{r}).byARN(queueARN)
	if q == nil || q.Attributes["Policy"] == "" {
		return false, nil
	}
	a := core.Access{Action: "sqs:SendMessage", Resource: queueARN}.
		WithContext("aws:SourceArn", source).WithContext("aws:SourceAccount", r.AccountID)
	v, err := core.JudgeService(q.Attributes["Policy"], service, a)
	if err != nil || v != core.Allowed {
		return false, err
	}
	if key := q.Attributes["KmsMasterKeyId"]; key != "" { // the service must be able to use it, too; it never is, with that of SQS itself
		u := kms.Use{Key: key, Service: "sqs", Context: map[string]string{"aws:SourceArn": source, "aws:SourceAccount": r.AccountID}}
		if may, err := u.ByService(r, service, "kms:GenerateDataKey", "kms:Decrypt"); err != nil || !may {
			return false, err
		}
	}
	(&request{r}).put(q, body)
	return true, nil
}

func (r *request) put(q *queue, body string) *message {
	m := &message{ID: fmt.Sprintf("%032x", r.Next()), Body: body, Sent: r.Now, Visible: r.Now.Add(q.seconds("DelaySeconds"))}
	q.Messages = append(q.Messages, m)
	return m
}

func sendMessage(r *request, in *sqs.SendMessageInput) (*sqs.SendMessageOutput, error) {
	q, err := r.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := r.checkKey(q); err != nil {
		return nil, err
	}
	body := aws.ToString(in.MessageBody)
	if body == "" || len(body) > 1<<20 {
		return nil, invalid("One or more parameters are invalid. Reason: Message must have 1 byte to 1 MiB.")
	}
	return &sqs.SendMessageOutput{MessageId: &r.put(q, body).ID}, nil
}

// receiveMessage never waits. A message that was received too often goes to the dead-letter
// queue instead, where its age still counts from when it was sent.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
func receiveMessage(r *request, in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error) {
	q, err := r.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := r.checkKey(q); err != nil {
		return nil, err
	}
	visibility := q.seconds("VisibilityTimeout")
	if in.VisibilityTimeout > 0 {
		visibility = time.Duration(in.VisibilityTimeout) * time.Second
	}
	target, most := parseRedrive(q.Attributes["RedrivePolicy"])
	dead := r.byARN(target)
	out := &sqs.ReceiveMessageOutput{}
	var rest []*message
	for _, m := range q.Messages {
		switch {
		case !r.Now.Before(m.Sent.Add(q.seconds("MessageRetentionPeriod"))): // too old
			continue
		case m.Visible.After(r.Now) || len(out.Messages) >= max(1, int(in.MaxNumberOfMessages)):
		case dead != nil && m.Received >= most:
			dead.Messages = append(dead.Messages, m)
			continue
		default:
			m.Received++
			m.Visible = r.Now.Add(visibility)
			out.Messages = append(out.Messages, types.Message{MessageId: &m.ID, Body: &m.Body, ReceiptHandle: aws.String(m.handle())})
		}
		rest = append(rest, m)
	}
	q.Messages = rest
	return out, nil
}

// received finds a message by its receipt handle.
func (r *request) received(url, handle *string) (*queue, int, error) {
	q, err := r.queue(url)
	if err != nil {
		return nil, 0, err
	}
	if !strings.Contains(aws.ToString(handle), "-") {
		return nil, 0, &types.ReceiptHandleIsInvalid{Message: aws.String("The input receipt handle is invalid.")}
	}
	return q, slices.IndexFunc(q.Messages, func(m *message) bool { return m.handle() == *handle }), nil
}

// deleteMessage succeeds for a message that is gone.
func deleteMessage(r *request, in *sqs.DeleteMessageInput) (*sqs.DeleteMessageOutput, error) {
	q, i, err := r.received(in.QueueUrl, in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	if i >= 0 {
		q.Messages = slices.Delete(q.Messages, i, i+1)
	}
	return &sqs.DeleteMessageOutput{}, nil
}

func changeMessageVisibility(r *request, in *sqs.ChangeMessageVisibilityInput) (*sqs.ChangeMessageVisibilityOutput, error) {
	q, i, err := r.received(in.QueueUrl, in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	if i < 0 || !q.Messages[i].Visible.After(r.Now) {
		return nil, &types.MessageNotInflight{Message: aws.String("The specified message isn't in flight.")}
	}
	q.Messages[i].Visible = r.Now.Add(time.Duration(in.VisibilityTimeout) * time.Second)
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}
