package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/freetier"
)

// settingQuestions are about what a call does to the settings that it does not name, or
// that name what is not there.
func settingQuestions() []question {
	return []question{
		{
			Name: "dead-letter-source", Lane: laneNames, Ask: askDeadLetterSource,
			Asks:    "Does a dead-letter queue accept the dead letters of a queue that does not exist yet?",
			Assumed: "yes, and then the queue can name it",
			Relies:  "RedriveAllowPolicy in provision/resource/queue.go; addEvents in provision/stack/events.go; checkAllow in provision/sandbox/sqs/attribute.go",
			Change:  "create the queue first: the order in provision/stack/events.go",
		},
		{
			Name: "queue-key", Lane: laneNames, Ask: askQueueKey,
			Asks:    "Does an empty KmsMasterKeyId beside SqsManagedSseEnabled=true switch a queue from a key of KMS to SQS's keys?",
			Assumed: "yes, within a minute",
			Relies:  "setAttributes in provision/resource/queue.go; set in provision/sandbox/sqs/attribute.go",
			Change:  "setAttributes in provision/resource/queue.go: leave the key out, or use two calls",
		},
		{
			Name: "target-settings", Lane: laneNames, Ask: askTarget,
			Asks:    "Does PutTargets clear the settings of a target that it does not name?",
			Assumed: "yes: the call with the same id replaces the whole target",
			Relies:  "putTarget in provision/resource/eventrule.go; putTargets in provision/sandbox/events/events.go",
			Change:  "putTarget in provision/resource/eventrule.go: remove the target first",
		},
		{
			Name: "account-plan", Lane: laneNames, Ask: askPlan,
			Asks:    "What does GetAccountPlanState say about this account?",
			Assumed: "FREE or PAID; ResourceNotFoundException for an account that is older than the plans",
			Relies:  "onFreePlan in provision/resource/instance_offering.go; refusal in provision/freetier/freetier.go; getAccountPlanState in provision/sandbox/freetier/freetier.go",
			Change:  "what counts as the free plan, in provision/resource/instance_offering.go",
		},
	}
}

func (r *run) queueARN(what string) string { return r.arn("sqs", r.Region, r.object(what)) }

// attributes reads a queue until it has what is wanted. A new queue, and a new value, may
// not be visible at once.
func (r *run) attributes(ctx context.Context, url string, limit time.Duration, want func(map[string]string) bool) (have map[string]string, err error) {
	_, err = until(ctx, limit, 3*time.Second, func() (bool, error) {
		out, err := r.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
		if awserr.Retry(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read the queue: %w", err)
		}
		have = out.Attributes
		return want(have), nil
	})
	return have, err
}

