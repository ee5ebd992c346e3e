package stack_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/hello"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const helloFile = `agent {}
prefect {
	api_key = "pnu_0123456789"
	api_url = "https://prefect.example.com/api"
}
`

// helloWorld is an environment that is up, in which time is virtual.
type helloWorld struct {
	*testing.T
	account *sandbox.Account
	hello   *hello.Hello
	events  []hello.Event
	on      func(hello.Event) // may be nil
	iam     *iam.Client
	ecs     *ecs.Client
	ctx     context.Context
}

// inHello builds an environment and calls do.
func inHello(t *testing.T, text string, do func(*helloWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.BootTime, account.SetupTime, account.PollTime, account.TaskTime = 10*time.Second, 40*time.Second, 8*time.Second, 20*time.Second
		cfg := account.Config(region)
		w := &helloWorld{T: t, account: account, iam: iam.NewFromConfig(cfg), ecs: ecs.NewFromConfig(cfg), ctx: t.Context()}
		text := "environment \"dev\" {\n" + text + "\n}"
		if err := build(t, account, text, stack.Options{Transport: sandbox.Prefect(account)}).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		var err error
		w.hello, err = build(t, account, text, stack.Options{Transport: sandbox.Prefect(account), AsIs: true}).Hello()
		if err != nil {
			t.Fatal(err)
		}
		w.hello.Timeout = 10 * time.Minute
		w.hello.Notify = func(e hello.Event) {
			w.events = append(w.events, e)
			if w.on != nil {
				w.on(e)
			}
		}
		do(w)
	})
}

// said is what hello has told, one event a line.
func (w *helloWorld) said() string {
	var b strings.Builder
	for _, e := range w.events {
		b.WriteString(string(e.Kind) + " " + e.Name + " " + e.Text + "\n")
	}
	return b.String()
}

func (w *helloWorld) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// wantNothing checks that hello has left nothing that lives.
func (w *helloWorld) wantNothing() {
	w.Helper()
	if n, err := w.hello.API.Deployments(w.Context(), w.hello.Pool); n > 0 || err != nil {
		w.Errorf("%d deployments are left, %v", n, err)
	}
	if n, err := w.hello.API.CountActive(w.Context(), w.hello.Pool); n > 0 || err != nil {
		w.Errorf("%d runs are active, %v", n, err)
	}
	out, err := w.hello.S3.ListObjectVersions(w.Context(), &s3.ListObjectVersionsInput{Bucket: &w.hello.Bucket})
	if err != nil || len(out.Versions)+len(out.DeleteMarkers) > 0 {
		w.Errorf("the bucket has %v, %v", out, err)
	}
	definitions, err := w.ecs.ListTaskDefinitions(w.Context(), &ecs.ListTaskDefinitionsInput{})
	if err != nil || len(definitions.TaskDefinitionArns) > 0 {
		w.Errorf("task definitions are active: %v, %v", definitions.TaskDefinitionArns, err)
	}
	time.Sleep(2 * time.Minute) // a task that has done its work takes a moment to end
	tasks, err := w.ecs.ListTasks(w.Context(), &ecs.ListTasksInput{})
	if err == nil && len(tasks.TaskArns) > 0 {
		w.Errorf("tasks run: %v", tasks.TaskArns)
	}
}

func TestHelloCompletes(t *testing.T) {
	for name, text := range map[string]string{
		"Prefect 3":         helloFile,
		"Prefect 2":         strings.Replace(helloFile, "api_key", "version = \"2.20.25\"\n\tapi_key", 1),
		"queues":            strings.Replace(helloFile, "agent {}", `agent { work_queues = ["etl"] }`, 1),
		"results":           "flows { results = true }\n" + helloFile,
		"spot":              "flows { spot = true }\n" + helloFile,
		"without a key":     strings.Replace(helloFile, `api_key = "pnu_0123456789"`, "", 1),
		"basic auth":        strings.Replace(helloFile, `api_key = "pnu_0123456789"`, `auth_string = "flow:bed-of-flows"`, 1),
		"own cluster, role": "cluster { name = \"flows\" }\nexecution_role { name = \"flows-execution\" }\n" + helloFile,
	} {
		t.Run(name, func(t *testing.T) {
			inHello(t, text, func(w *helloWorld) {
				began := time.Now()
				r, err := w.hello.Run(w.Context())
				if err != nil {
					t.Fatalf("%v:\n%s", err, w.said())
				}
				for _, want := range []string{
					"state Scheduled", "state Pending", "task PROVISIONING", "task PENDING", "task RUNNING", "state Running", "state Completed",
					"log  Hello from a task on Fargate.", r.Key + " is what this run wrote",
				} {
					if !strings.Contains(w.said(), want) {
						t.Errorf("hello does not tell %q:\n%s", want, w.said())
					}
				}
				if took := time.Since(began); took < 68*time.Second || took > 80*time.Second {
					t.Errorf("it took %s, want little more than the 68s that the run takes", took)
				}
				w.wantNothing()
			})
		})
	}
}

// deny removes all inline policies of a role.
func (w *helloWorld) deny(role string) {
	w.Helper()
	out, err := w.iam.ListRolePolicies(w.Context(), &iam.ListRolePoliciesInput{RoleName: &role})
	w.check(err)
	for _, name := range out.PolicyNames {
		_, err := w.iam.DeleteRolePolicy(w.Context(), &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &name})
		w.check(err)
	}
}

func (w *helloWorld) putKey(value string) {
	w.Helper()
	_, err := ssm.NewFromConfig(w.account.Config(region)).PutParameter(w.Context(), &ssm.PutParameterInput{
		Name: aws.String("/flowbed/dev/prefect-api-key"), Value: &value, Type: "SecureString", Overwrite: aws.Bool(true)})
	w.check(err)
}

// closeGroup removes what lets the tasks out.
func (w *helloWorld) closeGroup() {
	w.Helper()
	api := ec2.NewFromConfig(w.account.Config(region))
	out, err := api.DescribeSecurityGroups(w.Context(), &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{{Name: aws.String("group-name"), Values: []string{"flowbed-dev-tasks"}}}})
	w.check(err)
	_, err = api.RevokeSecurityGroupEgress(w.Context(), &ec2.RevokeSecurityGroupEgressInput{
		GroupId: out.SecurityGroups[0].GroupId, IpPermissions: out.SecurityGroups[0].IpPermissionsEgress})
	w.check(err)
}

// helloFailures break an environment in one way, and say what hello must find.
var helloFailures = []struct {
	name, text string
	broken     func(*helloWorld)
	want       []string // in the error
	section    string
}{
	{
		"an image that does not exist", "flows { image = \"acme/flows:1\" }\n" + helloFile, nil,
		[]string{"the image cannot be pulled", "ECS says: CannotPullContainerError", "acme/flows:1: not found"}, "#11-",
	},
	{
		"a repository without images", "repository {}\n" + helloFile, nil,
		[]string{"the image cannot be pulled", "dkr.ecr." + region + ".amazonaws.com/flowbed-dev: not found"}, "#11-",
	},
	{
		"an execution role that may not read the key", helloFile, func(w *helloWorld) { w.deny("ecsTaskExecutionRole") },
		[]string{"the execution role may not read the key", "not authorized to perform: ssm:GetParameters"}, "#3-",
	},
	{
		"an execution role that may not write the log", helloFile, func(w *helloWorld) {
			_, err := w.iam.DetachRolePolicy(w.Context(), &iam.DetachRolePolicyInput{
				RoleName: aws.String("ecsTaskExecutionRole"), PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")})
			w.check(err)
			w.deny("ecsTaskExecutionRole")
			_, err = w.iam.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("ecsTaskExecutionRole"), PolicyName: aws.String("key"), PolicyDocument: aws.String(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:GetParameters","Resource":"*"}]}`)})
			w.check(err)
		},
		[]string{"the execution role may not write the log", "logs:CreateLogStream"}, "#3-",
	},
	{
		"no log group", helloFile, func(w *helloWorld) {
			_, err := w.hello.Logs.DeleteLogGroup(w.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("/flowbed/dev")})
			w.check(err)
		},
		[]string{"the log group is missing", "The specified log group does not exist"}, "#8-",
	},
	{
		"no key", helloFile, func(w *helloWorld) {
			_, err := ssm.NewFromConfig(w.account.Config(region)).DeleteParameter(w.Context(), &ssm.DeleteParameterInput{Name: aws.String("/flowbed/dev/prefect-api-key")})
			w.check(err)
		},
		[]string{"the key is missing", "invalid ssm parameters"}, "#5-",
	},
	{
		"a wrong key", helloFile, func(w *helloWorld) { w.putKey("pnu_wrong_key") },
		[]string{"Prefect refuses the key", "the task's log says: prefect.exceptions.PrefectHTTPStatusError: Client error '401 Unauthorized'"}, "#12-",
	},
	{
		"a task role without rights", helloFile, func(w *helloWorld) { w.deny("flowbed-dev-task") },
		[]string{"the task role lacks a permission", "when calling the ListObjectsV2 operation"}, "#3-",
	},
	{
		"a task role that ECS may not assume", helloFile, func(w *helloWorld) {
			_, err := w.iam.UpdateAssumeRolePolicy(w.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("flowbed-dev-task"), PolicyDocument: aws.String(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
			w.check(err)
		},
		[]string{"ECS may not assume the task's roles", "ECS was unable to assume the role"}, "#3-",
	},
	{
		"an agent role without rights", helloFile, func(w *helloWorld) { w.deny("flowbed-dev-agent") },
		[]string{"the worker may not start the task", "Prefect says: Failed to submit flow run to infrastructure", "DescribeVpcs"}, "#3-",
	},
	{
		"too little memory", "flows { memory = 2048 }\n" + helloFile, func(w *helloWorld) { w.account.FlowMemory = 3000 },
		[]string{"the task ran out of memory", "OutOfMemoryError"}, "#6-",
	},
	{
		"a security group that lets nothing out", helloFile, func(w *helloWorld) { w.closeGroup() },
		[]string{"the task does not reach an endpoint of AWS", "context deadline exceeded"}, "#1-",
	},
	{
		"no cluster", helloFile, func(w *helloWorld) {
			_, err := w.ecs.DeleteCluster(w.Context(), &ecs.DeleteClusterInput{Cluster: aws.String("default")})
			w.check(err)
		},
		[]string{"names something that does not exist", "ClusterNotFoundException"}, "#10-",
	},
	{
		"somebody stops the task", helloFile, func(w *helloWorld) {
			w.on = func(e hello.Event) {
				if e.Kind == hello.Task && e.Name == "RUNNING" {
					w.stopTasks()
				}
			}
		},
		[]string{"somebody stopped the task", "by hand"}, "#2-",
	},
	{
		"runs use up the limit", strings.Replace(helloFile, "api_key", "concurrency_limit = 1\n\tapi_key", 1), func(w *helloWorld) { w.useSlot() },
		[]string{"the run has not ended after 10m0s; its state is Scheduled", "the work pool's concurrency limit of 1 is used up"}, "#2-",
	},
}

func (w *helloWorld) stopTasks() {
	w.Helper()
	out, err := w.ecs.ListTasks(w.Context(), &ecs.ListTasksInput{})
	w.check(err)
	for _, arn := range out.TaskArns {
		_, err := w.ecs.StopTask(w.Context(), &ecs.StopTaskInput{Task: &arn, Reason: aws.String("by hand")})
		w.check(err)
	}
}

// useSlot lets a run of another flow be Running for ever.
func (w *helloWorld) useSlot() {
	w.Helper()
	api := w.hello.API
	flow, err := api.CreateFlow(w.Context(), "other")
	w.check(err)
	deployment, err := api.CreateDeployment(w.Context(), prefect.NewDeployment{Name: "other", FlowID: flow, Pool: w.hello.Pool, Entrypoint: "other.py:other"})
	w.check(err)
	_, err = api.StartRun(w.Context(), deployment, "other")
	w.check(err)
	time.Sleep(30 * time.Second)
	w.stopTasks() // before it has run, so that Prefect never hears of its end
	w.check(api.DeleteDeployment(w.Context(), deployment))
}

func TestHelloFails(t *testing.T) {
	for _, c := range helloFailures {
		t.Run(c.name, func(t *testing.T) {
			inHello(t, c.text, func(w *helloWorld) {
				if c.broken != nil {
					c.broken(w)
				}
				_, err := w.hello.Run(w.Context())
				failure, ok := errors.AsType[*hello.Failure](err)
				if !ok {
					t.Fatalf("have error %v, want a failure:\n%s", err, w.said())
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("the error does not say %q: %v\n%s", want, err, w.said())
					}
				}
				if !strings.Contains(failure.Hint(), c.section) || failure.Todo == "" {
					t.Errorf("the hint is %q, want section %s", failure.Hint(), c.section)
				}
				if c.name != "runs use up the limit" { // which has another flow's run
					w.wantNothing()
				}
			})
		})
	}
}

