package main

import (
	"context"
	_ "embed" // for restarts.sh
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
)

var commandTags = question{
	Name: "command-tags", Lane: laneLife, Prefect: true, Ask: askCommandTags,
	Asks:    "Does the policy for up allow commands on the agent, and on no instance of another environment?",
	Assumed: "yes: for ssm:SendCommand, AWS compares aws:ResourceTag/flowbed:environment with the instance's tag",
	Relies:  "Permissions in provision/resource/worker.go, which `agent logs` needs, too; commandAccess in provision/sandbox/ssm/access.go",
	Change:  "the condition in provision/resource/worker.go",
}

// askCommandTags runs a command on the agent, once with the policy for this environment and
// once with that for another one.
func askCommandTags(ctx context.Context, r *run) (answer, error) {
	if err := r.build(ctx); err != nil {
		return answer{}, err
	}
	ours, limited := r.life.creds["up"]
	if !limited {
		return couldNot("%s", r.life.unable)
	}
	id, err := r.agent(ctx)
	if err != nil {
		return answer{}, err
	}
	theirs, err := r.stranger(ctx)
	if err != nil {
		return answer{}, err
	}
	said, err := r.command(ctx, ours, id)
	switch {
	case awserr.Classify(err) == awserr.Denied:
		return no("the policy of this environment does not allow it: %s", codeOf(err))
	case err != nil:
		return answer{}, err
	case !strings.Contains(said, r.marker()):
		return couldNot("the command said %q", said)
	}
	switch _, err := r.command(ctx, theirs, id); {
	case err == nil:
		return no("the command ran with the policy of another environment, too")
	case awserr.Classify(err) != awserr.Denied:
		return answer{}, err
	default:
		return yes("a command ran; with the policy of another environment: %s", awserr.Code(err))
	}
}

// agent is the running instance of the environment's agent.
func (r *run) agent(ctx context.Context) (string, error) {
	out, err := r.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
		{Name: aws.String("tag:Name"), Values: []string{"flowbed-" + r.Name + "-agent"}},
		{Name: aws.String("instance-state-name"), Values: []string{"running"}},
	}})
	if err != nil {
		return "", fmt.Errorf("find the agent: %w", err)
	}
	if len(out.Reservations) == 0 || len(out.Reservations[0].Instances) == 0 {
		return "", unasked("no agent runs")
	}
	return aws.ToString(out.Reservations[0].Instances[0].InstanceId), nil
}

// stranger is a role with the policy for up of an environment with another name, and the
// same objects otherwise.
func (r *run) stranger(ctx context.Context) (c aws.Credentials, err error) {
	out, err := r.program.run(ctx, nil, "policy", "--for", "up")
	if err != nil {
		return c, err
	}
	if out.Code != 0 {
		return c, failed("policy", out)
	}
	policy := strings.ReplaceAll(out.Results, strconv.Quote(r.Name), strconv.Quote(r.Name+"-other")) // the values of the conditions
	if policy == out.Results {
		return c, unasked("the policy for up has no condition with the environment's name")
	}
	if err := r.role(ctx, "stranger", r.callerTrust(), policy); err != nil {
		return c, err
	}
	if c, err = r.assume(ctx, "stranger"); err != nil {
		return c, err
	}
	// As soon as it may do what has no condition, its policy is known.
	api := ssm.NewFromConfig(r.as(c))
	_, err = until(ctx, 2*time.Minute, 5*time.Second, func() (bool, error) {
		_, err := api.DescribeInstanceInformation(ctx, &ssm.DescribeInstanceInformationInput{})
		if awserr.Classify(err) == awserr.Denied {
			return false, nil
		}
		return err == nil, err
	})
	if tooLong(err) {
		err = unasked("the new role's policy allowed nothing in 2 minutes")
	}
	return c, err
}

// command runs a command as flowbed does. Systems Manager may not know a new instance.
func (r *run) command(ctx context.Context, c aws.Credentials, instance string) (said string, err error) {
	shell := resource.Shell{API: ssm.NewFromConfig(r.as(c)), Instance: instance}
	_, late := until(ctx, 5*time.Minute, 5*time.Second, func() (bool, error) {
		said, err = shell.Run(ctx, "echo '"+r.marker()+"'")
		return !errors.Is(err, resource.ErrUnmanaged), nil
	})
	if err == nil {
		err = late
	}
	return said, err
}

var systemdRestarts = question{
	Name: "systemd-restarts", Lane: laneMachines, Ask: askRestarts,
	Asks:    "Does systemd on Amazon Linux 2023 tell ExecStopPost how often it has restarted a unit?",
	Assumed: "yes: NRestarts is 0 at the first end, and one more at each further one",
	Relies:  "NRestarts in templates/report.sh; --timeout in cmd/flowbed/up.go, which ends early only after three ends",
	Change:  "how templates/report.sh counts, such as in a file under /run",
}

//go:embed restarts.sh
var restarts string

// askRestarts lets a unit fail again and again on the t3.micro.
func askRestarts(ctx context.Context, r *run) (answer, error) {
	m := &r.machines.nitro
	if err := r.seen(ctx, m); err != nil {
		return answer{}, err
	}
	if m.online == 0 {
		return couldNot("the instance ran no command in 12 minutes")
	}
	said, err := r.shell(ctx, m.id, restarts, 2*time.Minute)
	if err != nil {
		return answer{}, fmt.Errorf("run a unit on the instance: %w", err)
	}
	var ends []string
	for line := range strings.Lines(said) {
		if end, ok := strings.CutPrefix(strings.TrimSpace(line), "end:"); ok {
			ends = append(ends, strings.TrimSpace(end))
		}
	}
	if len(ends) < 3 {
		return couldNot("the unit ended %d times: %s", len(ends), said)
	}
	return judged(slices.Equal(ends[:3], []string{"0 exit-code", "1 exit-code", "2 exit-code"}), "%s", strings.Join(ends[:3], ", "))
}
