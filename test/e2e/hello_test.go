//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/moto"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
	"github.com/flowbed/flowbed/test/e2e/venv"
)

// TestHello runs `flowbed hello` with a real server and a real worker. In place of Fargate,
// this machine runs the command that the worker gives to the container: once as it is, once
// without a way to S3, and once it cannot.
func TestHello(t *testing.T) {
	able.Slow(t)
	t.Parallel()
	server := prefectServer(t, prefectserver.Options{Auth: "user:hunter2secret", CSRF: true})
	s := newSession(t, fmt.Sprintf(`
environment "dev" {
  region = "us-east-1"
  prefect {
    version     = %q
    api_url     = %q
    auth_string = %q
  }
}
`, prefectVersion(t), server.API, server.Auth), "hunter2secret")
	h := &helloWorld{session: s, server: server, ecs: ecs.NewFromConfig(s.front.Config("us-east-1"))}
	if out, progress := s.start("hello").wait(1); !strings.Contains(progress, "the work pool flowbed-dev does not exist") {
		t.Errorf("before up, hello says:\n%s%s", out, progress)
	}
	s.run(0, "up", "--yes")
	if out, progress := s.start("hello").wait(1); !strings.Contains(progress, "no worker of the work pool flowbed-dev is online") {
		t.Errorf("without a worker, hello says:\n%s%s", out, progress)
	}
	h.startWorker()
	h.completes()
	h.crashes()
	h.fails()
}

type helloWorld struct {
	session
	server *prefectserver.Server
	ecs    *ecs.Client
	tasks  []string // ARNs of those that the worker has started
}

func (h *helloWorld) bucket() string { return "flowbed-dev-" + h.front.Account + "-us-east-1-an" }

// program returns a Prefect program in a directory of its own, with an AWS key.
func (h *helloWorld) prefect(ctx context.Context, args ...string) *exec.Cmd {
	h.Helper()
	dir, err := venv.Prefect()
	if err != nil {
		h.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "bin", "prefect"), args...)
	cmd.Dir = h.TempDir()
	cmd.Env = append(prefectserver.Environ(cmd.Dir), "AWS_ENDPOINT_URL="+h.front.URL, "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID="+workerKey, "AWS_SECRET_ACCESS_KEY=secret",
		"PATH="+filepath.Join(dir, "bin")+":/usr/bin:/bin")
	return cmd
}

// startWorker starts the worker, and waits until it is online.
func (h *helloWorld) startWorker() {
	h.Helper()
	var said bytes.Buffer
	ctx, stop := context.WithCancel(h.Context())
	cmd := h.prefect(ctx, "worker", "start", "--type", "ecs", "--pool", pool, "--name", "elsewhere",
		"--install-policy", "never", "--no-create-pool-if-not-found")
	cmd.Env = append(cmd.Env, "PREFECT_API_URL="+h.server.API, "PREFECT_API_AUTH_STRING="+h.server.Auth, "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED=true")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	h.Cleanup(func() {
		stop()
		<-ended
		if h.Failed() {
			h.Logf("the worker says:\n%s", &said)
		}
	})
	eventually(h.T, "the worker is online", func() bool {
		list, err := h.server.Workers(h.Context(), pool)
		return err == nil && len(list) == 1 && list[0].Status == "ONLINE"
	})
}

// nextTask waits until the worker has started one more task. It returns the call and the task.
func (h *helloWorld) nextTask(p *program) (moto.Call, string) {
	h.Helper()
	var calls []moto.Call
	eventually(h.T, "the worker runs a task", func() bool {
		if !p.runs() {
			p.wait(0) // fails with the output
		}
		calls = h.made("ecs.RunTask")
		return len(calls) > len(h.tasks)
	})
	out, err := h.ecs.ListTasks(h.Context(), &ecs.ListTasksInput{})
	if err != nil {
		h.Fatal(err)
	}
	for _, arn := range out.TaskArns { // moto also lists those that have stopped
		if !slices.Contains(h.tasks, arn) {
			h.tasks = append(h.tasks, arn)
			return calls[len(calls)-1], arn
		}
	}
	h.Fatalf("the worker has run a task, and ECS lists only %v", out.TaskArns)
	return moto.Call{}, ""
}

// container runs the container of a task with more variables, writes what it prints to
// CloudWatch, and stops the task.
func (h *helloWorld) container(c moto.Call, arn string, more ...string) error {
	h.Helper()
	var run struct {
		Definition string `json:"taskDefinition"`
		Overrides  struct {
			Containers []struct {
				Command []string            `json:"command"`
				Env     []map[string]string `json:"environment"`
			} `json:"containerOverrides"`
		} `json:"overrides"`
	}
	if err := json.Unmarshal(c.Body, &run); err != nil || len(run.Overrides.Containers) != 1 {
		h.Fatalf("RunTask: %v: %s", err, c.Body)
	}
	out, err := h.ecs.DescribeTaskDefinition(h.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: &run.Definition})
	if err != nil {
		h.Fatal(err)
	}
	one := run.Overrides.Containers[0]
	command := one.Command
	if len(command) == 0 {
		command = out.TaskDefinition.ContainerDefinitions[0].Command
	}
	if len(command) < 2 || command[0] != "prefect" {
		h.Fatalf("the container's command is %q", command)
	}
	cmd := h.prefect(h.Context(), command[1:]...)
	for _, e := range one.Env {
		cmd.Env = append(cmd.Env, e["name"]+"="+e["value"])
	}
	cmd.Env = append(append(cmd.Env, h.secrets(out.TaskDefinition.ContainerDefinitions[0])...), more...)
	said, failed := cmd.CombinedOutput()
	h.log(out.TaskDefinition.ContainerDefinitions[0], arn, said)
	h.stop(arn, "Essential container in task exited")
	if failed != nil {
		return fmt.Errorf("the container: %w:\n%s", failed, said)
	}
	return nil
}