// TestHelloRefuses runs hello where no flow could start. It must make nothing.
func TestHelloRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		broken func(*helloWorld)
		want   string
	}{
		"a limit of 0": {func(w *helloWorld) {
			w.check(w.hello.API.EditPool(w.Context(), w.hello.Pool, prefect.PoolEdit{Limit: new(0)}))
		}, "the concurrency limit of the work pool flowbed-dev is 0, so no run starts"},
		"no pool":      {func(w *helloWorld) { w.check(w.hello.API.DeletePool(w.Context(), w.hello.Pool)) }, "the work pool flowbed-dev does not exist"},
		"a paused one": {func(w *helloWorld) { w.pause() }, "is paused"},
		"no worker": {func(w *helloWorld) {
			_, err := ec2.NewFromConfig(w.account.Config(region)).StopInstances(w.Context(), &ec2.StopInstancesInput{InstanceIds: []string{w.instance()}})
			w.check(err)
			time.Sleep(3 * time.Minute)
		}, "no worker of the work pool flowbed-dev is online (dev-i-"},
		"no bucket": {func(w *helloWorld) {
			_, err := w.hello.S3.DeleteBucket(w.Context(), &s3.DeleteBucketInput{Bucket: &w.hello.Bucket})
			w.check(err)
		}, "the bucket flowbed-dev-123456789012-" + region + "-an does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			inHello(t, helloFile, func(w *helloWorld) {
				c.broken(w)
				writes := len(w.account.Writes())
				r, err := w.hello.Run(w.Context())
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("have %v, want %s", err, c.want)
				}
				if r.Flow != "" || len(w.account.Writes()) > writes || len(w.events) > 0 {
					t.Errorf("hello has made something: %+v, %v, %v", r, w.account.Writes()[writes:], w.events)
				}
			})
		})
	}
}

