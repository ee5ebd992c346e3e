package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/sandbox/core"
	sandboxiam "github.com/flowbed/flowbed/provision/sandbox/iam"
)

const region = "us-east-1"

// world is the sandbox, with stand-ins for what it does not emulate: queues and rules,
// assumed roles, tasks that run and end, and consoles that speak late. Its fields say
// how it differs from what flowbed assumes; the zero value is a world as assumed.
type world struct {
	*sandbox.Account
	bare bool // without the stand-ins: only what the sandbox emulates

	LongRest       bool // names of queues rest for 3 minutes
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
	OddProfile     bool // a new instance profile is refused with a new text
	Lax            bool // no policy is checked
	HelloMissing   bool // this flowbed has no hello
	HelloFails     bool
	knowsQueues    bool // the sandbox has SQS and EventBridge
	AnySize        bool // any size of a task is accepted
	StrangeRefusal bool // a log group that exists is refused with a new code

	mu      sync.Mutex
	keys    map[string]core.Identity // by access key id
	queues  map[string]*queueStandIn // by name
	freed   map[string]time.Time     // when a queue was deleted, by name
	rules   map[string]*ruleStandIn
	tasks   map[string]*taskStandIn // by ARN
	spoken  map[string]time.Time    // when the console of an instance was first read
	managed map[string]time.Time    // when a command was first sent to an instance
	born    map[string]time.Time    // of clusters
}

type queueStandIn struct {
	tags     map[string]string
	messages []sqstypes.Message
}

type ruleStandIn struct {
	pattern struct {
		Detail struct {
			ClusterArn []string
			Group      []struct{ Prefix string }
		}
	}
	queue string
	tags  []eventtypes.Tag
}

type taskStandIn struct {
	cluster, family, group string
	tags                   []ecstypes.Tag
	environment            []ecstypes.KeyValuePair
	begun                  time.Time
	told                   bool // its events were sent
}

func newWorld() *world {
	w := &world{
		Account: sandbox.New(), keys: map[string]core.Identity{}, queues: map[string]*queueStandIn{}, freed: map[string]time.Time{},
		rules: map[string]*ruleStandIn{}, tasks: map[string]*taskStandIn{}, spoken: map[string]time.Time{},
		managed: map[string]time.Time{}, born: map[string]time.Time{},
	}
	_, err := sqs.NewFromConfig(w.Config(region)).ListQueues(context.Background(), &sqs.ListQueuesInput{})
	w.knowsQueues = err == nil
	w.ParameterRest, w.BootTime, w.SetupTime, w.ProfileLag = 30*time.Second, 20*time.Second, 2*time.Minute, 8*time.Second
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

// foreign reports whether a queue or a rule is not one of the questions'. Those of the
// environment belong to the sandbox, if it has them.
func (w *world) foreign(name string) bool {
	return w.knowsQueues && !strings.HasPrefix(path.Base(name), "canary-")
}

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

const queueRoot = "https://sqs.us-east-1.amazonaws.com/" + core.DefaultAccount + "/"

func (w *world) OnCreateQueue(_ context.Context, in *sqs.CreateQueueInput) (*sqs.CreateQueueOutput, error) {
	if w.foreign(*in.QueueName) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := time.Minute
	if w.LongRest {
		rest = 3 * time.Minute
	}
	name := *in.QueueName
	if at, ok := w.freed[name]; ok && time.Since(at) < rest {
		return nil, &sqstypes.QueueDeletedRecently{ErrorCodeOverride: aws.String("AWS.SimpleQueueService.QueueDeletedRecently"), Message: aws.String("You must wait 60 seconds after deleting a queue before you can create another with the same name.")}
	}
	if q := w.queues[name]; q == nil {
		w.queues[name] = &queueStandIn{tags: in.Tags}
	} else if w.Retagged {
		q.tags = in.Tags
	}
	return &sqs.CreateQueueOutput{QueueUrl: aws.String(queueRoot + name)}, nil
}

func (w *world) OnDeleteQueue(_ context.Context, in *sqs.DeleteQueueInput) (*sqs.DeleteQueueOutput, error) {
	if w.foreign(*in.QueueUrl) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.queues, path.Base(*in.QueueUrl))
	w.freed[path.Base(*in.QueueUrl)] = time.Now()
	return &sqs.DeleteQueueOutput{}, nil
}

func (w *world) OnListQueues(_ context.Context, in *sqs.ListQueuesInput) (*sqs.ListQueuesOutput, error) {
	if w.foreign(aws.ToString(in.QueueNamePrefix)) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := &sqs.ListQueuesOutput{}
	for name := range w.queues {
		if strings.HasPrefix(name, aws.ToString(in.QueueNamePrefix)) {
			out.QueueUrls = append(out.QueueUrls, queueRoot+name)
		}
	}
	return out, nil
}

