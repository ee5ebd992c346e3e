package main

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
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

func (w *world) OnCreateVpcEndpoint(ctx context.Context, in *ec2.CreateVpcEndpointInput) (*ec2.CreateVpcEndpointOutput, error) {
	api := ec2.NewFromConfig(w.below(ctx))
	out, err := api.CreateVpcEndpoint(ctx, in)
	if core.CodeOf(err) == "IdempotentParameterMismatch" && w.Mismatched {
		c := *in
		c.ClientToken, c.ServiceName = nil, aws.String("com.amazonaws."+region+".s3")
		return api.CreateVpcEndpoint(ctx, &c)
	}
	return out, err
}

func (w *world) OnPutBucketEncryption(ctx context.Context, in *s3.PutBucketEncryptionInput) (*s3.PutBucketEncryptionOutput, error) {
	if w.Unblocked && probing(*in.Bucket) {
		in.ServerSideEncryptionConfiguration.Rules[0].BlockedEncryptionTypes = &s3types.BlockedEncryptionTypes{}
	}
	return s3.NewFromConfig(w.below(ctx)).PutBucketEncryption(ctx, in)
}

// probe reports whether an instance is one of the questions'.
func (w *world) probe(ctx context.Context, id string) (bool, error) {
	out, err := ec2.NewFromConfig(w.Config(region)).DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(out.Reservations[0].Instances[0].Tags, func(t ec2types.Tag) bool {
		return *t.Key == "Name" && strings.HasSuffix(*t.Value, "-probe")
	}), nil
}

// OnSendCommand stands in for the instance: the id of the command is what the script says.
func (w *world) OnSendCommand(ctx context.Context, in *ssm.SendCommandInput) (*ssm.SendCommandOutput, error) {
	id, script := in.InstanceIds[0], in.Parameters["commands"][0]
	probe, err := w.probe(ctx, id)
	if err != nil {
		return nil, err
	}
	delay := 80 * time.Second
	if w.SlowManager {
		delay = 6 * time.Minute
	}
	switch {
	case probe && w.since(w.managed, id) < delay:
		return nil, &ssmtypes.InvalidInstanceId{}
	case !probe && w.Tagless:
		return nil, core.Fail("AccessDeniedException", "not authorized to perform: ssm:SendCommand")
	case !probe && !w.TagsIgnored:
		if out, err := ssm.NewFromConfig(w.below(ctx)).SendCommand(ctx, in); err != nil || !strings.HasPrefix(script, "echo ") {
			return out, err
		}
	}
	said := "end: 0 exit-code\nend: 1 exit-code\nend: 2 exit-code"
	if w.NoRestarts {
		said = "end:  exit-code\nend:  exit-code\nend:  exit-code"
	}
	if text, ok := strings.CutPrefix(script, "echo '"); ok {
		said = strings.TrimSuffix(text, "'")
	}
	return &ssm.SendCommandOutput{Command: &ssmtypes.Command{CommandId: &said}}, nil
}

func (w *world) OnGetCommandInvocation(_ context.Context, in *ssm.GetCommandInvocationInput) (*ssm.GetCommandInvocationOutput, error) {
	if strings.HasPrefix(*in.CommandId, "00000000-") {
		return nil, errPass
	}
	return &ssm.GetCommandInvocationOutput{Status: ssmtypes.CommandInvocationStatusSuccess, StandardOutputContent: aws.String(*in.CommandId + "\n")}, nil
}