// pause pauses the pool, as people do in Prefect.
func (w *helloWorld) pause() {
	w.Helper()
	w.check(w.hello.API.EditPool(w.Context(), w.hello.Pool, prefect.PoolEdit{Paused: aws.Bool(true)}))
}

func (w *helloWorld) instance() string {
	w.Helper()
	out, err := ec2.NewFromConfig(w.account.Config(region)).DescribeInstances(w.Context(), &ec2.DescribeInstancesInput{})
	w.check(err)
	return *out.Reservations[0].Instances[0].InstanceId
}

// TestHelloInterrupted interrupts hello in each state of the run and of its task.
func TestHelloInterrupted(t *testing.T) {
	stop := errors.New("interrupted by the test")
	for _, at := range []string{"note ", "state Scheduled", "state Pending", "task PROVISIONING", "task RUNNING", "state Running", "state Completed"} {
		t.Run(at, func(t *testing.T) {
			inHello(t, helloFile, func(w *helloWorld) {
				ctx, cancel := context.WithCancelCause(w.Context())
				w.on = func(e hello.Event) {
					if strings.TrimSpace(string(e.Kind)+" "+e.Name) == strings.TrimSpace(at) {
						cancel(stop)
					}
				}
				if _, err := w.hello.Run(ctx); !errors.Is(err, stop) {
					t.Errorf("have error %v, want that of the interruption:\n%s", err, w.said())
				}
				w.wantNothing()
			})
		})
	}
}