// log writes what a container has printed to CloudWatch, as the log driver does.
func (h *helloWorld) log(c types.ContainerDefinition, arn string, said []byte) {
	h.Helper()
	options := c.LogConfiguration.Options
	group, stream := options["awslogs-group"], strings.Join([]string{options["awslogs-stream-prefix"], *c.Name, arn[strings.LastIndex(arn, "/")+1:]}, "/")
	api := cloudwatchlogs.NewFromConfig(h.front.Config("us-east-1"))
	if _, err := api.CreateLogStream(h.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}); err != nil {
		h.Fatal(err)
	}
	var events []logtypes.InputLogEvent
	for line := range strings.Lines(string(said)) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			events = append(events, logtypes.InputLogEvent{Message: &line, Timestamp: aws.Int64(time.Now().UnixMilli())})
		}
	}
	_, err := api.PutLogEvents(h.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events})
	if err != nil {
		h.Fatal(err)
	}
}

// secrets reads the secrets of a container, as ECS does.
func (h *helloWorld) secrets(c types.ContainerDefinition) (env []string) {
	h.Helper()
	for _, secret := range c.Secrets {
		_, name, _ := strings.Cut(aws.ToString(secret.ValueFrom), ":parameter")
		out, err := ssm.NewFromConfig(h.front.Config("us-east-1")).GetParameter(h.Context(), &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
		if err != nil {
			h.Fatal(err)
		}
		env = append(env, aws.ToString(secret.Name)+"="+aws.ToString(out.Parameter.Value))
	}
	return env
}

func (h *helloWorld) stop(arn, reason string) {
	h.Helper()
	if _, err := h.ecs.StopTask(h.Context(), &ecs.StopTaskInput{Task: &arn, Reason: &reason}); err != nil {
		h.Fatal(err)
	}
}

// completes runs hello with a container that runs.
func (h *helloWorld) completes() {
	h.Helper()
	p := h.start("hello")
	if err := h.container(h.nextTask(p)); err != nil {
		h.Error(err)
	}
	_, progress := p.wait(0)
	for _, want := range []string{
		"run: Scheduled", "run: Pending", "run: Running", "run: Completed", "| Hello from a task on Fargate.", "is what this run wrote",
		"Hello: the flow completed, and its result is in the bucket",
	} {
		if !strings.Contains(progress, want) {
			h.Errorf("hello does not say %q:\n%s", want, progress)
		}
	}
	h.wantNothingLeft()
}

// crashes runs hello with a container that does not reach S3.
func (h *helloWorld) crashes() {
	h.Helper()
	p := h.start("hello")
	c, arn := h.nextTask(p)
	err := h.container(c, arn, "AWS_ENDPOINT_URL=http://127.0.0.1:9", "AWS_MAX_ATTEMPTS=1")
	_, progress := p.wait(1)
	for _, want := range []string{"the task does not reach Prefect's API, or an endpoint of AWS", "Could not connect to the endpoint URL", "troubleshooting.md#1-"} {
		if !strings.Contains(progress, want) {
			h.Errorf("hello does not say %q:\n%s\n%v", want, progress, err)
		}
	}
	h.wantNothingLeft()
}

// fails runs hello with a task that ECS cannot start.
func (h *helloWorld) fails() {
	h.Helper()
	p := h.start("hello")
	_, arn := h.nextTask(p)
	h.stop(arn, "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/acme/flows:1: not found")
	_, progress := p.wait(1)
	for _, want := range []string{"the image cannot be pulled", "ECS says: CannotPullContainerError", "troubleshooting.md#11-"} {
		if !strings.Contains(progress, want) {
			h.Errorf("hello does not say %q:\n%s", want, progress)
		}
	}
	h.wantNothingLeft()
}

// wantNothingLeft checks that hello has removed all that it made.
func (h *helloWorld) wantNothingLeft() {
	h.Helper()
	for _, path := range []string{"/flows/count", "/deployments/count", "/flow_runs/count"} {
		status, answer, err := h.server.Call(h.Context(), "POST", path, map[string]any{})
		if err != nil || status != 200 || strings.TrimSpace(string(answer)) != "0" {
			h.Errorf("%s: have %d %s %v, want 0", path, status, answer, err)
		}
	}
	objects, err := s3.NewFromConfig(h.front.Config("us-east-1"), func(o *s3.Options) { o.UsePathStyle = true }).
		ListObjectVersions(h.Context(), &s3.ListObjectVersionsInput{Bucket: aws.String(h.bucket())})
	if err != nil || len(objects.Versions)+len(objects.DeleteMarkers) > 0 {
		h.Errorf("the bucket has %v, %v, want nothing", objects, err)
	}
	definitions, err := h.ecs.ListTaskDefinitions(h.Context(), &ecs.ListTaskDefinitionsInput{Status: types.TaskDefinitionStatusActive})
	if err != nil || len(definitions.TaskDefinitionArns) > 0 {
		h.Errorf("the task definitions %v are active, %v, want none", definitions, err)
	}
}
