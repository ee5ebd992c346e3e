package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/names"
)

// Queue is a standard SQS queue, encrypted with SQS's keys or with a key of KMS. Its policies are ours alone: up
// removes what somebody else allows.
type Queue struct {
	API       *sqs.Client
	ID        Identity
	Name      string
	Retention time.Duration // how long SQS keeps a message
	Policy    string        // JSON; empty if only the account's own identities may use it

	Key provision.Ref[KMSKeyState] // that encrypts new messages; may be unset

	// DeadLetters takes the messages that were received too often. May be unset.
	DeadLetters provision.Ref[QueueState]

	// Source is the ARN of the only queue whose dead letters this one takes; empty if it is
	// no dead-letter queue.
	Source string
}

// QueueState is the actual state of a queue.
type QueueState struct {
	Name, URL, ARN string
	Created        time.Time // zero until a reading has shown it
	Attributes     map[string]string
	Tags           Tags
}

var (
	_ Kind[QueueState]                = Queue{}
	_ Discoverer                      = Queue{}
	_ provision.Predictor[QueueState] = Queue{}
	_ provision.Labelled              = QueueState{}
)

const (
	// visibility is how long a message that was received stays hidden.
	visibility = 5 * time.Minute

	// maxReceives is how often a message is received before it is a dead letter. The
	// worker's observer receives a message again after 5 minutes, so this bridges 25 minutes
	// without Prefect's API. A message that the observer cannot read ends it; it starts 5
	// times, so one such message alone cannot end it for good.
	maxReceives = 5
)

// SQS has an old code for each error, which the SDK returns, beside the name of its type.
var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:    `QueueDoesNotExist AWS.SimpleQueueService.NonExistentQueue`,
		awserr.Conflict:  `QueueNameExists QueueAlreadyExists`,
		awserr.Transient: `QueueDeletedRecently AWS.SimpleQueueService.QueueDeletedRecently`,
		awserr.Invalid:   `InvalidAttributeName InvalidAttributeValue`,
	},
	Rules: []awserr.Rule{ // it may not be visible yet
		{Code: "InvalidParameterValue", Message: "Dead letter target does not exist", Class: awserr.Transient},
		{Code: "InvalidAttributeValue", Message: "Dead letter target does not exist", Class: awserr.Transient},
	},
	Hints: map[string]string{
		"QueueDeletedRecently":                        nameRests,
		"AWS.SimpleQueueService.QueueDeletedRecently": nameRests,
	},
})

const nameRests = "SQS keeps the name of a deleted queue for 60 seconds: run the same command again in a minute"

// Owner implements provision.State.
func (s QueueState) Owner() provision.Owner { return s.Tags.Owner() }

// Label is the name.
func (s QueueState) Label() string { return s.Name }

// Predicted implements provision.Predictor.
func (q Queue) Predicted() QueueState { return QueueState{Name: q.Name, ARN: q.arn()} }

func (q Queue) arn() string { return q.ID.ARN("sqs", q.ID.Region, q.Name) }

// managed are the attributes that flowbed manages, with the names of their fields in a plan.
var managed = []struct {
	name  types.QueueAttributeName
	field string
}{
	{types.QueueAttributeNameMessageRetentionPeriod, "message retention period"},
	{types.QueueAttributeNameVisibilityTimeout, "visibility timeout"},
	{types.QueueAttributeNameSqsManagedSseEnabled, "encryption with SQS keys"},
	{types.QueueAttributeNameKmsMasterKeyId, "encryption key"},
	{types.QueueAttributeNameRedrivePolicy, "redrive policy"},
	{types.QueueAttributeNameRedriveAllowPolicy, "redrive allow policy"},
	{types.QueueAttributeNamePolicy, "policy"},
}

// Read implements provision.Resource. SQS says "does not exist" also to a caller who may not
// use the queue. A queue that is not there takes one call.
func (q Queue) Read(ctx context.Context) (s QueueState, err error) {
	out, err := q.API.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &q.Name})
	if err != nil {
		return s, absentQueue("read queue", err)
	}
	s = QueueState{Name: q.Name, URL: deref(out.QueueUrl)}
	err = parallel(ctx,
		func(ctx context.Context) error { return q.readAttributes(ctx, &s) },
		func(ctx context.Context) (err error) {
			s.Tags, err = q.readTags(ctx, s.URL)
			return err
		},
	)
	if err != nil {
		return QueueState{}, err
	}
	return s, nil
}

