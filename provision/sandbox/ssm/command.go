package ssm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
	"github.com/flowbed/flowbed/provision/sandbox/machine"
)

func init() {
	core.Register(service, sendCommand, commandAccess)
	core.Register(service, getCommandInvocation, core.Anything)
	core.Register(service, describeInstanceInformation, core.Anything)
}

// command is a command that was sent to an instance.
type command struct {
	instance string
	sent     time.Time
	output   string
	code     int
}

var commands = new(core.Memory[map[string]*command]) // by id

// maxOutput is how much of a command's output Systems Manager shows.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html
const maxOutput = 24000 // characters

// managed reports whether an instance accepts commands: it runs, and its SSM agent
// reaches Systems Manager and has the permissions to register.
func (r *request) managed(id string) bool {
	arn, _ := ec2.Running(r.Request, id)
	if !machine.Runs(r.Request, id) {
		return false
	}
	profile := iam.ProfileOf(r.Request, arn)
	if profile == nil {
		return false
	}
	role := iam.RoleNamed(r.Request, profile.Role)
	return role != nil && slices.ContainsFunc(role.Attached, func(arn string) bool {
		return strings.HasSuffix(arn, ":policy/AmazonSSMManagedInstanceCore")
	})
}

func sendCommand(r *request, in *ssm.SendCommandInput) (*ssm.SendCommandOutput, error) {
	if aws.ToString(in.DocumentName) != "AWS-RunShellScript" {
		return nil, &types.InvalidDocument{Message: aws.String("Document with name " + aws.ToString(in.DocumentName) + " does not exist.")}
	}
	if len(in.InstanceIds) != 1 || len(in.Targets) > 0 {
		return nil, invalidParameter("the sandbox sends a command to one instance")
	}
	script := in.Parameters["commands"]
	if len(script) == 0 {
		return nil, &types.InvalidParameters{Message: aws.String("The document AWS-RunShellScript needs the parameter commands.")}
	}
	id := in.InstanceIds[0]
	if !r.managed(id) {
		return nil, &types.InvalidInstanceId{Message: aws.String(fmt.Sprintf("Instances [[%s]] not in a valid state for account %s", id, r.AccountID))}
	}
	number := r.Next()
	c := &command{instance: id, sent: r.Now}
	shell := r.Account.Shell
	if shell == nil {
		shell = func(id, script string) (string, int) { return machine.Shell(r.Request, id, script) }
	}
	c.output, c.code = shell(id, strings.Join(script, "\n"))
	name := fmt.Sprintf("00000000-0000-4000-8000-%012x", number)
	sent := commands.Of(r.Request)
	if *sent == nil {
		*sent = map[string]*command{}
	}
	(*sent)[name] = c
	return &ssm.SendCommandOutput{Command: &types.Command{
		CommandId: &name, InstanceIds: []string{id}, Status: types.CommandStatusPending, DocumentName: in.DocumentName,
	}}, nil
}

// getCommandInvocation does not find a new command at first, as on AWS.
func getCommandInvocation(r *request, in *ssm.GetCommandInvocationInput) (*ssm.GetCommandInvocationOutput, error) {
	c := (*commands.Of(r.Request))[aws.ToString(in.CommandId)]
	if c == nil || c.instance != aws.ToString(in.InstanceId) || r.Now.Before(c.sent.Add(r.Account.Lag)) {
		return nil, &types.InvocationDoesNotExist{Message: aws.String("")}
	}
	out := &ssm.GetCommandInvocationOutput{CommandId: in.CommandId, InstanceId: in.InstanceId, ResponseCode: -1}
	switch {
	case r.Now.Before(c.sent.Add(r.Account.CommandTime)):
		out.Status = types.CommandInvocationStatusInProgress
		return out, nil
	case c.code == 0:
		out.Status = types.CommandInvocationStatusSuccess
	default:
		out.Status = types.CommandInvocationStatusFailed
	}
	text := []rune(c.output)
	out.ResponseCode, out.StandardOutputContent = int32(c.code), aws.String(string(text[:min(len(text), maxOutput)]))
	return out, nil
}

func describeInstanceInformation(r *request, in *ssm.DescribeInstanceInformationInput) (*ssm.DescribeInstanceInformationOutput, error) {
	out := &ssm.DescribeInstanceInformationOutput{}
	for _, f := range in.Filters {
		if aws.ToString(f.Key) != "InstanceIds" {
			return nil, &types.InvalidInstanceInformationFilterValue{Message: aws.String("the sandbox filters by InstanceIds")}
		}
		for _, id := range f.Values {
			if r.managed(id) {
				out.InstanceInformationList = append(out.InstanceInformationList, types.InstanceInformation{
					InstanceId: &id, PingStatus: types.PingStatusOnline, LastPingDateTime: &r.Now, PlatformType: types.PlatformTypeLinux,
				})
			}
		}
	}
	return out, nil
}