func TestHelloTimesOut(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		w.hello.Timeout = 30 * time.Second
		_, err := w.hello.Run(w.Context())
		if err == nil || !strings.Contains(err.Error(), "the run has not ended after 30s; its state is Pending, and its task 0") {
			t.Errorf("have error %v", err)
		}
		w.wantNothing()
	})
}

// TestHelloWithoutItsWorker: a worker that has just ended is online for Prefect for a while. Then hello
// does not look for the reason elsewhere.
func TestHelloWithoutItsWorker(t *testing.T) {
	for _, removed := range []bool{false, true} { // the agent, from the file
		inHello(t, helloFile, func(w *helloWorld) {
			id := w.instance()
			_, err := ec2.NewFromConfig(w.account.Config(region)).StopInstances(w.Context(), &ec2.StopInstancesInput{InstanceIds: []string{id}})
			w.check(err)
			w.hello.Timeout, w.hello.Agent = time.Minute, !removed
			_, err = w.hello.Run(w.Context())
			failure, _ := errors.AsType[*hello.Failure](err)
			todo := "see why with `flowbed agent logs"
			if removed {
				todo = "the file has no agent, so start a worker of your own: `flowbed outputs"
			}
			if why := "no worker of the work pool flowbed-dev has reported since the run began (dev-" + id + " last reported at "; failure == nil ||
				!strings.Contains(err.Error(), why) || !strings.Contains(failure.Todo, todo) || strings.Contains(w.said(), "queue") {
				t.Errorf("have %v, %+v\n%s", err, failure, w.said())
			}
		})
	}
}