func (q Queue) readAttributes(ctx context.Context, s *QueueState) error {
	out, err := q.API.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &s.URL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return absentQueue("read attributes", err)
	}
	s.ARN = out.Attributes[string(types.QueueAttributeNameQueueArn)]
	created, err := strconv.ParseInt(out.Attributes[string(types.QueueAttributeNameCreatedTimestamp)], 10, 64)
	if err != nil {
		return fmt.Errorf("read attributes: %w", incomplete("creation time"))
	}
	s.Created = time.Unix(created, 0).UTC()
	s.Attributes = map[string]string{}
	for _, a := range managed {
		s.Attributes[string(a.name)] = out.Attributes[string(a.name)]
	}
	return nil
}

func (q Queue) readTags(ctx context.Context, url string) (Tags, error) {
	out, err := q.API.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &url})
	if err != nil {
		return nil, absentQueue("read tags", err)
	}
	if out.Tags == nil {
		return Tags{}, nil
	}
	return out.Tags, nil
}

func absentQueue(doing string, err error) error {
	if awserr.Classify(err) == awserr.Absent {
		err = provision.ErrAbsent
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// want are the desired attributes. SQS leaves out empty ones.
func (q Queue) want() map[string]string {
	want := map[string]string{
		string(types.QueueAttributeNameMessageRetentionPeriod): seconds(q.Retention),
		string(types.QueueAttributeNameVisibilityTimeout):      seconds(visibility),
		string(types.QueueAttributeNameSqsManagedSseEnabled):   "true",
		string(types.QueueAttributeNamePolicy):                 q.Policy,
		string(types.QueueAttributeNameRedrivePolicy):          "",
		string(types.QueueAttributeNameRedriveAllowPolicy):     "",
		string(types.QueueAttributeNameKmsMasterKeyId):         "",
	}
	if key := keyARN(q.Key); key != "" {
		want[string(types.QueueAttributeNameKmsMasterKeyId)] = key
		want[string(types.QueueAttributeNameSqsManagedSseEnabled)] = "false"
	}
	if q.DeadLetters.Set() {
		dead, _ := q.DeadLetters.Expect()
		want[string(types.QueueAttributeNameRedrivePolicy)] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, dead.ARN, maxReceives)
	}
	if q.Source != "" {
		want[string(types.QueueAttributeNameRedriveAllowPolicy)] = fmt.Sprintf(`{"redrivePermission":"byQueue","sourceQueueArns":[%q]}`, q.Source)
	}
	return want
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// Create implements provision.Resource. CreateQueue also succeeds for a queue of somebody
// else that has these attributes; the next reading shows its owner. The state that it
// implies lacks the time of the creation, so where others need that, they wait for the
// reading: those who read the queue, and not its dead letters.
func (q Queue) Create(ctx context.Context) (*QueueState, error) {
	want, tags := q.want(), q.ID.Tags(q.Name)
	sent := maps.Clone(want)
	maps.DeleteFunc(sent, func(_, v string) bool { return v == "" })
	if q.Key.Set() { // a queue has one kind of encryption
		delete(sent, string(types.QueueAttributeNameSqsManagedSseEnabled))
	}
	out, err := q.API.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.Name, Attributes: sent, Tags: tags})
	if err != nil {
		return nil, fmt.Errorf("create queue: %w", err)
	}
	if q.Source == "" {
		return nil, nil
	}
	return &QueueState{Name: q.Name, URL: deref(out.QueueUrl), ARN: q.arn(), Attributes: want, Tags: tags}, nil
}

// Changes implements provision.Resource. One call sets all attributes that differ.
func (q Queue) Changes(have QueueState) []provision.Change {
	c := tagChange(have.Tags, q.ID.Tags(q.Name), false, tagger{q.setTags(have.URL), q.dropTags(have.URL)})
	var attributes []provision.Change
	want := q.want()
	for _, a := range managed {
		// A queue has one kind of encryption, which is one field.
		if other := types.QueueAttributeNameSqsManagedSseEnabled; q.Key.Set() && a.name == other && have.Name != "" ||
			!q.Key.Set() && a.name == types.QueueAttributeNameKmsMasterKeyId {
			continue
		}
		h, w := have.Attributes[string(a.name)], want[string(a.name)]
		if sameAttribute(a.name, h, w) {
			continue
		}
		attributes = append(attributes, provision.Change{Field: a.field, From: attributeValue(a.name, h), To: attributeValue(a.name, w)})
	}
	return independent(append(c, provision.Together(attributes, q.setAttributes(have.URL))...))
}