func (w *world) OnListQueueTags(_ context.Context, in *sqs.ListQueueTagsInput) (*sqs.ListQueueTagsOutput, error) {
	if w.foreign(*in.QueueUrl) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return &sqs.ListQueueTagsOutput{Tags: w.queues[path.Base(*in.QueueUrl)].tags}, nil
}

func (w *world) OnGetQueueURL(_ context.Context, in *sqs.GetQueueUrlInput) (*sqs.GetQueueUrlOutput, error) {
	if w.foreign(*in.QueueName) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queues[*in.QueueName] == nil {
		return nil, &sqstypes.QueueDoesNotExist{Message: aws.String("The specified queue does not exist.")}
	}
	return &sqs.GetQueueUrlOutput{QueueUrl: aws.String(queueRoot + *in.QueueName)}, nil
}

func (w *world) OnReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error) {
	if w.foreign(*in.QueueUrl) {
		return nil, errPass
	}
	if err := pause(ctx, time.Duration(in.WaitTimeSeconds)*time.Second); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	q, out := w.queues[path.Base(*in.QueueUrl)], &sqs.ReceiveMessageOutput{}
	out.Messages, q.messages = q.messages, nil
	return out, nil
}

func (w *world) OnDeleteMessage(_ context.Context, in *sqs.DeleteMessageInput) (*sqs.DeleteMessageOutput, error) {
	if w.foreign(*in.QueueUrl) {
		return nil, errPass
	}
	return &sqs.DeleteMessageOutput{}, nil // receiving has deleted it
}

func (w *world) OnPutRule(_ context.Context, in *eventbridge.PutRuleInput) (*eventbridge.PutRuleOutput, error) {
	if w.foreign(*in.Name) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.rules[*in.Name]
	if r == nil || w.Retagged {
		r = &ruleStandIn{tags: in.Tags}
	}
	w.rules[*in.Name] = r
	return &eventbridge.PutRuleOutput{}, json.Unmarshal([]byte(*in.EventPattern), &r.pattern)
}

func (w *world) OnPutTargets(_ context.Context, in *eventbridge.PutTargetsInput) (*eventbridge.PutTargetsOutput, error) {
	if w.foreign(*in.Rule) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	arn := *in.Targets[0].Arn
	w.rules[*in.Rule].queue = arn[strings.LastIndex(arn, ":")+1:]
	return &eventbridge.PutTargetsOutput{}, nil
}

func (w *world) OnListRules(_ context.Context, in *eventbridge.ListRulesInput) (*eventbridge.ListRulesOutput, error) {
	if w.foreign(aws.ToString(in.NamePrefix)) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := &eventbridge.ListRulesOutput{}
	for name := range w.rules {
		if strings.HasPrefix(name, aws.ToString(in.NamePrefix)) {
			out.Rules = append(out.Rules, eventtypes.Rule{Name: &name})
		}
	}
	return out, nil
}

func (w *world) OnListTargetsByRule(_ context.Context, in *eventbridge.ListTargetsByRuleInput) (*eventbridge.ListTargetsByRuleOutput, error) {
	if w.foreign(*in.Rule) {
		return nil, errPass
	}
	return &eventbridge.ListTargetsByRuleOutput{Targets: []eventtypes.Target{{Id: aws.String("queue")}}}, nil
}

func (w *world) OnRemoveTargets(_ context.Context, in *eventbridge.RemoveTargetsInput) (*eventbridge.RemoveTargetsOutput, error) {
	if w.foreign(*in.Rule) {
		return nil, errPass
	}
	return &eventbridge.RemoveTargetsOutput{}, nil
}

func (w *world) OnDeleteRule(_ context.Context, in *eventbridge.DeleteRuleInput) (*eventbridge.DeleteRuleOutput, error) {
	if w.foreign(*in.Name) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.rules, *in.Name)
	return &eventbridge.DeleteRuleOutput{}, nil
}

func (w *world) OnListTagsForResource(_ context.Context, in *eventbridge.ListTagsForResourceInput) (*eventbridge.ListTagsForResourceOutput, error) {
	if w.foreign(*in.ResourceARN) {
		return nil, errPass
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return &eventbridge.ListTagsForResourceOutput{Tags: w.rules[path.Base(*in.ResourceARN)].tags}, nil
}

// newTestRun returns a run in a world.
func newTestRun(t *testing.T, w *world) *run {
	t.Helper()
	p := &inProcess{world: w}
	s := settings{
		Name: "canary-x7k2p9", Region: region, Account: core.DefaultAccount, Caller: "arn:aws:iam::" + core.DefaultAccount + ":user/ada.lovelace",
		Within: time.Hour, Prefect: prefect{URL: "https://prefect.example.com/api", Key: "pnu_0123456789"},
	}
	r := newRun(s, w.config(nil), p, t.Output())
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