// TestHelloKeeps keeps a flow, which runs again, and then removes it. It also removes what a
// killed run left, as soon as that run must have ended.
func TestHelloKeeps(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		w.hello.Keep = true
		r, err := w.hello.Run(w.Context())
		if err != nil || !r.Kept {
			t.Fatalf("%v: %+v", err, r)
		}
		list, err := w.hello.API.TaggedDeployments(w.Context(), "flowbed-hello")
		if err != nil || len(list) != 1 || list[0].Name != r.Deployment {
			t.Fatalf("the deployments are %+v, %v, want %s", list, err, r.Deployment)
		}
		w.hello.Keep = false
		if _, err := w.hello.Run(w.Context()); err != nil {
			t.Fatal(err)
		}
		again, err := w.hello.API.StartRun(w.Context(), list[0].ID, "again")
		w.check(err)
		time.Sleep(2 * time.Minute)
		if again, err = w.hello.API.ReadRun(w.Context(), again.ID); err != nil || again.State.Type != prefect.Completed {
			t.Errorf("the kept flow, run again: %+v, %v", again, err)
		}
		if c, err := w.hello.RemoveKept(w.Context()); c.Removed != 1 || err != nil {
			t.Errorf("have %+v, %v, want 1 removed", c, err)
		}
		w.wantNothing()
	})
}

// TestHelloAfterKill lets a run be killed, and finds what it left.
func TestHelloAfterKill(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		w.on = func(e hello.Event) {
			if e.Name == "RUNNING" {
				panic("killed")
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = w.hello.Run(w.Context())
		}()
		w.on, w.events = nil, nil
		if _, err := w.hello.Run(w.Context()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(w.said(), "removed") {
			t.Errorf("the other run may still be active, and hello says:\n%s", w.said())
		}
		time.Sleep(w.hello.Timeout + 5*time.Minute)
		w.events = nil
		if _, err := w.hello.Run(w.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(w.said(), "removed what an earlier run left") {
			t.Errorf("hello does not say that it has cleaned up:\n%s", w.said())
		}
		w.wantNothing()
	})
}

// TestHelloChecksTheResult replaces the result by that of another run.
func TestHelloChecksTheResult(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		w.on = func(e hello.Event) {
			if e.Name != "Completed" {
				return
			}
			out, err := w.hello.S3.ListObjectsV2(w.Context(), &s3.ListObjectsV2Input{Bucket: &w.hello.Bucket})
			w.check(err)
			for _, o := range out.Contents {
				if strings.HasSuffix(*o.Key, "result.txt") {
					_, err := w.hello.S3.PutObject(w.Context(), &s3.PutObjectInput{Bucket: &w.hello.Bucket, Key: o.Key, Body: strings.NewReader("old")})
					w.check(err)
				}
			}
		}
		if _, err := w.hello.Run(w.Context()); err == nil || !strings.Contains(err.Error(), "does not contain what the flow wrote") {
			t.Errorf("have error %v", err)
		}
		w.wantNothing()
	})
}