func askDeadLetterSource(ctx context.Context, r *run) (answer, error) {
	dead, err := r.queue(ctx, "dead", "red", map[string]string{
		"RedriveAllowPolicy": fmt.Sprintf(`{"redrivePermission":"byQueue","sourceQueueArns":[%q]}`, r.queueARN("source"))})
	if err != nil && awserr.Code(err) != "" {
		return no("it refuses: %s", codeOf(err))
	}
	if err != nil {
		return answer{}, fmt.Errorf("create queue: %w", err)
	}
	var refused error
	took, err := until(ctx, time.Minute, 3*time.Second, func() (bool, error) { // the dead-letter queue may not be visible yet
		_, err := r.queue(ctx, "source", "red", map[string]string{
			"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":5}`, r.queueARN("dead"))})
		if err != nil && awserr.Code(err) == "" {
			return false, err
		}
		refused = err
		return err == nil, nil
	})
	if tooLong(err) {
		return no("it accepts that, but then the queue may not name it: %s", codeOf(refused))
	}
	if err != nil {
		return answer{}, fmt.Errorf("create queue: %w", err)
	}
	have, err := r.attributes(ctx, dead, time.Minute, func(a map[string]string) bool { return a["RedriveAllowPolicy"] != "" })
	if err != nil && !tooLong(err) {
		return answer{}, err
	}
	return judged(strings.Contains(have["RedriveAllowPolicy"], r.queueARN("source")),
		"it accepts that, and %s later the queue could name it; its policy is %s", rough(took), have["RedriveAllowPolicy"])
}

func askQueueKey(ctx context.Context, r *run) (answer, error) {
	at, err := r.queue(ctx, "key", "red", map[string]string{"KmsMasterKeyId": "alias/aws/sqs"}) // AWS's own key, which is free
	if err != nil {
		return answer{}, fmt.Errorf("create queue: %w", err)
	}
	if _, err := r.attributes(ctx, at, time.Minute, func(a map[string]string) bool {
		return a["KmsMasterKeyId"] != "" && a["SqsManagedSseEnabled"] == "false"
	}); tooLong(err) {
		return couldNot("a queue that was created with a key does not say so")
	} else if err != nil {
		return answer{}, err
	}
	_, err = r.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &at, Attributes: map[string]string{
		"SqsManagedSseEnabled": "true", "KmsMasterKeyId": ""}})
	if err != nil && awserr.Code(err) != "" {
		return no("it is refused: %s", codeOf(err))
	}
	if err != nil {
		return answer{}, fmt.Errorf("set the queue's encryption: %w", err)
	}
	begun := time.Now()
	have, err := r.attributes(ctx, at, 3*time.Minute, func(a map[string]string) bool {
		return a["KmsMasterKeyId"] == "" && a["SqsManagedSseEnabled"] == "true"
	})
	if err != nil && !tooLong(err) {
		return answer{}, err
	}
	return judged(err == nil && time.Since(begun) <= 75*time.Second, "after %s the queue has SqsManagedSseEnabled=%s and KmsMasterKeyId=%q",
		rough(time.Since(begun)), have["SqsManagedSseEnabled"], have["KmsMasterKeyId"])
}

func askTarget(ctx context.Context, r *run) (answer, error) {
	name := r.object("target")
	if _, err := r.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: aws.String(`{"source":["flowbed.canary"]}`),
		Tags: []eventtypes.Tag{{Key: aws.String(tag), Value: &r.Name}}}); err != nil {
		return answer{}, fmt.Errorf("create rule: %w", err)
	}
	target := eventtypes.Target{Id: aws.String("queue"), Arn: aws.String(r.queueARN("target"))} // there is no such queue, and no such event
	settled := target
	settled.InputPath, settled.RetryPolicy = aws.String("$.detail"), &eventtypes.RetryPolicy{MaximumRetryAttempts: aws.Int32(1)}
	if err := r.putTarget(ctx, name, settled); err != nil {
		return answer{}, err
	}
	set := func(want bool) func() (bool, error) {
		return func() (bool, error) {
			have, err := r.targetSettings(ctx, name)
			if awserr.Retry(err) { // not visible yet
				return false, nil
			}
			return err == nil && (have != "") == want, err
		}
	}
	if _, err := until(ctx, 30*time.Second, 2*time.Second, set(true)); tooLong(err) {
		return couldNot("a target with settings does not show them")
	} else if err != nil {
		return answer{}, err
	}
	if err := r.putTarget(ctx, name, target); err != nil {
		return answer{}, err
	}
	if _, err := until(ctx, 30*time.Second, 2*time.Second, set(false)); err != nil && !tooLong(err) {
		return answer{}, err
	}
	left, err := r.targetSettings(ctx, name)
	if err != nil {
		return answer{}, err
	}
	if left != "" {
		return no("the target keeps %s", left)
	}
	return yes("the target had InputPath and RetryPolicy, and has neither now")
}

func (r *run) putTarget(ctx context.Context, rule string, t eventtypes.Target) error {
	out, err := r.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &rule, Targets: []eventtypes.Target{t}})
	if err != nil {
		return fmt.Errorf("put target: %w", err)
	}
	if len(out.FailedEntries) > 0 {
		return fmt.Errorf("put target: %s", aws.ToString(out.FailedEntries[0].ErrorMessage))
	}
	return nil
}

// targetSettings are the names of the settings that the rule's target has.
func (r *run) targetSettings(ctx context.Context, rule string) (string, error) {
	out, err := r.events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &rule})
	if err != nil {
		return "", fmt.Errorf("read target: %w", err)
	}
	var names []string
	for _, t := range out.Targets {
		if t.InputPath != nil {
			names = append(names, "InputPath")
		}
		if t.RetryPolicy != nil {
			names = append(names, "RetryPolicy")
		}
	}
	return strings.Join(names, " and "), nil
}

func askPlan(ctx context.Context, r *run) (answer, error) {
	api := freetier.NewFromConfig(r.cfg)
	if api == nil {
		return couldNot("this region has no such service")
	}
	out, err := api.GetAccountPlanState(ctx, &freetier.GetAccountPlanStateInput{})
	switch {
	case err != nil && awserr.Code(err) == "":
		return answer{}, fmt.Errorf("read the account's plan: %w", err)
	case err != nil:
		return judged(awserr.Code(err) == "ResourceNotFoundException", "%s", codeOf(err))
	}
	return judged(out.AccountPlanType == freetier.Free || out.AccountPlanType == "PAID", "%s, %s", out.AccountPlanType, out.AccountPlanStatus)
}
