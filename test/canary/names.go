package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

func nameQuestions() []question {
	return slices.Concat(lockQuestions(), restQuestions(), settingQuestions(), companyQuestions())
}

// lockQuestions are about parameters, on which the lock of an environment relies.
func lockQuestions() []question {
	return []question{
		{
			Name: "parameter-rest", Lane: laneNames, Ask: askParameterRest,
			Asks:    "How long does the name of a deleted parameter rest, and with which error?",
			Assumed: "at most 30 s (the lock waits 45 s), with ParameterAlreadyExists",
			Relies:  "nameReuse in provision/lease/lease.go; docs/decisions/0007-lease.md",
			Change:  "nameReuse, and the error's class in provision/resource/parameter.go",
		},
		{
			Name: "parameter-ghost", Lane: laneNames, Ask: askParameterGhost,
			Asks:    "Does PutParameter that overwrites and names no type create a parameter?",
			Assumed: "no: AWS refuses it, so a late renewal does not bring a deleted lock back",
			Relies:  "provision/lease; docs/decisions/0007-lease.md, \"Deletion\"",
			Change:  "the lock's writes in provision/lease/log.go",
		},
		{
			Name: "lock-history", Lane: laneNames, Ask: askLockHistory,
			Asks:    "Does a parameter's history show each write at once, in order and with rising dates?",
			Assumed: "versions have no gap, reads show a write within 10 s, and dates fall back by less than a second",
			Relies:  "settle in provision/lease/lease.go; docs/decisions/0007-lease.md, \"Time\"",
			Change:  "settle, and the margin before the expiry in provision/lease",
		},
		{
			Name: "lock-hundred", Lane: laneNames, Ask: askHundred,
			Asks:    "What happens at the hundred-and-first version of a parameter?",
			Assumed: "the write succeeds, and the oldest version goes: the history has the last 100",
			Relies:  "docs/decisions/0007-lease.md, \"A missing beginning\"; ParameterMaxVersionLimitExceeded in provision/resource/parameter.go",
			Change:  "how provision/lease keeps its log short",
		},
	}
}

func restQuestions() []question {
	return []question{
		{
			Name: "log-group-rest", Lane: laneNames, Ask: askLogGroupRest,
			Asks:    "How long does the name of a deleted log group rest?",
			Assumed: "at most 2 minutes, with OperationAbortedException, if at all",
			Relies:  "OperationAbortedException in provision/resource/loggroup.go",
			Change:  "the class of the error, or the log group's patience",
		},
		{
			Name: "queue-rest", Lane: laneNames, Ask: askQueueRest,
			Asks:    "How long does the name of a deleted SQS queue rest, and with which error?",
			Assumed: "60 s, with QueueDeletedRecently",
			Relies:  "QueueDeletedRecently in provision/resource/queue.go",
			Change:  "how long an up right after a down waits for the name",
		},
		{
			Name: "queue-tags", Lane: laneNames, Ask: askQueueTags,
			Asks:    "What does CreateQueue do to the tags of a queue that exists?",
			Assumed: "nothing: it returns the queue and leaves its tags",
			Relies:  "ownership (docs/decisions/0003-ownership.md): Create in provision/resource/queue.go must not take over another's queue",
			Change:  "Create in provision/resource/queue.go: read before it creates",
		},
		{
			Name: "rule-tags", Lane: laneNames, Ask: askRuleTags,
			Asks:    "What does PutRule do to the tags of a rule that exists?",
			Assumed: "nothing: it changes the rule and ignores the tags",
			Relies:  "ownership (docs/decisions/0003-ownership.md); request in provision/resource/eventrule.go",
			Change:  "Create in provision/resource/eventrule.go: read before it creates",
		},
		{
			Name: "bucket-rest", Lane: laneNames, Ask: askBucketRest,
			Asks:    "How long does the name of a deleted bucket in the account-regional namespace rest?",
			Assumed: "at most 2 minutes, for which the engine tries again; with OperationAborted, if at all",
			Relies:  "defaultPatience in provision/execution.go; OperationAborted in provision/resource/bucket.go",
			Change:  "the bucket's patience",
		},
		{
			Name: "refusals", Lane: laneNames, Ask: askRefusals,
			Asks:    "Do the refusals that the code provokes come with the codes and texts that it knows?",
			Assumed: "yes, each in the class that awserr.Declare gives it",
			Relies:  "awserr.Declare in provision/resource; where a rule has a Message, the text too",
			Change:  "the code or the text in the declaration, and in the sandbox",
		},
	}
}

// rest is how long a name was refused after its deletion.
type rest struct {
	first string // the first refusal; empty if there was none
	class awserr.Class
	took  time.Duration
	free  bool // at the end
}

func (t rest) String() string {
	switch {
	case !t.free:
		return fmt.Sprintf("not free after %s: %s", rough(t.took), t.first)
	case t.first == "":
		return "not at all: the name was free " + rough(t.took) + " after the deletion"
	}
	return fmt.Sprintf("%s, with %s", rough(t.took), t.first)
}

