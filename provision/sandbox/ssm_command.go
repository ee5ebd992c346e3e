package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

func init() {
	on(sendCommand)
	on(getCommandInvocation)
	on(describeInstanceInformation)
}

// command is one that was sent to an instance.
type command struct {
	instance string
	sent     time.Time
	output   string
	code     int
}

// mostOutput is how much of a command's output Systems Manager shows.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html
const mostOutput = 24000 // characters

// managed reports whether an instance takes commands: it runs, and its agent has
// the permissions to register.
func (r *request) managed(id string) bool {
	i := r.ec2().Instances[id]
	if r.a.Shell == nil || i == nil || r.state(i) != "running" {
		return false
	}
	for _, p := range r.IAM.Profiles {
		role := r.IAM.Roles[p.Role]
		if p.ARN != i.Profile || role == nil {
			continue
		}
		return slices.ContainsFunc(role.Attached, func(arn string) bool {
			return strings.HasSuffix(arn, ":policy/AmazonSSMManagedInstanceCore")
		})
	}
	return false
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
		return nil, &types.InvalidInstanceId{Message: aws.String(fmt.Sprintf("Instances [[%s]] not in a valid state for account %s", id, r.Account))}
	}
	r.Serial++
	c := &command{instance: id, sent: r.now}
	c.output, c.code = r.a.Shell(id, strings.Join(script, "\n"))
	name := fmt.Sprintf("00000000-0000-4000-8000-%012x", r.Serial)
	if r.a.commands == nil {
		r.a.commands = map[string]*command{}
	}
	r.a.commands[name] = c
	return &ssm.SendCommandOutput{Command: &types.Command{
		CommandId: &name, InstanceIds: []string{id}, Status: types.CommandStatusPending, DocumentName: in.DocumentName,
	}}, nil
}

// getCommandInvocation does not know a command at first, as on AWS.
func getCommandInvocation(r *request, in *ssm.GetCommandInvocationInput) (*ssm.GetCommandInvocationOutput, error) {
	c := r.a.commands[aws.ToString(in.CommandId)]
	if c == nil || c.instance != aws.ToString(in.InstanceId) || r.now.Before(c.sent.Add(r.a.Lag)) {
		return nil, &types.InvocationDoesNotExist{Message: aws.String("")}
	}
	out := &ssm.GetCommandInvocationOutput{CommandId: in.CommandId, InstanceId: in.InstanceId, ResponseCode: -1}
	switch {
	case r.now.Before(c.sent.Add(r.a.CommandTime)):
		out.Status = types.CommandInvocationStatusInProgress
		return out, nil
	case c.code == 0:
		out.Status = types.CommandInvocationStatusSuccess
	default:
		out.Status = types.CommandInvocationStatusFailed
	}
	text := []rune(c.output)
	out.ResponseCode, out.StandardOutputContent = int32(c.code), aws.String(string(text[:min(len(text), mostOutput)]))
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
					InstanceId: &id, PingStatus: types.PingStatusOnline, LastPingDateTime: &r.now, PlatformType: types.PlatformTypeLinux,
				})
			}
		}
	}
	return out, nil
}
