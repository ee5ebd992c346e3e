package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/sandbox/core"
	sandboxiam "github.com/flowbed/flowbed/provision/sandbox/iam"
)

const region = "us-east-1"

// world is the sandbox, with stand-ins for what it does not emulate: assumed
// roles, tasks that run and end, the worker's observer, and consoles that speak late. Its fields say
// how it differs from what flowbed assumes; the zero value is a world as assumed.
type world struct {
	*sandbox.Account
	bare bool // without the stand-ins: only what the sandbox emulates

	KnownSources   bool // a dead-letter queue must name queues that exist
	KeyStays       bool // an empty name of a key is refused
	TargetsMerge   bool // PutTargets keeps the settings that it does not name
	Tagless        bool // Systems Manager does not look at an instance's tags
	TagsIgnored    bool // a condition on them is always met
	NoRestarts     bool // systemd does not tell NRestarts to ExecStopPost
	Deaf           bool // the worker's observer does nothing
	Retagged       bool // CreateQueue and PutRule overwrite the tags of what exists
	SourceWorks    bool // ECS sends its source when it assumes an execution role
	Unprefixed     bool // a rule does not look at the group
	OtherGroup     bool // events have another group
	EventDelay     time.Duration
	NoEnvironment  bool // events do not have the overrides' environment
	NoTags         bool // DescribeTasks shows a task that ended without its tags
	EarlyTask      bool // a cluster that is PROVISIONING takes tasks
	MutePlain      bool // no task writes to its log
	LateConsole    bool // consoles speak after 11 minutes
	XenLatest      bool // a t2 has a latest output
	SlowManager    bool // Systems Manager needs 6 minutes
	Mismatched     bool // a client token is good for any request
	Zoneless       bool // no task runs if it may run in one zone alone
	Unblocked      bool // PutBucketEncryption blocks nothing
	OddProfile     bool // a new instance profile is refused with a new text
	Lax            bool // no policy is checked
	HelloMissing   bool // this flowbed has no hello
	HelloFails     bool
	AnySize        bool // any size of a task is accepted
	StrangeRefusal bool // a log group that exists is refused with a new code

	mu      sync.Mutex
	keys    map[string]core.Identity // by access key id
	tasks   map[string]*taskStandIn  // by ARN
	stopped map[string]time.Time     // when somebody stopped a task, by ARN
	spoken  map[string]time.Time     // when the console of an instance was first read
	managed map[string]time.Time     // when a command was first sent to an instance
	born    map[string]time.Time     // of clusters
}

type taskStandIn struct {
	family      string
	environment []ecstypes.KeyValuePair
	begun       time.Time
	told        bool // it was stopped
}

func newWorld() *world {
	w := &world{
		Account: sandbox.New(), keys: map[string]core.Identity{}, tasks: map[string]*taskStandIn{}, stopped: map[string]time.Time{},
		spoken: map[string]time.Time{}, managed: map[string]time.Time{}, born: map[string]time.Time{},
	}
	w.ParameterRest, w.BootTime, w.SetupTime, w.ProfileLag = 30*time.Second, 20*time.Second, 2*time.Minute, 8*time.Second
	w.QueueRest, w.QueueStart, w.TaskTime = time.Minute, time.Second, 15*time.Second
	return w
}

// config is a configuration with which somebody talks to the world; nil is its owner.
func (w *world) config(who *core.Identity) aws.Config {
	return before(w.sandbox(who), func(ctx context.Context, in any, next func() (any, error)) (any, error) {
		if answer, ok := w.standIn(in); ok {
			out, err := answer(context.WithValue(ctx, whoKey{}, who))
			if !errors.Is(err, errPass) {
				return out, err
			}
		}
		return next()
	})
}

// sandbox is the world without stand-ins.
func (w *world) sandbox(who *core.Identity) aws.Config {
	if who == nil || w.Lax {
		return w.Config(region)
	}
	return before(w.Config(region), func(_ context.Context, in any, _ func() (any, error)) (out any, err error) {
		w.Change(region, func(r *core.Request) { out, err = r.As(*who, in) })
		return out, err
	})
}

// below is the sandbox for a stand-in that answers a call.
func (w *world) below(ctx context.Context) aws.Config {
	who, _ := ctx.Value(whoKey{}).(*core.Identity)
	return w.sandbox(who)
}

type whoKey struct{}

// before puts a step before all others of a configuration's calls.
func before(cfg aws.Config, step func(ctx context.Context, in any, next func() (any, error)) (any, error)) aws.Config {
	cfg.APIOptions = append(cfg.APIOptions, func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("canary:"+fmt.Sprint(len(cfg.APIOptions)),
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
				middleware.InitializeOutput, middleware.Metadata, error) {
				out, err := step(ctx, in.Parameters, func() (any, error) {
					out, _, err := next.HandleInitialize(ctx, in)
					return out.Result, err
				})
				return middleware.InitializeOutput{Result: out}, middleware.Metadata{}, err
			}), middleware.Before)
	})
	return cfg
}

// as is a configuration with the credentials of an assumed role.
func (w *world) as(c aws.Credentials) aws.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	who, ok := w.keys[c.AccessKeyID]
	if !ok {
		panic("no such key: " + c.AccessKeyID)
	}
	return w.config(&who)
}

// standIn returns the answer of a stand-in, if one answers the call.
func (w *world) standIn(in any) (func(context.Context) (any, error), bool) {
	if w.bare {
		return nil, false
	}
	name := strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
	m := reflect.ValueOf(w).MethodByName("On" + strings.ReplaceAll(name, "Url", "URL"))
	if !m.IsValid() || m.Type().In(1) != reflect.TypeOf(in) {
		return nil, false
	}
	return func(ctx context.Context) (any, error) {
		out := m.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(in)})
		err, _ := out[1].Interface().(error)
		if err != nil {
			return nil, err
		}
		return out[0].Interface(), nil
	}, true
}

