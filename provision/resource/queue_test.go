package resource_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/lifecycle"
	"github.com/flowbed/flowbed/test/try"
)

// graphOfCase is the graph of a case of the life table.
func graphOfCase(c lifecycle.Case, cfg aws.Config) *provision.Graph {
	w := lifecycle.NewWorld(cfg, sandbox.DefaultAccount)
	g := &provision.Graph{Owner: w.ID.Owner(), Retry: awserr.Retry}
	c.Add(w, g)
	return g
}

// A key of KMS is replaced by SQS's keys: with another's key, EventBridge could not send.
func TestKeyOfQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := sandbox.New().Config("us-east-1")
		try.OK(graphOfCase(lifecycle.Queue, cfg).Up(t.Context()))
		api, name := sqs.NewFromConfig(cfg), "flowbed-dev-events"
		url := try.Must(api.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})).QueueUrl
		try.Must(api.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"KmsMasterKeyId": "alias/another"}}))
		p := try.Must(graphOfCase(lifecycle.Queue, cfg).Plan(t.Context()))
		at := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == "event queue" })
		if have := fields(p.Actions[at]); !slices.Equal(have, []string{"encryption with SQS keys"}) {
			t.Errorf("the plan has %q", have)
		}
		try.OK(graphOfCase(lifecycle.Queue, cfg).Up(t.Context()))
		if p := try.Must(graphOfCase(lifecycle.Queue, cfg).Plan(t.Context())); !p.Empty() {
			t.Errorf("after up the plan is %+v", p)
		}
	})
}

// A new queue is unknown for a second, and a deleted one's name rests for a minute.
func TestQueueIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		a.QueueStart, a.QueueRest = time.Second, time.Minute
		for range 2 {
			try.OK(graphOfCase(lifecycle.EventRule, a.Config("us-east-1")).Up(t.Context()))
			left, err := graphOfCase(lifecycle.EventRule, a.Config("us-east-1")).Down(t.Context())
			if err != nil || !left.Empty() {
				t.Errorf("down: %v, left %+v", err, left)
			}
		}
	})
}

// failing makes the first call of PutTargets fail for its entry, with HTTP 200.
func failing(cfg aws.Config, code string) aws.Config {
	done := false
	fail := middleware.InitializeMiddlewareFunc("test:fail", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
		middleware.InitializeOutput, middleware.Metadata, error) {
		if _, ok := in.Parameters.(*eventbridge.PutTargetsInput); !ok || done {
			return next.HandleInitialize(ctx, in)
		}
		done = true
		return middleware.InitializeOutput{Result: &eventbridge.PutTargetsOutput{
			FailedEntryCount: 1, FailedEntries: []types.PutTargetsResultEntry{{ErrorCode: &code, ErrorMessage: aws.String("as the test wishes")}},
		}}, middleware.Metadata{}, nil
	})
	cfg.APIOptions = append([]func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(fail, middleware.Before)
	}}, cfg.APIOptions...)
	return cfg
}

// EventBridge says with success that a target has failed.
func TestFailedTarget(t *testing.T) {
	for code, want := range map[string]string{"ConcurrentModificationException": "", "ManagedRuleException": "as the test wishes"} {
		synctest.Test(t, func(t *testing.T) {
			err := graphOfCase(lifecycle.EventRule, failing(sandbox.New().Config("us-east-1"), code)).Up(t.Context())
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: up says %v, want %q", code, err, want)
			}
		})
	}
}
