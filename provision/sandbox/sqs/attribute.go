package sqs

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

// defaults are the values of a queue's attributes if nobody sets them. Others have none.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
var defaults = map[string]string{
	"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
	"ReceiveMessageWaitTimeSeconds": "0", "VisibilityTimeout": "30", "SqsManagedSseEnabled": "true",
}

// ranges are the values that AWS accepts for the attributes that are numbers.
var ranges = map[string][2]int{
	"DelaySeconds": {0, 900}, "MaximumMessageSize": {1024, 1048576}, "MessageRetentionPeriod": {60, 1209600},
	"ReceiveMessageWaitTimeSeconds": {0, 20}, "VisibilityTimeout": {0, 43200}, "KmsDataKeyReusePeriodSeconds": {60, 86400},
}

// set checks attributes and sets them. An empty document, or key, removes it.
func (r *request) set(q *queue, attributes map[string]string) error {
	next := maps.Clone(q.Attributes)
	for _, k := range core.SortedKeys(attributes) {
		v := attributes[k]
		if err := r.check(q.Name, k, v); err != nil {
			return err
		}
		if next[k] = v; v == "" {
			delete(next, k)
		}
	}
	// A queue has one kind of encryption.
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
	switch own, key := attributes["SqsManagedSseEnabled"], attributes["KmsMasterKeyId"]; {
	case own == "true" && key != "":
		return invalid("You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	case key != "":
		next["SqsManagedSseEnabled"] = "false"
	case own == "true":
		delete(next, "KmsMasterKeyId")
	}
	q.Attributes = next
	return nil
}

func (r *request) check(queue, name, value string) error {
	bad := func() error { return invalid("Invalid value for the parameter %s.", name) }
	if limits, ok := ranges[name]; ok {
		if n, err := strconv.Atoi(value); err != nil || n < limits[0] || n > limits[1] {
			return bad()
		}
		return nil
	}
	switch name {
	case "SqsManagedSseEnabled":
		if value != "true" && value != "false" {
			return bad()
		}
	case "Policy":
		if value == "" {
			return nil
		}
		if _, wrong := core.ParsePolicy(value, core.ResourcePolicy, func(p string) bool { return iam.Principal(r.Request, p) }); wrong != "" {
			return bad()
		}
	case "RedrivePolicy":
		return r.checkRedrive(queue, value)
	case "RedriveAllowPolicy":
		return checkAllow(value)
	case "KmsMasterKeyId":
	default:
		return &types.InvalidAttributeName{Message: aws.String("Unknown Attribute " + name + ".")}
	}
	return nil
}

// redrive is a parsed redrive policy.
type redrive struct {
	Target string      `json:"deadLetterTargetArn"`
	Max    json.Number `json:"maxReceiveCount"` // also in quotes
}

// parseRedrive returns the target and the most receives, which are zero if there is no
// valid policy.
func parseRedrive(text string) (target string, most int) {
	var p redrive
	if json.Unmarshal([]byte(text), &p) != nil {
		return "", 0
	}
	n, err := p.Max.Int64()
	if err != nil {
		return "", 0
	}
	return p.Target, int(n)
}

// checkRedrive: the dead-letter queue must exist, in the same account and region, and must
// accept this queue.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
func (r *request) checkRedrive(source, value string) error {
	if value == "" {
		return nil
	}
	bad := func(why string) error {
		return invalid("Value %s for parameter RedrivePolicy is invalid. Reason: %s.", value, why)
	}
	arn, most := parseRedrive(value)
	if arn == "" || most < 1 || most > 1000 {
		return bad("Redrive policy must have a deadLetterTargetArn and a maxReceiveCount from 1 to 1000")
	}
	target := r.byARN(arn)
	if target == nil {
		return bad("Dead letter target does not exist")
	}
	var allow redriveAllow
	if text := target.Attributes["RedriveAllowPolicy"]; text != "" {
		if err := json.Unmarshal([]byte(text), &allow); err != nil {
			return err
		}
	}
	if allow.Permission == "denyAll" || allow.Permission == "byQueue" && !slices.Contains(allow.Sources, r.queueARN(source)) {
		return bad("The redriveAllowPolicy of the dead letter target does not permit this queue")
	}
	return nil
}

func (r *request) byARN(arn string) *queue {
	for name, q := range r.db().Queues {
		if r.queueARN(name) == arn {
			return q
		}
	}
	return nil
}

type redriveAllow struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns"`
}

func checkAllow(value string) error {
	if value == "" {
		return nil
	}
	var p redriveAllow
	bad := invalid("Value %s for parameter RedriveAllowPolicy is invalid.", value)
	if json.Unmarshal([]byte(value), &p) != nil {
		return bad
	}
	switch p.Permission {
	case "allowAll", "denyAll":
		if p.Sources != nil {
			return bad
		}
	case "byQueue":
		if len(p.Sources) < 1 || len(p.Sources) > 10 {
			return bad
		}
	default:
		return bad
	}
	return nil
}

// same compares two values of an attribute.
func same(name, a, b string) bool {
	if !slices.Contains([]string{"Policy", "RedrivePolicy", "RedriveAllowPolicy"}, name) || a == "" || b == "" {
		return a == b
	}
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func setQueueAttributes(r *request, in *sqs.SetQueueAttributesInput) (*sqs.SetQueueAttributesOutput, error) {
	q, err := r.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := r.set(q, in.Attributes); err != nil {
		return nil, err
	}
	return &sqs.SetQueueAttributesOutput{}, nil
}

// getQueueAttributes returns nothing if the call names no attribute, and leaves out what the
// queue does not have.
func getQueueAttributes(r *request, in *sqs.GetQueueAttributesInput) (*sqs.GetQueueAttributesOutput, error) {
	q, err := r.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(defaults)
	maps.Copy(all, q.Attributes)
	all["QueueArn"] = r.queueARN(q.Name)
	all["CreatedTimestamp"] = strconv.FormatInt(q.Created.Unix(), 10)
	all["ApproximateNumberOfMessages"] = strconv.Itoa(len(q.Messages))
	out := &sqs.GetQueueAttributesOutput{}
	for _, name := range in.AttributeNames {
		if name == types.QueueAttributeNameAll {
			out.Attributes = all
			return out, nil
		}
		v, ok := all[string(name)]
		switch {
		case !slices.Contains(name.Values(), name):
			return nil, &types.InvalidAttributeName{Message: aws.String("Unknown Attribute " + string(name) + ".")}
		case !ok:
			continue
		case out.Attributes == nil:
			out.Attributes = map[string]string{}
		}
		out.Attributes[string(name)] = v
	}
	return out, nil
}