// errPass leaves a call to the sandbox.
var errPass = errors.New("not for a stand-in")

// The operations of the stand-ins. Each has the name of its call.

func (w *world) OnAssumeRole(_ context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	name := path.Base(*in.RoleArn)
	who := core.Identity{ARN: "arn:aws:sts::" + core.DefaultAccount + ":assumed-role/" + name + "/" + *in.RoleSessionName}
	found := false
	w.Change(region, func(r *core.Request) {
		if role := sandboxiam.RoleNamed(r, name); role != nil {
			who.Policies, found = core.Sorted(role.Inline), true
		}
	})
	if !found {
		return nil, core.Fail("AccessDenied", "not authorized to perform: sts:AssumeRole")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := "ASIA" + strings.ToUpper(rand.Text()[:16])
	w.keys[key] = who
	return &sts.AssumeRoleOutput{Credentials: &ststypes.Credentials{AccessKeyId: &key, SecretAccessKey: aws.String("secret-of-" + key), SessionToken: aws.String("token-of-" + key)}}, nil
}

// probing reports whether a queue or a rule is one of the questions'. Those of the
// environment are as assumed in every world.
func probing(name string) bool { return strings.HasPrefix(path.Base(name), "canary-") }

func (w *world) OnCreateQueue(ctx context.Context, in *sqs.CreateQueueInput) (*sqs.CreateQueueOutput, error) {
	api := sqs.NewFromConfig(w.below(ctx))
	if _, allows := in.Attributes["RedriveAllowPolicy"]; allows && w.KnownSources && probing(*in.QueueName) {
		return nil, core.Fail("InvalidParameterValue", "The source queue does not exist.")
	}
	_, absent := api.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: in.QueueName})
	out, err := api.CreateQueue(ctx, in)
	if err == nil && w.Retagged && absent == nil {
		_, err = api.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: out.QueueUrl, Tags: in.Tags})
	}
	return out, err
}

func (w *world) OnSetQueueAttributes(_ context.Context, in *sqs.SetQueueAttributesInput) (*sqs.SetQueueAttributesOutput, error) {
	if key, has := in.Attributes["KmsMasterKeyId"]; has && key == "" && w.KeyStays && probing(*in.QueueUrl) {
		return nil, core.Fail("InvalidAttributeValue", "Invalid value for the parameter KmsMasterKeyId.")
	}
	return nil, errPass
}

// OnReceiveMessage waits, and adds what the sandbox's events lack.
func (w *world) OnReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error) {
	if err := pause(ctx, time.Duration(in.WaitTimeSeconds)*time.Second); err != nil {
		return nil, err
	}
	out, err := sqs.NewFromConfig(w.below(ctx)).ReceiveMessage(ctx, in)
	if err != nil {
		return nil, err
	}
	for i := range out.Messages {
		if err := w.complete(&out.Messages[i], probing(*in.QueueUrl)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (w *world) OnPutRule(ctx context.Context, in *eventbridge.PutRuleInput) (*eventbridge.PutRuleOutput, error) {
	api := eventbridge.NewFromConfig(w.below(ctx))
	put := *in
	if w.Unprefixed && probing(*in.Name) {
		put.EventPattern = aws.String(groupPattern.ReplaceAllString(*in.EventPattern, ""))
	}
	out, err := api.PutRule(ctx, &put)
	if err == nil && w.Retagged {
		_, err = api.TagResource(ctx, &eventbridge.TagResourceInput{ResourceARN: out.RuleArn, Tags: in.Tags})
	}
	return out, err
}

var groupPattern = regexp.MustCompile(`,"group":\[[^]]*\]`)

// OnPutTargets may keep what the call does not name.
func (w *world) OnPutTargets(ctx context.Context, in *eventbridge.PutTargetsInput) (*eventbridge.PutTargetsOutput, error) {
	if !w.TargetsMerge {
		return nil, errPass
	}
	api := eventbridge.NewFromConfig(w.below(ctx))
	have, err := api.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: in.Rule})
	if err != nil {
		return nil, err
	}
	put := *in
	put.Targets = slices.Clone(in.Targets)
	for i := range put.Targets {
		for _, t := range have.Targets {
			if *t.Id == *put.Targets[i].Id {
				put.Targets[i].InputPath = cmp.Or(put.Targets[i].InputPath, t.InputPath)
			}
		}
	}
	return api.PutTargets(ctx, &put)
}

// newTestRun returns a run in a world.
func newTestRun(t *testing.T, w *world) *run {
	t.Helper()
	p := &inProcess{world: w}
	s := settings{
		Name: "canary-x7k2p9", Region: region, Account: core.DefaultAccount, Caller: "arn:aws:iam::" + core.DefaultAccount + ":user/ada.lovelace",
		Within: time.Hour, Prefect: endpoint{URL: "https://prefect.example.com/api", Key: "pnu_0123456789"},
	}
	r := newRun(s, w.config(nil), p, t.Output())
	r.transport = w.prefect()
	r.as, r.write = w.as, func(text string) error { p.config = text; return nil }
	p.id.Env = s.Name
	return r
}

// verdicts are the verdicts of all questions, by name.
func verdicts(results []result) map[string]verdict {
	all := map[string]verdict{}
	for _, one := range results {
		all[one.Name] = one.Verdict
	}
	return all
}

func answers(results []result) string {
	var b strings.Builder
	for _, one := range results {
		fmt.Fprintf(&b, "%s: %s (%s)\n  %s\n", one.Name, one.Verdict, rough(one.Took), indented(one.Text))
	}
	return b.String()
}
