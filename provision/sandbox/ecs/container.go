package ecs

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
)

// TaskNetwork is a task's network interface, as RunTask asks for it.
type TaskNetwork struct {
	Subnets []string `json:"subnets,omitempty"`
	Groups  []string `json:"groups,omitempty"`
	Public  bool     `json:"public,omitempty"` // it gets a public address
}

// TaskEnd is how a task ended.
type TaskEnd struct {
	At        time.Time `json:"at"`
	Code      string    `json:"code"`   // the stop code
	Reason    string    `json:"reason"` // of the task
	Container string    `json:"container,omitempty"`
	Exit      *int32    `json:"exit,omitempty"` // nil if the container never ran
}

// Container is a task as the machine that runs its first container sees it.
type Container struct {
	Region, ARN, ID, Name string
	Created               time.Time
	Image                 string
	Environment           map[string]string
	Secrets               map[string]string // ARNs by variable
	Log                   map[string]string // the options of awslogs
	TaskRole              string            // ARNs of roles; may be empty
	ExecutionRole         string
	Memory                int // in MiB; 0 if nobody said
	Network               TaskNetwork
	Stopping              *TaskEnd // how it ends, if StopTask has told it to
	Status                string
	Service               string // that has started it; empty if none has
	Command               []string
}

// override keeps what fargate needs to know of a task. A task whose container gets no
// environment is of no interest to it.
func (t *task) override(in *ecs.RunTaskInput) {
	if n := in.NetworkConfiguration; n != nil && n.AwsvpcConfiguration != nil {
		v := n.AwsvpcConfiguration
		t.Network = &TaskNetwork{v.Subnets, v.SecurityGroups, v.AssignPublicIp == types.AssignPublicIpEnabled}
	}
	o := in.Overrides
	if o == nil {
		return
	}
	t.Role = aws.ToString(o.TaskRoleArn)
	if n, err := strconv.Atoi(aws.ToString(o.Memory)); err == nil {
		t.Memory = n
	}
	if len(o.ContainerOverrides) == 0 || len(o.ContainerOverrides[0].Environment) == 0 {
		return
	}
	t.Environment = map[string]string{}
	for _, e := range o.ContainerOverrides[0].Environment {
		t.Environment[aws.ToString(e.Name)] = aws.ToString(e.Value)
	}
	t.Status = "PROVISIONING"
}

// attach creates the task's network interface.
func (r *request) attach(t *task) error {
	if t.Network == nil || len(t.Network.Subnets) == 0 {
		return nil
	}
	id := t.ARN[len(t.ARN)-17:]
	a, err := ec2.Attach(r.Request, "eni-"+id, t.Network.Subnets[0], t.Network.Groups, r.arnOf("attachment/"+attachmentOf(t)))
	if err != nil {
		return unattached(err, t.Network.Subnets[0], t.Network.Groups)
	}
	t.Interface = &a
	return nil
}

// unattached is ECS's error for one of EC2.
func unattached(err error, subnet string, groups []string) error {
	switch core.CodeOf(err) {
	case "":
		return nil
	case "InvalidSubnetID.NotFound":
		return invalid("Error retrieving subnet information for [%s]: %v (ErrorCode: %s)", subnet, err, core.CodeOf(err))
	}
	return invalid("Error retrieving security group information for %v: %v (ErrorCode: %s)", groups, err, core.CodeOf(err))
}

func attachmentOf(t *task) string {
	id := t.ARN[len(t.ARN)-32:]
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

func (r *request) containerOf(t *task) string {
	if d := r.db().Definitions[t.Definition[len(r.arnOf("task-definition/")):]]; d != nil {
		return d.Container
	}
	return ""
}

// Containers returns the tasks of all regions that have not ended, and whose container has an
// environment.
func Containers(call *core.Request) (list []Container) {
	all := part.All(call)
	for _, region := range core.SortedKeys(all) {
		r := &request{call.In(region)}
		for _, t := range core.Sorted(all[region].Tasks) {
			if !t.prepared() || t.Status == "STOPPED" {
				continue
			}
			c := Container{
				Region: region, ARN: t.ARN, ID: t.ARN[len(t.ARN)-32:], Name: r.containerOf(t), Created: t.Created,
				Environment: t.Environment, TaskRole: t.Role, Memory: t.Memory, Stopping: t.Stopping, Status: t.Status,
			}
			if t.Network != nil {
				c.Network = *t.Network
			}
			c.Service, _ = strings.CutPrefix(t.Group, "service:")
			if c.Service == t.Group {
				c.Service = ""
			}
			if d, err := r.findDefinition(&t.Definition); err == nil {
				c.Command = d.Command
				if c.Service != "" {
					c.Environment = d.Environment
				}
				c.Image, c.Secrets, c.Log, c.ExecutionRole = d.Image, d.Secrets, d.Log, d.ExecutionRole
				if c.TaskRole == "" {
					c.TaskRole = d.TaskRole
				}
				if c.Memory == 0 {
					c.Memory = d.Memory
				}
			}
			list = append(list, c)
		}
	}
	return list
}

// Becomes changes the status of a task in the call's region. An event that does not arrive
// changes nothing here.
func Becomes(call *core.Request, arn, status string) {
	if t := part.In(call).Tasks[arn]; t != nil && t.Status != status {
		t.Status = status
		_ = (&request{call}).tell(t)
	}
}

// Ends ends a task in the call's region.
func Ends(call *core.Request, arn string, e TaskEnd) {
	if t := part.In(call).Tasks[arn]; t != nil {
		_ = (&request{call}).end(t, e)
	}
}