// kill runs hello and lets it be killed at an event.
func (w *helloWorld) kill(at func(hello.Event) bool) {
	w.Helper()
	w.on = func(e hello.Event) {
		if at(e) {
			panic("killed")
		}
	}
	defer func() {
		if recover() == nil {
			w.Fatal("hello was not killed")
		}
		w.on, w.events = nil, nil
	}()
	_, _ = w.hello.Run(w.Context())
}

// wantCleaned runs hello --clean and checks what it has removed and left.
func (w *helloWorld) wantCleaned(removed, busy int) hello.Cleaned {
	w.Helper()
	c, err := w.hello.RemoveKept(w.Context())
	if c.Removed != removed || c.Busy != busy || err != nil {
		w.Errorf("have %+v, %v, want %d removed and %d busy", c, err, removed, busy)
	}
	return c
}

// TestHelloCleansAfterKill asks Prefect whether the runs of killed ones have ended.
func TestHelloCleansAfterKill(t *testing.T) {
	t.Run("before the run", func(t *testing.T) {
		inHello(t, helloFile, func(w *helloWorld) {
			w.kill(func(e hello.Event) bool { return strings.HasPrefix(e.Text, "uploaded") })
			w.wantCleaned(1, 0)
			w.wantNothing()
		})
	})
	t.Run("during the run", func(t *testing.T) {
		inHello(t, helloFile, func(w *helloWorld) {
			w.kill(func(e hello.Event) bool { return e.Name == "Pending" })
			c := w.wantCleaned(0, 1)
			if have := time.Until(c.Until); have < w.hello.Timeout || have > w.hello.Timeout+5*time.Minute {
				t.Errorf("it may be in use for %s", have)
			}
			time.Sleep(2 * time.Minute) // it completes
			w.wantCleaned(1, 0)
			w.wantNothing()
		})
	})
	t.Run("without a pool", func(t *testing.T) {
		inHello(t, helloFile, func(w *helloWorld) {
			w.kill(func(e hello.Event) bool { return e.Name == "Pending" })
			w.check(w.hello.API.DeletePool(w.Context(), w.hello.Pool))
			time.Sleep(w.hello.Timeout + 5*time.Minute)
			w.wantCleaned(1, 0)
		})
	})
}

// TestHelloCleansWithoutDeployment removes objects that no deployment names, when their run
// must have ended, and nothing that hello has not written.
func TestHelloCleansWithoutDeployment(t *testing.T) {
	for name, api := range map[string]bool{"with an API": true, "without an API": false} {
		t.Run(name, func(t *testing.T) {
			inHello(t, helloFile, func(w *helloWorld) {
				put := func(key string) {
					_, err := w.hello.S3.PutObject(w.Context(), &s3.PutObjectInput{Bucket: &w.hello.Bucket, Key: &key, Body: strings.NewReader("x")})
					w.check(err)
				}
				put("flowbed-hello/abcdefg2/code/hello.py")
				put("flowbed-hello/abcdefg2/result.txt")
				put("flowbed-hello/abcdefg2/notes.txt")
				put("flowbed-hello/mine/result.txt")
				if !api {
					w.hello.API = nil
				}
				w.wantCleaned(0, 1)
				time.Sleep(25 * time.Hour)
				w.hello.Shared = true
				if c := w.wantCleaned(0, 0); c.Foreign != 1 {
					t.Errorf("others' bucket: have %+v", c)
				}
				w.hello.Shared = false
				w.wantCleaned(1, 0)
				out, err := w.hello.S3.ListObjectVersions(w.Context(), &s3.ListObjectVersionsInput{Bucket: &w.hello.Bucket})
				w.check(err)
				if len(out.Versions) != 2 {
					t.Errorf("%d objects are left, want the 2 that are not of hello's form", len(out.Versions))
				}
			})
		})
	}
}