// resting creates an object again and again until its name is free.
func resting(ctx context.Context, limit time.Duration, create func() error) (t rest, err error) {
	t.took, err = until(ctx, limit, time.Second, func() (bool, error) {
		err := create()
		if err != nil && awserr.Code(err) == "" {
			return false, err // no answer of AWS
		}
		if err != nil && t.first == "" {
			t.first, t.class = codeOf(err), awserr.Classify(err)
		}
		return err == nil, nil
	})
	t.free = err == nil
	if tooLong(err) {
		err = nil
	}
	return t, err
}

// within reports whether the name was free in time, and whether flowbed tries again after
// the refusal.
func (t rest) within(limit time.Duration) bool {
	return t.free && t.took <= limit && (t.first == "" || t.class == awserr.Absent || t.class == awserr.Conflict || t.class == awserr.Transient)
}

func (r *run) putParameter(ctx context.Context, what string) error {
	_, err := r.ssm.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(r.path(what)), Value: aws.String("x"), Type: ssmtypes.ParameterTypeString,
		Tags: []ssmtypes.Tag{{Key: aws.String(tag), Value: &r.Name}},
	})
	return err
}

func askParameterRest(ctx context.Context, r *run) (answer, error) {
	if err := r.putParameter(ctx, "rest"); err != nil {
		return answer{}, fmt.Errorf("create parameter: %w", err)
	}
	if _, err := r.ssm.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String(r.path("rest"))}); err != nil {
		return answer{}, fmt.Errorf("delete parameter: %w", err)
	}
	t, err := resting(ctx, 5*time.Minute, func() error { return r.putParameter(ctx, "rest") })
	if err != nil {
		return answer{}, err
	}
	return judged(t.within(45*time.Second), "%s", t)
}

func askParameterGhost(ctx context.Context, r *run) (answer, error) {
	_, err := r.ssm.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(r.path("ghost")), Value: aws.String("x"), Overwrite: aws.Bool(true)})
	switch {
	case err == nil:
		return no("yes, it does")
	case awserr.Code(err) == "":
		return answer{}, err
	}
	return judged(!awserr.Retry(err), "no: %s", codeOf(err))
}

func askLockHistory(ctx context.Context, r *run) (answer, error) {
	name := r.path("history")
	if err := r.putParameter(ctx, "history"); err != nil {
		return answer{}, fmt.Errorf("create parameter: %w", err)
	}
	const writes = 8
	var slowest time.Duration
	for n := range writes {
		out, err := r.ssm.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: aws.String(fmt.Sprint(n)), Overwrite: aws.Bool(true)})
		if err != nil {
			return answer{}, fmt.Errorf("write parameter: %w", err)
		}
		took, err := until(ctx, 30*time.Second, 100*time.Millisecond, func() (bool, error) {
			list, err := r.history(ctx, name)
			return len(list) > 0 && list[len(list)-1].Version >= out.Version, err
		})
		if tooLong(err) {
			return no("version %d is not in the history after %s", out.Version, rough(took))
		}
		if err != nil {
			return answer{}, fmt.Errorf("read the history: %w", err)
		}
		slowest = max(slowest, took)
	}
	list, err := r.history(ctx, name)
	if err != nil {
		return answer{}, fmt.Errorf("read the history: %w", err)
	}
	if len(list) != writes+1 {
		return no("after %d writes the history has %d versions", writes+1, len(list))
	}
	var back time.Duration
	for i, v := range list {
		if v.Version != int64(i+1) {
			return no("version %d is at place %d of the history", v.Version, i+1)
		}
		if i > 0 && v.LastModifiedDate != nil && list[i-1].LastModifiedDate != nil {
			back = max(back, list[i-1].LastModifiedDate.Sub(*v.LastModifiedDate))
		}
	}
	return judged(slowest <= 10*time.Second && back < time.Second,
		"%d versions without a gap; the slowest was shown after %s; dates fall back by at most %s", len(list), rough(slowest), back)
}

func askHundred(ctx context.Context, r *run) (answer, error) {
	name := r.path("hundred")
	if err := r.putParameter(ctx, "hundred"); err != nil {
		return answer{}, fmt.Errorf("create parameter: %w", err)
	}
	var newest int64
	for n := range 100 {
		_, err := until(ctx, time.Minute, 3*time.Second, func() (bool, error) { // AWS allows three writes a second
			out, err := r.ssm.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: aws.String(fmt.Sprint(n)), Overwrite: aws.Bool(true)})
			if awserr.Classify(err) == awserr.Transient {
				return false, nil
			}
			if err == nil {
				newest = out.Version
			}
			return err == nil, err
		})
		if err != nil {
			return no("write %d was refused: %s", n+2, codeOf(err))
		}
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return answer{}, err
		}
	}
	var list []ssmtypes.ParameterHistory
	_, err := until(ctx, 30*time.Second, time.Second, func() (done bool, err error) {
		list, err = r.history(ctx, name)
		return len(list) > 0 && list[len(list)-1].Version == newest, err
	})
	if err != nil {
		return answer{}, fmt.Errorf("read the history: %w", err)
	}
	return judged(len(list) == 100 && list[0].Version == newest-99, "the history has %d versions, from %d to %d", len(list), list[0].Version, newest)
}