func sameAttribute(name types.QueueAttributeName, have, want string) bool {
	switch name {
	case types.QueueAttributeNamePolicy:
		return samePolicy(have, want)
	case types.QueueAttributeNameRedrivePolicy:
		return redriveOf(have) == redriveOf(want)
	case types.QueueAttributeNameRedriveAllowPolicy:
		return plainJSON(have) == plainJSON(want)
	}
	return have == want
}

// redrive is a redrive policy. SQS returns the count as a number or in quotes, as it got it.
type redrive struct {
	Target string      `json:"deadLetterTargetArn"`
	Max    json.Number `json:"maxReceiveCount"`
	other  string      // the document, if it is none
}

func redriveOf(text string) (r redrive) {
	if json.Unmarshal([]byte(text), &r) != nil {
		return redrive{other: text}
	}
	return r
}

// attributeValue is an attribute as a plan shows it.
func attributeValue(name types.QueueAttributeName, v string) provision.Value {
	switch name {
	case types.QueueAttributeNamePolicy, types.QueueAttributeNameRedrivePolicy, types.QueueAttributeNameRedriveAllowPolicy:
		return provision.JSON(v)
	case types.QueueAttributeNameSqsManagedSseEnabled:
		if v != "" {
			return provision.Text(onOff(v == "true"))
		}
	case types.QueueAttributeNameKmsMasterKeyId:
		return provision.Text(v)
	default:
		if v != "" {
			return provision.Text(v + " seconds")
		}
	}
	return provision.Value{}
}

// setAttributes sets the attributes of these fields. A queue has one kind of encryption, so
// SQS's keys replace a key of KMS, and the other way round.
func (q Queue) setAttributes(url string) func(context.Context, provision.Fields) error {
	return func(ctx context.Context, fields provision.Fields) error {
		want, all := q.want(), map[string]string{}
		for _, a := range managed {
			if fields.Has(a.field) {
				all[string(a.name)] = want[string(a.name)]
			}
		}
		const own, key = string(types.QueueAttributeNameSqsManagedSseEnabled), string(types.QueueAttributeNameKmsMasterKeyId)
		if _, differs := all[key]; differs || all[own] != "" {
			if all[key] = keyARN(q.Key); all[key] != "" {
				delete(all, own)
			} else {
				all[own] = "true"
			}
		}
		_, err := q.API.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: all})
		return err
	}
}

func (q Queue) setTags(url string) func(context.Context, Tags) error {
	return func(ctx context.Context, t Tags) error {
		_, err := q.API.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &url, Tags: t})
		return err
	}
}

func (q Queue) dropTags(url string) func(context.Context, []string) error {
	return func(ctx context.Context, keys []string) error {
		_, err := q.API.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: &url, TagKeys: keys})
		return err
	}
}

// Delete implements provision.Resource. The messages go with the queue.
func (q Queue) Delete(ctx context.Context, have QueueState) error {
	_, err := q.API.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &have.URL})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete queue: %w", err)
	}
	return nil
}

// Costs implements Kind: AWS bills requests.
func (Queue) Costs() []cost.Usage { return nil }

// Permissions are what the calls need.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
func (q Queue) Permissions() Permissions {
	arn := q.arn()
	return Permissions{
		Read:   []Permission{on(arn, "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags")},
		Build:  []Permission{on(arn, "sqs:CreateQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue")},
		Delete: []Permission{on(arn, "sqs:DeleteQueue")},
	}
}

// Discover implements Discoverer. The names of queues never change. The list has URLs alone.
func (q Queue) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	pages := sqs.NewListQueuesPaginator(q.API, &sqs.ListQueuesInput{QueueNamePrefix: new(names.Prefix), MaxResults: new(int32(1000))})
	urls := map[string]string{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list queues in %s: %w", q.ID.Region, err)
		}
		for _, url := range page.QueueUrls {
			name := lastPart(url)
			urls[name] = url
			list = append(list, Found{Kind: "queue", Name: name})
		}
	}
	return withTags(ctx, list, func(ctx context.Context, f Found) (Tags, error) { return q.readTags(ctx, urls[f.Name]) })
}
