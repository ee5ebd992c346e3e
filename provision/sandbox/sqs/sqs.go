// Package sqs is the sandbox's Simple Queue Service: standard queues, their attributes
// and tags, dead-letter queues, and messages.
//
// It asks iam which principals a queue's policy may name, and kms about the key of a queue.
package sqs

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

var service = core.NewService("sqs", func(r *core.Request) *request { return &request{r} }, core.Rules{})

var part = core.Regional("sqs",
	func(string) *database { return &database{} },
	func(_ *core.Request, d *database) any { return d.Queues })

// request is a call in the hands of one of SQS's operations.
type request struct{ *core.Request }

// database is a region's part of SQS.
type database struct {
	Queues map[string]*queue    `json:"queues,omitempty"` // by name
	Freed  map[string]time.Time `json:"freed,omitempty"`  // names that rest
}

type queue struct {
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes"` // without the defaults
	Tags       core.Tags         `json:"tags,omitempty"`
	Created    time.Time         `json:"created"`
	Messages   []*message        `json:"messages,omitempty"` // oldest first
}

func (r *request) db() *database {
	d := part.In(r.Request)
	if d.Queues == nil { // new, or empty when it was saved
		d.Queues = map[string]*queue{}
	}
	return d
}

func init() {
	core.Register(service, createQueue, createAccess)
	core.Register(service, getQueueURL, func(r *request, a core.Access, in *sqs.GetQueueUrlInput) []core.Access {
		return a.To(r.queueARN(aws.ToString(in.QueueName)))
	})
	core.Register(service, getQueueAttributes, urlAccess)
	core.Register(service, setQueueAttributes, urlAccess)
	core.Register(service, deleteQueue, urlAccess)
	core.Register(service, listQueues, core.Anything)
	core.Register(service, listQueueTags, urlAccess)
	core.Register(service, tagQueue, urlAccess)
	core.Register(service, untagQueue, urlAccess)
	core.Register(service, sendMessage, func(r *request, a core.Access, in *sqs.SendMessageInput) []core.Access {
		return append(urlAccess(r, a, in), r.keyAccess(in.QueueUrl, "kms:GenerateDataKey", "kms:Decrypt")...)
	})
	core.Register(service, receiveMessage, func(r *request, a core.Access, in *sqs.ReceiveMessageInput) []core.Access {
		return append(urlAccess(r, a, in), r.keyAccess(in.QueueUrl, "kms:Decrypt")...)
	})
	core.Register(service, deleteMessage, urlAccess)
	core.Register(service, changeMessageVisibility, urlAccess)
}

// What AWS looks at for the calls of SQS. ListQueues is the only one without a resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html

func urlAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.queueARN(nameIn(core.Text(in, "QueueUrl"))))
}

// createAccess also needs sqs:TagQueue if the queue gets tags:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func createAccess(r *request, a core.Access, in *sqs.CreateQueueInput) []core.Access {
	all := a.To(r.queueARN(aws.ToString(in.QueueName)))
	if len(in.Tags) > 0 {
		all = append(all, all[0].WithAction("sqs:TagQueue").WithTags(core.RequestTag, in.Tags))
	}
	return all
}

func (r *request) queueARN(name string) string { return r.ARN("sqs", r.Region, name) }

func (r *request) url(name string) *string {
	return aws.String("https://sqs." + r.Region + ".amazonaws.com/" + r.AccountID + "/" + name)
}

// nameIn is the name in a queue's URL.
func nameIn(url string) string { return url[strings.LastIndex(url, "/")+1:] }

// coded is SQS's old code of an error, which AWS still sends in a header. It replaces the
// name of the error's type in the SDK.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
func coded(code string) *string { return &code }

func (r *request) queue(url *string) (*queue, error) { return r.named(nameIn(aws.ToString(url))) }

