package stack_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
	"github.com/flowbed/flowbed/test/try"
)

const taskRole = "arn:aws:iam::123456789012:role/flowbed-dev-task"

// flowsRun is an environment in which flows run.
type flowsRun struct {
	*testing.T
	account *sandbox.Account
	text    string
	cluster string
	ecs     *ecs.Client
	ec2     *ec2.Client

	mu     sync.Mutex
	at     map[string][]time.Time // when each writing call was made
	first  string
	events []provision.Event
}

func newFlowsRun(t *testing.T, cluster string) *flowsRun { return newFlowsOf(t, cluster, "agent {}") }

// newFlowsOf is newFlowsRun with an agent block.
func newFlowsOf(t *testing.T, cluster, agent string) *flowsRun {
	account := sandbox.New()
	cfg := account.Config(region)
	w := &flowsRun{T: t, account: account, cluster: "default", ecs: ecs.NewFromConfig(cfg), ec2: ec2.NewFromConfig(cfg), at: map[string][]time.Time{}}
	switch cluster {
	case "own":
		w.cluster, cluster = "flows", `cluster { name = "flows" }`
	case "external":
		w.cluster, cluster = "theirs", "cluster {\n name = \"theirs\"\n ownership = \"external\"\n}"
		try.Must(w.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("theirs"), CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"}}))
	default:
		cluster = ""
	}
	w.text = "environment \"dev\" {\n prefect {\n api_url = \"http://prefect.example/api\"\n}\n " + agent + "\n repository {}\n" + cluster + "\n}"
	account.BootTime, account.SetupTime = time.Minute, time.Minute
	if err := build(t, account, w.text, stack.Options{Transport: sandbox.Prefect(account), Wait: 10 * time.Minute}).Graph.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	try.Must(w.ecs.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("prefect_flowbed-dev_nightly"), TaskRoleArn: aws.String(taskRole),
		ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python:3.12")}},
	}))
	return w
}

// run starts a task of a flow and returns its id.
func (w *flowsRun) run() string {
	groups := try.Must(w.ec2.DescribeSecurityGroups(w.Context(), &ec2.DescribeSecurityGroupsInput{
		Filters: []ec2types.Filter{{Name: aws.String("group-name"), Values: []string{"flowbed-dev-tasks"}}}})).SecurityGroups
	subnets := try.Must(w.ec2.DescribeSubnets(w.Context(), &ec2.DescribeSubnetsInput{})).Subnets
	out := try.Must(w.ecs.RunTask(w.Context(), &ecs.RunTaskInput{
		Cluster: &w.cluster, TaskDefinition: aws.String("prefect_flowbed-dev_nightly"),
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
			Subnets: []string{*subnets[0].SubnetId}, SecurityGroups: []string{*groups[0].GroupId}}},
	}))
	arn := *out.Tasks[0].TaskArn
	return arn[strings.LastIndex(arn, "/")+1:]
}

// removal is the stack of down.
func (w *flowsRun) removal() *stack.Stack {
	s := build(w.T, w.account, w.text, stack.Options{Destroy: true, ForceDestroy: true, Transport: sandbox.Prefect(w.account)})
	s.Graph.Notify = func(e provision.Event) { w.events = append(w.events, e) }
	return s
}

// watch notes the writing calls from now on.
func (w *flowsRun) watch(also func(call string)) {
	w.account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Write {
			w.mu.Lock()
			if w.first == "" {
				w.first = c.Operation
			}
			w.at[c.Operation] = append(w.at[c.Operation], time.Now())
			w.mu.Unlock()
			if also != nil {
				also(c.Operation)
			}
		}
		return sandbox.Fault{}
	}
}

// last is when the last call of an operation was made.
func (w *flowsRun) last(call string) time.Time {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.at[call]) == 0 {
		w.Fatalf("down has not called %s", call)
	}
	return slices.MaxFunc(w.at[call], time.Time.Compare)
}

// waits are the distinct things that a step has waited for.
func (w *flowsRun) waits(step string) (list []string) {
	for _, e := range w.events {
		if e.Step == step && e.Kind == provision.Waiting && !slices.Contains(list, e.For) {
			list = append(list, e.For)
		}
	}
	return list
}

