package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
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

// The sandbox's clusters are active at once, and its tasks never end.

// provisioning reports whether a cluster of the questions is that young.
func (w *world) provisioning(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.born[name]) < 7*time.Second
}

func (w *world) sandboxECS(ctx context.Context) *ecs.Client { return ecs.NewFromConfig(w.below(ctx)) }

func (w *world) OnCreateCluster(ctx context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	out, err := w.sandboxECS(ctx).CreateCluster(ctx, in)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.born[*in.ClusterName]; !known {
		w.born[*in.ClusterName] = time.Now()
		if err == nil {
			out.Cluster.Status = aws.String("PROVISIONING")
		}
	}
	return out, err
}

func (w *world) OnDescribeClusters(ctx context.Context, in *ecs.DescribeClustersInput) (*ecs.DescribeClustersOutput, error) {
	out, err := w.sandboxECS(ctx).DescribeClusters(ctx, in)
	if err == nil && len(out.Clusters) > 0 && w.provisioning(*out.Clusters[0].ClusterName) {
		out.Clusters[0].Status = aws.String("PROVISIONING")
	}
	return out, err
}

func (w *world) OnRunTask(ctx context.Context, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	if w.provisioning(*in.Cluster) && !w.EarlyTask {
		return nil, &ecstypes.ClusterNotFoundException{Message: aws.String("Cluster not found.")}
	}
	out, err := w.sandboxECS(ctx).RunTask(ctx, in)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks[*out.Tasks[0].TaskArn] = &taskStandIn{cluster: *in.Cluster, family: *in.TaskDefinition, group: "family:" + *in.TaskDefinition,
		tags: in.Tags, begun: time.Now(), environment: in.Overrides.ContainerOverrides[0].Environment}
	return out, nil
}

// runs reports whether the task's execution role can be assumed.
func (w *world) runs(t *taskStandIn) bool {
	conditioned := strings.HasSuffix(t.family, "_source") || strings.HasSuffix(t.family, "_account")
	return !conditioned || w.SourceWorks
}

func (w *world) OnDescribeTasks(ctx context.Context, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	arn := in.Tasks[0]
	w.mu.Lock()
	t := w.tasks[arn]
	ended := t != nil && time.Since(t.begun) > 40*time.Second
	fresh := ended && !t.told
	w.mu.Unlock()
	if fresh {
		if _, err := w.sandboxECS(ctx).StopTask(ctx, &ecs.StopTaskInput{Cluster: in.Cluster, Task: &arn}); err != nil {
			return nil, err
		}
		w.tell(arn, t)
	}
	out, err := w.sandboxECS(ctx).DescribeTasks(ctx, in)
	if err != nil || !ended || len(out.Tasks) == 0 {
		return out, err
	}
	o := &out.Tasks[0]
	if w.runs(t) {
		o.StopCode = ecstypes.TaskStopCodeEssentialContainerExited
		o.Containers = []ecstypes.Container{{Name: aws.String("probe"), ExitCode: aws.Int32(0)}}
	} else {
		o.StopCode, o.StoppedReason = ecstypes.TaskStopCodeTaskFailedToStart, aws.String("ResourceInitializationError: unable to pull secrets or registry auth")
	}
	if w.NoTags {
		o.Tags = nil
	}
	return out, nil
}

// tell sends the events of a task that has ended.
func (w *world) tell(arn string, t *taskStandIn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.told = true
	group, environment := t.group, []map[string]string{}
	for _, e := range t.environment {
		environment = append(environment, map[string]string{"name": *e.Name, "value": *e.Value})
	}
	if w.OtherGroup {
		group = "service:x"
	}
	if w.NoEnvironment {
		environment = nil
	}
	for name, r := range w.rules {
		p := r.pattern.Detail
		fits := slices.ContainsFunc(p.ClusterArn, func(c string) bool { return strings.HasSuffix(c, "/"+t.cluster) }) &&
			(w.Unprefixed || len(p.Group) > 0 && strings.HasPrefix(t.group, p.Group[0].Prefix))
		q := w.queues[r.queue]
		if !fits || q == nil {
			continue
		}
		for _, status := range []string{"PENDING", "STOPPED"} {
			b, err := json.Marshal(map[string]any{
				"id": "889fcd8a-55d5-4652-80ec-0826e11d8ff7", "detail-type": "ECS Task State Change", "time": time.Now().UTC(),
				"detail": map[string]any{"taskArn": arn, "group": group, "lastStatus": status, "stopCode": "EssentialContainerExited",
					"containers": []any{map[string]any{"name": "probe", "exitCode": 0}},
					"overrides":  map[string]any{"containerOverrides": []any{map[string]any{"name": "probe", "environment": environment}}}}})
			if err != nil {
				panic(err)
			}
			sent := time.Now()
			if strings.HasPrefix(name, "canary-") {
				sent = sent.Add(w.EventDelay)
			}
			q.messages = append(q.messages, sqstypes.Message{Body: aws.String(string(b)), ReceiptHandle: aws.String("handle"), Attributes: map[string]string{"SentTimestamp": fmt.Sprint(sent.UnixMilli())}})
		}
	}
}