func (r *request) named(name string) (*queue, error) {
	q := r.db().Queues[name]
	if q == nil || r.Now.Before(q.Created.Add(r.Account.QueueStart)) {
		return nil, &types.QueueDoesNotExist{
			Message:           aws.String("The specified queue does not exist."),
			ErrorCodeOverride: coded("AWS.SimpleQueueService.NonExistentQueue"),
		}
	}
	return q, nil
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func invalid(format string, args ...any) error {
	return &types.InvalidAttributeValue{Message: aws.String(fmt.Sprintf(format, args...)), ErrorCodeOverride: coded("InvalidParameterValue")}
}

// createQueue returns a queue of that name that exists, whoever made it, if it has all
// attributes of the call.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func createQueue(r *request, in *sqs.CreateQueueInput) (*sqs.CreateQueueOutput, error) {
	name, d := aws.ToString(in.QueueName), r.db()
	if !queueName.MatchString(name) {
		return nil, invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	q := &queue{Name: name, Attributes: map[string]string{}, Created: r.Now.UTC().Truncate(time.Second)}
	if err := r.set(q, in.Attributes); err != nil {
		return nil, err
	}
	if have := d.Queues[name]; have != nil {
		for k := range in.Attributes {
			if !same(k, have.get(k), q.get(k)) {
				return nil, &types.QueueNameExists{
					Message:           aws.String("A queue already exists with the same name and a different value for attribute " + k),
					ErrorCodeOverride: coded("QueueAlreadyExists"),
				}
			}
		}
		return &sqs.CreateQueueOutput{QueueUrl: r.url(name)}, nil
	}
	if at, ok := d.Freed[name]; ok && r.Now.Before(at.Add(r.Account.QueueRest)) {
		return nil, &types.QueueDeletedRecently{
			Message:           aws.String("You must wait 60 seconds after deleting a queue before you can create another with the same name."),
			ErrorCodeOverride: coded("AWS.SimpleQueueService.QueueDeletedRecently"),
		}
	}
	t, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	q.Tags = t
	delete(d.Freed, name)
	d.Queues[name] = q
	return &sqs.CreateQueueOutput{QueueUrl: r.url(name)}, nil
}

func newTags(have core.Tags, add map[string]string) (core.Tags, error) {
	list := make([]core.Tag, 0, len(add))
	for _, k := range core.SortedKeys(add) {
		list = append(list, core.Tag{Key: k, Value: add[k]})
	}
	return have.With(list, core.TagRules{Code: "InvalidParameterValue", TooMany: "InvalidParameterValue"})
}

func getQueueURL(r *request, in *sqs.GetQueueUrlInput) (*sqs.GetQueueUrlOutput, error) {
	q, err := r.named(aws.ToString(in.QueueName))
	if err != nil {
		return nil, err
	}
	return &sqs.GetQueueUrlOutput{QueueUrl: r.url(q.Name)}, nil
}

func deleteQueue(r *request, in *sqs.DeleteQueueInput) (*sqs.DeleteQueueOutput, error) {
	q, err := r.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	d := r.db()
	delete(d.Queues, q.Name)
	if r.Account.QueueRest > 0 {
		if d.Freed == nil {
			d.Freed = map[string]time.Time{}
		}
		d.Freed[q.Name] = r.Now
	}
	return &sqs.DeleteQueueOutput{}, nil
}

// listQueues returns a token only if the call asks for pages.
func listQueues(r *request, in *sqs.ListQueuesInput) (*sqs.ListQueuesOutput, error) {
	var all []string
	for _, name := range core.SortedKeys(r.db().Queues) {
		if strings.HasPrefix(name, aws.ToString(in.QueueNamePrefix)) {
			all = append(all, *r.url(name))
		}
	}
	list, next, err := core.Page(all, in.NextToken, in.MaxResults, 1000)
	if err != nil {
		return nil, err
	}
	if in.MaxResults == nil {
		next = nil
	}
	return &sqs.ListQueuesOutput{QueueUrls: list, NextToken: next}, nil
}

func listQueueTags(r *request, in *sqs.ListQueueTagsInput) (*sqs.ListQueueTagsOutput, error) {
	q, err := r.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &sqs.ListQueueTagsOutput{Tags: q.Tags.Without(nil)}, nil
}

func tagQueue(r *request, in *sqs.TagQueueInput) (*sqs.TagQueueOutput, error) {
	q, err := r.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if q.Tags, err = newTags(q.Tags, in.Tags); err != nil {
		return nil, err
	}
	return &sqs.TagQueueOutput{}, nil
}

func untagQueue(r *request, in *sqs.UntagQueueInput) (*sqs.UntagQueueOutput, error) {
	q, err := r.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.Tags = q.Tags.Without(in.TagKeys)
	return &sqs.UntagQueueOutput{}, nil
}

// get is the value of an attribute, which may be the default.
func (q *queue) get(name string) string { return cmp.Or(q.Attributes[name], defaults[name]) }

func (q *queue) seconds(name string) time.Duration {
	n, err := strconv.Atoi(q.get(name))
	if err != nil {
		panic(err) // set has checked it
	}
	return time.Duration(n) * time.Second
}