// TestDownWhileFlowsRun: the plan says that flows run. Down terminates the instance first, stops
// the tasks, also one that the worker starts meanwhile, and deletes what they use only after they
// have stopped. A task takes 14 minutes for that, and its network interface another 10.
func TestDownWhileFlowsRun(t *testing.T) {
	for _, cluster := range []string{"own", "shared", "external"} {
		t.Run(cluster, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFlowsRun(t, cluster)
				tasks := []string{w.run(), w.run()}
				w.account.StopTime, w.account.InterfaceTime = 14*time.Minute, 10*time.Minute
				plan, err := w.removal().Graph.PlanDown(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("running tasks delete 2 tasks: 2 running tasks of this environment will be stopped: 2 of family prefect_flowbed-dev_nightly in cluster %s", w.cluster)
				if have := ofTasks(plan); have != want {
					t.Errorf("the plan says %q, want %q", have, want)
				}
				var text, json strings.Builder
				try.Must(0, view.Plan(&text, plan, view.Options{Verb: "down"}))
				try.Must(0, view.PlanJSON(&json, view.Header{}, "down", plan, nil))
				for name, have := range map[string]string{"text": text.String(), "JSON": json.String()} {
					if !strings.Contains(have, "2 running tasks of this environment will be stopped: 2 of family prefect_flowbed-dev_nightly in cluster "+w.cluster) {
						t.Errorf("the plan as %s does not say that flows run:\n%s", name, have)
					}
				}
				var once sync.Once
				w.watch(func(call string) {
					if call == "TerminateInstances" {
						once.Do(func() { time.AfterFunc(30*time.Second, func() { tasks = append(tasks, w.run()) }) })
					}
				})
				begun := time.Now()
				left, err := w.removal().Graph.Down(t.Context())
				if err != nil || !left.Empty() {
					t.Fatalf("down: %v, left %+v", err, left)
				}
				if w.first != "TerminateInstances" {
					t.Errorf("the first call is %s", w.first)
				}
				if n := len(w.at["StopTask"]); n != len(tasks) || n != 3 {
					t.Errorf("%d tasks were stopped, want 3", n)
				}
				stopped := w.last("StopTask").Add(w.account.StopTime)
				uses := []string{"DeleteBucket", "DeleteLogGroup", "DeleteQueue", "DeleteRepository"}
				if cluster == "own" {
					uses = append(uses, "DeleteCluster")
				}
				for _, call := range uses {
					for _, at := range w.at[call] {
						if at.Before(stopped) {
							t.Errorf("%s comes %s before the last task has stopped", call, stopped.Sub(at))
						}
					}
					w.last(call)
				}
				if at := w.last("DeleteRole"); at.Before(stopped) {
					t.Errorf("the task role goes %s before the last task has stopped", stopped.Sub(at))
				}
				if at, gone := w.last("DeleteSecurityGroup"), stopped.Add(w.account.InterfaceTime); at.Before(gone) || at.After(gone.Add(6*time.Second)) {
					t.Errorf("the group went %s after its last interface", at.Sub(gone))
				}
				if took := time.Since(begun); took > 27*time.Minute {
					t.Errorf("down took %s", took)
				}
				if have := w.waits("task security group"); len(have) == 0 || !strings.HasPrefix(have[0], "network interface eni-") || !strings.Contains(have[0], " of task "+tasks[0]+" (in-use)") {
					t.Errorf("the group waits for %q", have)
				}
				if have := w.waits("running tasks"); !slices.ContainsFunc(have, func(s string) bool {
					return strings.Contains(s, "task "+tasks[2]+" of family prefect_flowbed-dev_nightly (STOPPING)")
				}) {
					t.Errorf("the step waits for %q", have)
				}
			})
		})
	}
}

// TestTaskStartedAtTheEnd: no flow runs when down begins, and the worker starts one before its
// instance has terminated. It is stopped, too, before what it uses is deleted.
func TestTaskStartedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFlowsRun(t, "shared")
		plan, err := w.removal().Graph.PlanDown(t.Context())
		if have := ofTasks(plan); err != nil || have != "running tasks none" {
			t.Errorf("the plan says %q, %v", have, err)
		}
		var once sync.Once
		w.watch(func(call string) {
			if call == "TerminateInstances" {
				once.Do(func() { time.AfterFunc(59*time.Second, func() { w.run() }) })
			}
		})
		left, err := w.removal().Graph.Down(t.Context())
		if err != nil || !left.Empty() {
			t.Fatalf("down: %v, left %+v", err, left)
		}
		stopped := w.last("StopTask")
		for _, call := range []string{"DeleteBucket", "DeleteLogGroup", "DeleteQueue", "DeleteRepository", "DeleteSecurityGroup"} {
			if at := w.last(call); at.Before(stopped) {
				t.Errorf("%s comes %s before the task is stopped", call, stopped.Sub(at))
			}
		}
	})
}

// ofTasks is what a plan says about running tasks.
func ofTasks(p provision.Plan) string {
	for _, a := range p.Actions {
		if a.Step == "running tasks" {
			s := a.Step + " " + a.Op.String()
			if a.Object != "" {
				s += " " + a.Object
			}
			for _, n := range a.Notes {
				s += ": " + n.Text
			}
			return s
		}
	}
	return ""
}

// TestInterfaceStays: an interface that never vanishes fails down 15 minutes after the last visible
// progress, and the error names it. The rest is deleted.
func TestInterfaceStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFlowsRun(t, "own")
		task := w.run()
		w.account.StopTime, w.account.InterfaceTime = 14*time.Minute, 1000*time.Hour
		w.watch(nil)
		left, err := w.removal().Graph.Down(t.Context())
		if err == nil {
			t.Fatal("down succeeds")
		}
		for _, want := range []string{
			"task security group: delete: ", "DependencyViolation", "timed out after 15m0s without visible progress: waits for network interface eni-",
			" of task " + task + " (in-use)", " → AWS itself deletes the network interface of a stopped task: run the same command again later; if eni-", "ask AWS Support",
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error has no %q: %v", want, err)
			}
		}
		var names []string
		for _, a := range left.Actions {
			if a.Op == provision.Delete {
				names = append(names, a.Step)
			}
		}
		if !slices.Equal(names, []string{"task security group"}) {
			t.Errorf("left are %v", names)
		}
		gone := w.last("StopTask").Add(w.account.StopTime + 15*time.Minute)
		if d := w.last("DeleteSecurityGroup").Sub(gone); d < -6*time.Second || d > 6*time.Second {
			t.Errorf("the last try is %s from the end of patience", d)
		}
	})
}
