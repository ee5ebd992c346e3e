package sqs_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

// queues makes calls to the queues of an account.
type queues struct {
	*sandbox.Account
	api *sqs.Client
}

func newQueues() queues {
	a := sandbox.New()
	return queues{a, sqs.NewFromConfig(a.Config("us-east-1"))}
}

func (q queues) create(name string, attributes ...string) (*string, error) {
	out, err := q.api.CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: &name, Attributes: pairs(attributes)})
	if err != nil {
		return nil, err
	}
	return out.QueueUrl, nil
}

func (q queues) set(url *string, attributes ...string) error {
	_, err := q.api.SetQueueAttributes(context.Background(), &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: pairs(attributes)})
	return err
}

func (q queues) get(t *testing.T, url *string, name string) string {
	t.Helper()
	out, err := q.api.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes[name]
}

func (q queues) send(url *string, body string) {
	try.Must(q.api.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body}))
}

func (q queues) receive(url *string) (list []types.Message) {
	return try.Must(q.api.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: url})).Messages
}

func pairs(list []string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(list); i += 2 {
		m[list[i]] = list[i+1]
	}
	return m
}

const arn = "arn:aws:sqs:us-east-1:123456789012:"

func TestNames(t *testing.T) {
	q := newQueues()
	for name, code := range map[string]string{
		strings.Repeat("a", 80): "", "A_b-1": "", strings.Repeat("a", 81): "InvalidParameterValue", "a.b": "InvalidParameterValue",
	} {
		_, err := q.create(name)
		try.WantCode(t, err, code)
	}
}

// A queue that exists is created again by everybody who wants the same.
func TestCreateTwice(t *testing.T) {
	q := newQueues()
	url, err := q.create("one", "VisibilityTimeout", "300")
	try.WantCode(t, err, "")
	again, err := q.create("one", "VisibilityTimeout", "300", "MessageRetentionPeriod", "345600") // its default
	try.WantCode(t, err, "")
	if *url != *again {
		t.Errorf("have %s and %s, want one queue", *url, *again)
	}
	_, err = q.create("one", "VisibilityTimeout", "30")
	try.WantCode(t, err, "QueueAlreadyExists")
}

func TestAttributes(t *testing.T) {
	q := newQueues()
	url := try.Must(q.create("one"))
	try.Must(q.create("closed", "RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`))
	try.Must(q.create("open", "RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["`+arn+`one"]}`))
	redrive := func(to, most string) string {
		return `{"deadLetterTargetArn":"` + arn + to + `","maxReceiveCount":` + most + `}`
	}
	for _, c := range []struct{ name, value, code string }{
		{"VisibilityTimeout", "43201", "InvalidParameterValue"},
		{"VisibilityTimeout", "five", "InvalidParameterValue"},
		{"MessageRetentionPeriod", "59", "InvalidParameterValue"},
		{"MessageRetentionPeriod", "1209600", ""},
		{"SqsManagedSseEnabled", "on", "InvalidParameterValue"},
		{"Color", "blue", "InvalidAttributeName"},
		{"Policy", "{", "InvalidParameterValue"},
		{"Policy", `{"Statement":[{"Effect":"Allow","Principal":"*","Resource":"*"}]}`, "InvalidParameterValue"},
		{"Policy", "", ""},
		{"RedrivePolicy", "{}", "InvalidParameterValue"},
		{"RedrivePolicy", redrive("open", "0"), "InvalidParameterValue"},
		{"RedrivePolicy", redrive("nowhere", "5"), "InvalidParameterValue"},
		{"RedrivePolicy", redrive("closed", "5"), "InvalidParameterValue"},
		{"RedrivePolicy", redrive("open", "5"), ""},
		{"RedrivePolicy", redrive("open", `"5"`), ""},
		{"RedriveAllowPolicy", `{"redrivePermission":"byQueue"}`, "InvalidParameterValue"},
		{"RedriveAllowPolicy", `{"redrivePermission":"allowAll","sourceQueueArns":[]}`, "InvalidParameterValue"},
		{"RedriveAllowPolicy", `{"redrivePermission":"allowAll"}`, ""},
	} {
		err := q.set(url, c.name, c.value)
		try.WantCode(t, err, c.code)
		if have := q.get(t, url, c.name); err == nil && have != c.value {
			t.Errorf("%s: have %q, want %q", c.name, have, c.value)
		}
	}
	if have := q.get(t, url, "QueueArn"); have != arn+"one" {
		t.Errorf("have the ARN %s", have)
	}
}

// A queue has one kind of encryption.
func TestEncryption(t *testing.T) {
	q := newQueues()
	url := try.Must(q.create("one"))
	try.WantCode(t, q.set(url, "KmsMasterKeyId", "alias/mine"), "")
	if have := q.get(t, url, "SqsManagedSseEnabled"); have != "false" {
		t.Errorf("with a key, SSE-SQS is %s", have)
	}
	try.WantCode(t, q.set(url, "KmsMasterKeyId", "alias/mine", "SqsManagedSseEnabled", "true"), "InvalidParameterValue")
	try.WantCode(t, q.set(url, "SqsManagedSseEnabled", "true"), "")
	if have := q.get(t, url, "KmsMasterKeyId"); have != "" {
		t.Errorf("with SSE-SQS, the key is %s", have)
	}
}

func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueues()
		q.QueueRest, q.QueueStart = time.Minute, time.Second
		url := try.Must(q.create("one"))
		_, err := q.api.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("one")})
		try.WantCode(t, err, "AWS.SimpleQueueService.NonExistentQueue")
		time.Sleep(time.Second)
		_, err = q.api.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: url})
		try.WantCode(t, err, "")
		_, err = q.api.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: url})
		try.WantCode(t, err, "AWS.SimpleQueueService.NonExistentQueue")
		time.Sleep(59 * time.Second)
		_, err = q.create("one")
		try.WantCode(t, err, "AWS.SimpleQueueService.QueueDeletedRecently")
		time.Sleep(time.Second)
		_, err = q.create("one")
		try.WantCode(t, err, "")
	})
}

// A message that nobody deletes comes back, and ends in the dead-letter queue.
func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueues()
		dead := try.Must(q.create("dead"))
		url := try.Must(q.create("one", "VisibilityTimeout", "300",
			"RedrivePolicy", `{"deadLetterTargetArn":"`+arn+`dead","maxReceiveCount":5}`))
		q.send(url, "poison")
		for n := range 5 {
			if list := q.receive(url); len(list) != 1 || *list[0].Body != "poison" {
				t.Errorf("receive %d: have %d messages", n+1, len(list))
			}
			if list := q.receive(url); len(list) != 0 {
				t.Errorf("the message is visible although it is in flight")
			}
			time.Sleep(5 * time.Minute)
		}
		if len(q.receive(url)) != 0 || len(q.receive(dead)) != 1 {
			t.Error("after five receives, the message is not in the dead-letter queue")
		}

		q.send(url, "good")
		m := q.receive(url)[0]
		try.Must(q.api.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 600}))
		time.Sleep(5 * time.Minute)
		if len(q.receive(url)) != 0 {
			t.Error("the message is visible although its time was extended")
		}
		try.Must(q.api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}))
		time.Sleep(10 * time.Minute)
		if len(q.receive(url)) != 0 {
			t.Error("a deleted message came back")
		}
	})
}
