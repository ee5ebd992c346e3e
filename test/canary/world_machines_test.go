package main

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

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
	if core.CodeOf(err) == "InvalidParameterValue" && w.OddProfile && strings.HasPrefix(aws.ToString(in.IamInstanceProfile.Name), "canary-") {
		return nil, core.Fail("InvalidParameterValue", "The profile is too young.")
	}
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
