// Package fargate is what runs in the sandbox's tasks: Fargate, which prepares a task as its
// execution role, and Prefect's process in the container, which runs a flow as the task role.
//
// It looks after the tasks that a worker has started, and does what Fargate and Prefect would:
// it reads the secrets, pulls the image, opens the log, calls Prefect's API, fetches the
// flow's code from the bucket, and runs it. Each of these needs what it needs in AWS: a role
// that trusts ECS and may do it, and a network that leads there. It cannot run Python; it
// understands the flow of `flowbed hello` from its code, and fails any other. It asks ecs for
// the tasks, iam for their roles, ec2 for their network, ecr for images, and prefectapi as the
// flow's process would.
package fargate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
	"github.com/flowbed/flowbed/provision/sandbox/ecr"
	"github.com/flowbed/flowbed/provision/sandbox/ecs"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

func init() { core.AsTimePasses(catchUp) }

// catchUp lets all tasks do what is due.
func catchUp(r *core.Request) {
	for _, c := range ecs.Containers(r) {
		t := &task{call: r.In(c.Region), Container: c}
		switch {
		case c.Environment["PREFECT__FLOW_RUN_ID"] != "":
			t.run()
		case c.Service != "":
			t.serve()
		}
	}
}

// task is a task and the process in its container.
type task struct {
	ecs.Container
	call *core.Request

	who     core.Identity     // the execution role
	secrets map[string]string // values by variable
}

// run does what is due. A task is provisioned, then its image is pulled, then its flow runs.
func (t *task) run() {
	part, now := t.call.Account.TaskTime, t.call.Now
	pulls, starts, ends := t.Created.Add(part), t.Created.Add(2*part), t.Created.Add(3*part)
	if now.Before(pulls) {
		return
	}
	ecs.Becomes(t.call, t.ARN, "PENDING")
	if now.Before(starts) {
		return
	}
	t.at(starts)
	if err := t.prepare(); err != nil {
		ecs.Ends(t.call, t.ARN, ecs.TaskEnd{At: starts, Code: "TaskFailedToStart", Reason: err.Error()})
		return
	}
	ecs.Becomes(t.call, t.ARN, "RUNNING")
	if e := t.Stopping; e != nil && e.At.Before(ends) && !now.Before(e.At) {
		ecs.Ends(t.call, t.ARN, *e)
		return
	}
	if now.Before(ends) {
		return
	}
	if need := t.call.Account.FlowMemory; need > 0 && t.Memory < need {
		ecs.Ends(t.call, t.ARN, ecs.TaskEnd{
			At: ends, Code: "EssentialContainerExited", Reason: "Essential container in task exited",
			Container: "OutOfMemoryError: Container killed due to memory usage", Exit: aws.Int32(137),
		})
		return
	}
	p := &process{task: t, began: starts, ended: ends, said: 10 * time.Millisecond} // after the worker's words
	ecs.Ends(t.call, t.ARN, ecs.TaskEnd{
		At: ends, Code: "EssentialContainerExited", Reason: "Essential container in task exited", Exit: aws.Int32(p.execute()),
	})
}

// at lets the task's calls happen at an earlier time.
func (t *task) at(now time.Time) {
	r := *t.call
	r.Now = now
	t.call = &r
}

// said is an error in the words of another program.
type said string

func (e said) Error() string { return string(e) }

func sayf(format string, args ...any) error { return said(fmt.Sprintf(format, args...)) }

// reaches reports whether the task can connect to a port of a host. ECS places it in one of
// its subnets; the sandbox takes the first.
func (t *task) reaches(host string, port int) bool {
	n := t.Network
	return len(n.Subnets) > 0 && ec2.Leads(t.call, n.Subnets[0], n.Groups, n.Public, host, port)
}

func (t *task) endpoint(service string) string { return service + "." + t.Region + ".amazonaws.com" }