func (r *run) history(ctx context.Context, name string) (list []ssmtypes.ParameterHistory, err error) {
	pages := ssm.NewGetParameterHistoryPaginator(r.ssm, &ssm.GetParameterHistoryInput{Name: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if awserr.Classify(err) == awserr.Absent { // not visible yet
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, page.Parameters...)
	}
	return list, nil
}

// queue makes a queue and returns its URL. AWS wants a second until the queue is used:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func (r *run) queue(ctx context.Context, what, color string, attributes map[string]string) (string, error) {
	out, err := r.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String(r.object(what)), Attributes: attributes, Tags: map[string]string{tag: r.Name, "color": color}})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.QueueUrl), pause(ctx, time.Second)
}

func askQueueRest(ctx context.Context, r *run) (answer, error) {
	at, err := r.queue(ctx, "rest", "red", nil)
	if err != nil {
		return answer{}, fmt.Errorf("create queue: %w", err)
	}
	if _, err := r.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &at}); err != nil {
		return answer{}, fmt.Errorf("delete queue: %w", err)
	}
	t, err := resting(ctx, 5*time.Minute, func() error {
		_, err := r.queue(ctx, "rest", "red", nil)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return judged(t.first != "" && t.within(75*time.Second), "%s", t)
}

func askQueueTags(ctx context.Context, r *run) (answer, error) {
	at, err := r.queue(ctx, "tags", "red", nil)
	if err != nil {
		return answer{}, fmt.Errorf("create queue: %w", err)
	}
	_, err = r.queue(ctx, "tags", "blue", nil)
	if err != nil {
		return no("it refuses: %s", codeOf(err))
	}
	color, err := repainted(ctx, func() (string, error) {
		out, err := r.sqs.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &at})
		if err != nil {
			return "", fmt.Errorf("read the queue's tags: %w", err)
		}
		return out.Tags["color"], nil
	})
	if err != nil {
		return answer{}, err
	}
	return judged(color == "red", "it returns the queue, whose tag was red and is %s now", color)
}

// repainted reads a color until it is blue, or has stayed as it is for a while: a new object
// or a new color may not be visible at once.
func repainted(ctx context.Context, read func() (string, error)) (color string, err error) {
	var last error
	_, err = until(ctx, 20*time.Second, 2*time.Second, func() (bool, error) {
		if color, last = read(); last != nil && !awserr.Retry(last) {
			return false, last
		}
		return color == "blue", nil
	})
	if tooLong(err) {
		err = last
	}
	if color == "" {
		color = "gone"
	}
	return color, err
}

func askLogGroupRest(ctx context.Context, r *run) (answer, error) {
	if err := r.logGroup(ctx, "rest"); err != nil {
		return answer{}, fmt.Errorf("create log group: %w", err)
	}
	if _, err := r.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String(r.path("rest"))}); err != nil {
		return answer{}, fmt.Errorf("delete log group: %w", err)
	}
	t, err := resting(ctx, 5*time.Minute, func() error { return r.logGroup(ctx, "rest") })
	if err != nil {
		return answer{}, err
	}
	return judged(t.within(2*time.Minute), "%s", t)
}

func askRuleTags(ctx context.Context, r *run) (answer, error) {
	name := r.object("tags")
	put := func(color string) error {
		_, err := r.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: aws.String(`{"source":["flowbed.canary"]}`),
			Tags: []eventtypes.Tag{{Key: aws.String(tag), Value: &r.Name}, {Key: aws.String("color"), Value: &color}}})
		return err
	}
	if err := put("red"); err != nil {
		return answer{}, fmt.Errorf("create rule: %w", err)
	}
	if err := put("blue"); err != nil {
		return no("it refuses: %s", codeOf(err))
	}
	color, err := repainted(ctx, func() (string, error) {
		out, err := r.events.ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: aws.String(r.arn("events", r.Region, "rule/"+name))})
		if err != nil {
			return "", fmt.Errorf("read the rule's tags: %w", err)
		}
		for _, t := range out.Tags {
			if aws.ToString(t.Key) == "color" {
				return aws.ToString(t.Value), nil
			}
		}
		return "", nil
	})
	if err != nil {
		return answer{}, err
	}
	return judged(color == "red", "it changes the rule, whose tag was red and is %s now", color)
}

func askBucketRest(ctx context.Context, r *run) (answer, error) {
	create := func() error { return r.createBucket(ctx) }
	if err := create(); err != nil {
		return answer{}, fmt.Errorf("create bucket: %w", err)
	}
	if _, err := r.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(r.bucket())}); err != nil {
		return answer{}, fmt.Errorf("delete bucket: %w", err)
	}
	t, err := resting(ctx, 5*time.Minute, create)
	if err != nil {
		return answer{}, err
	}
	return judged(t.within(2*time.Minute), "%s", t)
}