// TestHelloCleansWithAWrongKey says what works without Prefect.
func TestHelloCleansWithAWrongKey(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		text := "environment \"dev\" {\n" + strings.Replace(helloFile, "pnu_0123456789", "pnu_wrong_key", 1) + "\n}"
		h, err := build(t, w.account, text, stack.Options{Transport: sandbox.Prefect(w.account), AsIs: true, Flags: " -e dev"}).Hello()
		w.check(err)
		_, err = h.RemoveKept(w.Context())
		advice, ok := errors.AsType[interface {
			error
			Hint() string
		}](err)
		if !ok || !errors.Is(err, prefect.ErrUnauthorized) || !strings.Contains(advice.Hint(), "`flowbed down -e dev --force-destroy-bucket` removes the environment") {
			t.Errorf("have error %v", err)
		}
	})
}

// TestHelloWaitsForTheTask interrupts hello while its flow runs on for a while after SIGTERM.
func TestHelloWaitsForTheTask(t *testing.T) {
	stop := errors.New("interrupted by the test")
	interrupt := func(w *helloWorld) error {
		ctx, cancel := context.WithCancelCause(w.Context())
		w.on = func(e hello.Event) {
			if e.Kind == hello.Task && e.Name == "RUNNING" {
				cancel(stop)
			}
		}
		_, err := w.hello.Run(ctx)
		w.on = nil
		return err
	}
	for name, c := range map[string]struct {
		stops time.Duration
		gone  bool
	}{"it stops": {25 * time.Second, true}, "it does not": {time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			inHello(t, helloFile, func(w *helloWorld) {
				w.account.StopTime, w.account.TaskTime = c.stops, 40*time.Second
				if !c.gone {
					w.account.TaskTime = 4 * time.Minute
				}
				if err := interrupt(w); !errors.Is(err, stop) {
					t.Fatalf("have error %v:\n%s", err, w.said())
				}
				if !strings.Contains(w.said(), "waiting for task 0") {
					t.Errorf("hello does not say what it waits for:\n%s", w.said())
				}
				if c.gone {
					stopped, err := w.ecs.ListTasks(w.Context(), &ecs.ListTasksInput{DesiredStatus: "STOPPED"})
					w.check(err)
					tasks, err := w.ecs.DescribeTasks(w.Context(), &ecs.DescribeTasksInput{Tasks: stopped.TaskArns})
					w.check(err)
					for _, o := range tasks.Tasks {
						if *o.LastStatus != "STOPPED" {
							t.Errorf("the task is %s, and hello has removed its objects", *o.LastStatus)
						}
					}
					w.wantNothing()
					return
				}
				if !strings.Contains(w.said(), "has not stopped after 2m10s") {
					t.Errorf("hello does not say that the task goes on:\n%s", w.said())
				}
				if list, err := w.hello.API.TaggedDeployments(w.Context(), "flowbed-hello"); len(list) != 1 || err != nil {
					t.Errorf("have the deployments %+v, %v, want the one that names the objects", list, err)
				}
				time.Sleep(time.Hour)
				w.wantCleaned(1, 0)
				w.wantNothing()
			})
		})
	}
}

// TestHelloCannotRemove lets the removal fail. The run has completed all the same.
func TestHelloCannotRemove(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		w.hello.Flags = " -e dev"
		denied := w.hello.S3
		w.hello.S3 = s3.New(denied.Options(), func(o *s3.Options) {
			o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
				return s.Initialize.Add(middleware.InitializeMiddlewareFunc("deny", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					if _, ok := in.Parameters.(*s3.DeleteObjectsInput); ok {
						return middleware.InitializeOutput{}, middleware.Metadata{}, &smithy.GenericAPIError{Code: "AccessDenied", Message: "as the test wishes"}
					}
					return next.HandleInitialize(ctx, in)
				}), middleware.Before)
			})
		})
		_, err := w.hello.Run(w.Context())
		left, ok := errors.AsType[*hello.Leftover](err)
		if !ok || !strings.HasPrefix(err.Error(), "the flow completed, but ") || left.Hint() != "run `flowbed hello --clean -e dev`" {
			t.Fatalf("have error %v:\n%s", err, w.said())
		}
		w.hello.S3 = denied
		w.wantCleaned(1, 0)
		w.wantNothing()
	})
}