func (w *world) OnRegisterTaskDefinition(_ context.Context, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
	if *in.Memory == "30720" && !w.AnySize {
		return nil, &ecstypes.ClientException{Message: aws.String("No Fargate configuration exists for given values.")}
	}
	return nil, errPass
}

func (w *world) OnDeleteTaskDefinitions(context.Context, *ecs.DeleteTaskDefinitionsInput) (*ecs.DeleteTaskDefinitionsOutput, error) {
	return &ecs.DeleteTaskDefinitionsOutput{}, nil
}

func (w *world) OnGetLogEvents(_ context.Context, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := strings.Split(*in.LogGroupName, "/")[2]
	for arn, t := range w.tasks {
		what := t.family[strings.LastIndexAny(t.family, "_-")+1:]
		if path.Base(arn) == path.Base(*in.LogStreamName) && t.told && w.runs(t) && !w.MutePlain {
			return &cloudwatchlogs.GetLogEventsOutput{Events: []logstypes.OutputLogEvent{{Message: aws.String("FLOWBED: canary " + name + " " + what)}}}, nil
		}
	}
	return nil, &logstypes.ResourceNotFoundException{Message: aws.String("The specified log stream does not exist.")}
}

func (w *world) OnCreateLogGroup(ctx context.Context, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	out, err := cloudwatchlogs.NewFromConfig(w.below(ctx)).CreateLogGroup(ctx, in)
	if err != nil && w.StrangeRefusal {
		return nil, core.Fail("LogGroupAgainException", "The log group of "+core.DefaultAccount+" is there again.")
	}
	return out, err
}

// since returns how long ago something first happened to an instance.
func (w *world) since(first map[string]time.Time, id string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := first[id]; !ok {
		first[id] = time.Now()
	}
	return time.Since(first[id])
}

func (w *world) OnGetConsoleOutput(ctx context.Context, in *ec2.GetConsoleOutputInput) (*ec2.GetConsoleOutputOutput, error) {
	out, err := ec2.NewFromConfig(w.below(ctx)).GetConsoleOutput(ctx, in)
	if err != nil && !w.XenLatest {
		return nil, err
	}
	delay := 4 * time.Minute
	if aws.ToBool(in.Latest) {
		delay = 50 * time.Second
	}
	if w.LateConsole {
		delay = 11 * time.Minute
	}
	if w.since(w.spoken, *in.InstanceId) < delay {
		return &ec2.GetConsoleOutputOutput{}, nil
	}
	instances, err := ec2.NewFromConfig(w.below(ctx)).DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{*in.InstanceId}})
	if err != nil {
		return nil, err
	}
	for _, t := range instances.Reservations[0].Instances[0].Tags {
		if *t.Key == tag {
			out = &ec2.GetConsoleOutputOutput{Output: aws.String(base64.StdEncoding.EncodeToString([]byte("boot\nFLOWBED: canary " + *t.Value + "\n")))}
		}
	}
	return out, nil
}

func (w *world) OnRunInstances(ctx context.Context, in *ec2.RunInstancesInput) (*ec2.RunInstancesOutput, error) {
	out, err := ec2.NewFromConfig(w.below(ctx)).RunInstances(ctx, in)
	if core.CodeOf(err) == "IdempotentParameterMismatch" && w.Mismatched {
		c := *in
		c.ClientToken = nil
		return ec2.NewFromConfig(w.below(ctx)).RunInstances(ctx, &c)
	}
	return out, err
}

func (w *world) OnSendCommand(_ context.Context, in *ssm.SendCommandInput) (*ssm.SendCommandOutput, error) {
	delay := 80 * time.Second
	if w.SlowManager {
		delay = 6 * time.Minute
	}
	if w.since(w.managed, in.InstanceIds[0]) < delay {
		return nil, &ssmtypes.InvalidInstanceId{}
	}
	said := strings.TrimSuffix(strings.TrimPrefix(in.Parameters["commands"][0], "echo '"), "'")
	return &ssm.SendCommandOutput{Command: &ssmtypes.Command{CommandId: &said}}, nil
}

func (w *world) OnGetCommandInvocation(_ context.Context, in *ssm.GetCommandInvocationInput) (*ssm.GetCommandInvocationOutput, error) {
	return &ssm.GetCommandInvocationOutput{Status: ssmtypes.CommandInvocationStatusSuccess, StandardOutputContent: aws.String(*in.CommandId + "\n")}, nil
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