// prepare does what Fargate does before it starts the container. The errors are ECS's:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
func (t *task) prepare() error {
	if t.ExecutionRole != "" {
		who, ok := iam.TaskSession(t.call, t.ExecutionRole, t.ID)
		if !ok {
			return unassumable(t.ExecutionRole)
		}
		t.who = who
	}
	if t.TaskRole != "" {
		if _, ok := iam.TaskSession(t.call, t.TaskRole, t.ID); !ok {
			return unassumable(t.TaskRole)
		}
	}
	if err := t.readSecrets(); err != nil {
		return sayf("ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: %v", err)
	}
	if err := t.pull(); err != nil {
		return sayf("CannotPullContainerError: %v", err)
	}
	if len(t.Log) > 0 {
		if err := t.openLog(); err != nil {
			return sayf("ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: %v : exit status 1", err)
		}
	}
	return nil
}

func unassumable(role string) error {
	return sayf("ECS was unable to assume the role '%s' that was provided for this task. Please verify that the role being passed "+
		"has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.", role)
}

// as makes a call as an identity. The error is in the words of AWS's SDK for Go.
func (t *task) as(who core.Identity, in any) (any, error) {
	out, err := t.call.As(who, in)
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return nil, sayf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return out, err
}

// pull pulls the image. The sandbox knows the images of Prefect on Docker Hub, and those in
// the account's own registry.
func (t *task) pull() error {
	registry, rest, own := strings.Cut(t.Image, ".dkr.ecr."+t.Region+".amazonaws.com/")
	if !own {
		return t.pullFromHub()
	}
	name, tag, tagged := strings.Cut(rest, ":")
	if !tagged {
		tag = "latest"
	}
	for _, need := range []core.Access{
		{Action: "ecr:GetAuthorizationToken", Resource: "*"},
		{Action: "ecr:BatchGetImage", Resource: t.call.ARN("ecr", t.Region, "repository/"+name)},
	} {
		denial, err := t.call.Judge(t.who, need)
		if err != nil {
			return err
		}
		if denial != nil {
			return sayf("AccessDeniedException: %s", denial.Text())
		}
	}
	switch {
	case !t.reaches("api.ecr."+t.Region+".amazonaws.com", 443), !t.reaches(registry+".dkr.ecr."+t.Region+".amazonaws.com", 443),
		!t.reaches(t.endpoint("s3"), 443): // the layers are there
		return sayf("ref pull has been retried 5 time(s): failed to do request: Head \"https://%s\": dial tcp: i/o timeout", t.Image)
	case registry != t.call.AccountID || !ecr.HasImage(t.call, name, tag):
		return sayf("pull image manifest has been retried 1 time(s): failed to resolve ref %s: %s: not found", t.Image, t.Image)
	}
	return nil
}

func (t *task) pullFromHub() error {
	ref := "docker.io/" + t.Image
	switch {
	case !t.reaches("registry-1.docker.io", 443):
		return sayf("ref pull has been retried 5 time(s): failed to resolve reference \"%s\": failed to do request: Head \"https://registry-1.docker.io\": dial tcp: i/o timeout", ref)
	case !strings.HasPrefix(t.Image, "prefecthq/prefect:") && !strings.HasPrefix(t.Image, "prefecthq/prefect-aws:"):
		return sayf("pull image manifest has been retried 1 time(s): failed to resolve ref %s: %s: not found", ref, ref)
	}
	return nil
}

func (t *task) stream() (group, stream string) {
	return t.Log["awslogs-group"], t.Log["awslogs-stream-prefix"] + "/" + t.Name + "/" + t.ID
}

func (t *task) openLog() error {
	if !t.reaches(t.endpoint("logs"), 443) {
		return said("RequestError: send request failed caused by: context deadline exceeded")
	}
	group, stream := t.stream()
	_, err := t.as(t.who, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	if err != nil && strings.Contains(err.Error(), "already exists") {
		err = nil // the task was looked at before
	}
	return err
}

// print writes a line of the container to CloudWatch. Without the permission it is lost.
func (t *task) print(at time.Time, text string) {
	if len(t.Log) == 0 {
		return
	}
	group, stream := t.stream()
	_, _ = t.as(t.who, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: []logtypes.InputLogEvent{
		{Timestamp: aws.Int64(at.UnixMilli()), Message: &text},
	}})
}