// TestHelloKeepsAtTheEnd runs hello --clean while another hello --keep runs.
func TestHelloKeepsAtTheEnd(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		w.hello.Keep = true
		w.on = func(e hello.Event) {
			if e.Kind == hello.Task && e.Name == "RUNNING" {
				other := *w.hello
				if c, err := other.RemoveKept(w.Context()); c.Removed != 0 || c.Busy != 1 || err != nil {
					t.Errorf("while it runs: %+v, %v", c, err)
				}
			}
		}
		if _, err := w.hello.Run(w.Context()); err != nil {
			t.Fatalf("%v:\n%s", err, w.said())
		}
		w.on = nil
		time.Sleep(time.Hour)
		w.hello.Keep = false
		if _, err := w.hello.Run(w.Context()); err != nil {
			t.Fatal(err)
		}
		w.wantCleaned(1, 0)
		w.wantNothing()
	})
}

// TestHelloSaysThatItKeeps interrupts hello --keep.
func TestHelloSaysThatItKeeps(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		stop := errors.New("interrupted by the test")
		ctx, cancel := context.WithCancelCause(w.Context())
		w.hello.Keep = true
		w.on = func(e hello.Event) {
			if e.Name == "Pending" {
				cancel(stop)
			}
		}
		if r, err := w.hello.Run(ctx); !errors.Is(err, stop) || !r.Kept {
			t.Errorf("have %+v, %v", r, err)
		}
		if strings.Contains(w.said(), "removing") || !strings.Contains(w.said(), "--keep leaves what it has made") {
			t.Errorf("hello says:\n%s", w.said())
		}
	})
}

// TestHelloInterruptedEarly interrupts hello before it has made anything.
func TestHelloInterruptedEarly(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		stop := errors.New("interrupted by the test")
		ctx, cancel := context.WithCancelCause(w.Context())
		cancel(stop)
		if _, err := w.hello.Run(ctx); err != stop { //nolint:errorlint // no other words around it
			t.Errorf("run: have error %v", err)
		}
		if _, err := w.hello.RemoveKept(ctx); err != stop { //nolint:errorlint
			t.Errorf("clean: have error %v", err)
		}
		w.wantNothing()
	})
}

// TestHelloIsImpatient sets a timeout that is shorter than a worker needs.
func TestHelloIsImpatient(t *testing.T) {
	inHello(t, helloFile, func(w *helloWorld) {
		w.hello.Timeout = 3 * time.Second
		_, err := w.hello.Run(w.Context())
		failure, ok := errors.AsType[*hello.Failure](err)
		if !ok || !strings.Contains(err.Error(), "longer than the timeout") || failure.Todo != "use a longer --timeout" {
			t.Errorf("have error %v", err)
		}
		w.wantNothing()
	})
}

// TestHelloHints repeats the flags that select the environment, and asks no agent that
// flowbed does not have.
func TestHelloHints(t *testing.T) {
	for agent, want := range map[bool]string{true: "see the worker's log with `flowbed agent logs -e dev`", false: "see the worker's log"} {
		h := &hello.Hello{Agent: agent, Flags: " -e dev"}
		if have := h.Advice("see the worker's log with `flowbed agent logs`"); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
		if have := h.Advice("run `flowbed up`, or `flowbed policy --for worker`"); have != "run `flowbed up -e dev`, or `flowbed policy --for worker -e dev`" {
			t.Errorf("have %q", have)
		}
	}
}

func TestHelloNeedsAWorkPool(t *testing.T) {
	for text, want := range map[string]error{
		"": stack.ErrNoAPI, "prefect {\nversion = \"1.4.1\"\napi_url = \"http://prefect.example.com:4200\"\n}\nagent {}": stack.ErrNoPool,
	} {
		s := build(t, sandbox.New(), "environment \"dev\" {\n"+text+"\n}", stack.Options{NoPrefect: true})
		if _, err := s.Hello(); !errors.Is(err, want) {
			t.Errorf("have error %v, want %v", err, want)
		}
	}
}
