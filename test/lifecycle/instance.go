package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// Instance is the agent's instance, with everything that it refers to.
var Instance = register(Case{
	Name: "instance", Step: "agent instance", Beside: true,
	Add: func(w *World, g *provision.Graph) { addInstance(w, g, provision.Ref[resource.KMSKeyState]{}) },
	Fields: []Field{
		{"state", onAgent(stop)},
		{"instance type", onAgent(func(ctx context.Context, w *World, api *ec2.Client, i types.Instance) error {
			if err := stop(ctx, w, api, i); err != nil {
				return err
			}
			if _, err := api.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{
				InstanceId: i.InstanceId, InstanceType: &types.AttributeValue{Value: aws.String("t3.small")}}); err != nil {
				return err
			}
			_, err := api.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{*i.InstanceId}})
			if err != nil {
				return err
			}
			return await(ctx, api, i, types.InstanceStateNameRunning)
		})},
		{"image", onAgent(retag("image=al2 volume=16 %s"))},
		{"volume", onAgent(retag("image=al2023 volume=8 %s"))},
		{"launch specification", onAgent(func(ctx context.Context, _ *World, api *ec2.Client, i types.Instance) error {
			_, err := api.DeleteTags(ctx, &ec2.DeleteTagsInput{
				Resources: []string{*i.InstanceId}, Tags: []types.Tag{{Key: aws.String(resource.KeyLaunch)}}})
			return err
		})},
		{"security groups", onAgent(func(ctx context.Context, _ *World, api *ec2.Client, i types.Instance) error {
			out, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{
				{Name: aws.String("vpc-id"), Values: []string{*i.VpcId}}, {Name: aws.String("group-name"), Values: []string{"default"}}}})
			if err != nil {
				return err
			}
			_, err = api.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
				NetworkInterfaceId: i.NetworkInterfaces[0].NetworkInterfaceId, Groups: []string{*out.SecurityGroups[0].GroupId}})
			return err
		})},
		{"instance metadata", onAgent(func(ctx context.Context, _ *World, api *ec2.Client, i types.Instance) error {
			_, err := api.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{
				InstanceId: i.InstanceId, HttpTokens: types.HttpTokensStateOptional, HttpPutResponseHopLimit: aws.Int32(2)})
			return err
		})},
		{"tags", onAgent(func(ctx context.Context, _ *World, api *ec2.Client, i types.Instance) error {
			return untag(ctx, api, *i.InstanceId)
		})},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		image, err := ssm.NewFromConfig(w.Config).GetParameter(ctx, &ssm.GetParameterInput{
			Name: aws.String("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")})
		if err != nil {
			return err
		}
		tags["Name"] = agentName
		api := ec2.NewFromConfig(w.Config)
		_, err = api.RunInstances(ctx, &ec2.RunInstancesInput{
			ImageId: image.Parameter.Value, InstanceType: types.InstanceTypeT2Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
			TagSpecifications: ec2TagsFor(tags, types.ResourceTypeInstance)})
		return err
	},
	Others: func(ctx context.Context, w *World) (string, error) {
		out, err := ec2.NewFromConfig(w.Config).DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
		if err != nil {
			return "", err
		}
		var list []string
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				tags := resource.Tags{}
				for _, t := range i.Tags {
					tags[*t.Key] = *t.Value
				}
				if tags.Owner().By != w.ID.Owner() {
					list = append(list, fmt.Sprintf("%s %v in %s", *i.InstanceId, tags, *i.SecurityGroups[0].GroupName))
				}
			}
		}
		return strings.Join(list, "\n"), nil
	},
})

func addInstance(w *World, g *provision.Graph, key provision.Ref[resource.KMSKeyState]) {
	api := ec2.NewFromConfig(w.Config)
	r := roleOf(w, agentName)
	r.Trust = trustEC2
	role := provision.Add(g, "agent role", provision.Own, r)
	profile := provision.Add(g, "agent instance profile", provision.Own, resource.Profile{
		API: iam.NewFromConfig(w.Config), ID: w.ID, Name: agentName, Role: role,
	})
	pair := provision.Add(g, "key pair", provision.Own, resource.KeyPair{API: api, ID: w.ID, Name: agentName, PublicKey: oneKey})
	network := addNetwork(w, g)
	group := addGroup(w, g, network)
	image := provision.Data(g, "image", resource.Image{SSM: ssm.NewFromConfig(w.Config), Image: "al2023", Type: "t2.micro"})
	offer := provision.OnDemand(g, "offer", resource.Offering{API: api, Type: "t2.micro", Image: image})
	provision.Add(g, "agent instance", provision.Own, resource.Instance{
		API: api, ID: w.ID, Name: agentName, Type: "t2.micro", ImageName: "al2023", Image: image, Offering: offer, VolumeGiB: 16,
		VolumeKey: key, Key: pair, Profile: profile, Network: network, Groups: []provision.Ref[resource.SecurityGroupState]{group},
		UserData: func() string { return "#!/bin/sh\necho hello\n" }, Launched: new(resource.Launched),
	})
}

// onAgent finds the agent's instance.
func onAgent(f func(context.Context, *World, *ec2.Client, types.Instance) error) func(context.Context, *World) error {
	return onEC2(func(ctx context.Context, w *World, api *ec2.Client) error {
		out, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{
			{Name: aws.String("tag:" + resource.KeyEnvironment), Values: []string{w.ID.Env}},
			{Name: aws.String("instance-state-name"), Values: []string{"running"}}}})
		if err != nil {
			return err
		}
		if n := len(out.Reservations); n != 1 {
			return fmt.Errorf("%d agents run, want 1", n)
		}
		return f(ctx, w, api, out.Reservations[0].Instances[0])
	})
}

func stop(ctx context.Context, _ *World, api *ec2.Client, i types.Instance) error {
	if _, err := api.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{*i.InstanceId}}); err != nil {
		return err
	}
	return await(ctx, api, i, types.InstanceStateNameStopped)
}

// await polls until an instance is in a state. Where that takes long, time is virtual.
func await(ctx context.Context, api *ec2.Client, i types.Instance, state types.InstanceStateName) error {
	for range 100 {
		out, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{*i.InstanceId}})
		if err != nil {
			return err
		}
		if out.Reservations[0].Instances[0].State.Name == state {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Second):
		}
	}
	return fmt.Errorf("%s is not %s", *i.InstanceId, state)
}

// retag changes the first part of the instance's launch tag, as if it had been launched
// with other settings. The rest of the tag stays.
func retag(launch string) func(context.Context, *World, *ec2.Client, types.Instance) error {
	return func(ctx context.Context, _ *World, api *ec2.Client, i types.Instance) error {
		for _, t := range i.Tags {
			if *t.Key != resource.KeyLaunch {
				continue
			}
			var image, volume, key, data string
			if _, err := fmt.Sscan(*t.Value, &image, &volume, &key, &data); err != nil {
				return fmt.Errorf("read the tag %s: %w", *t.Value, err)
			}
			_, err := api.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*i.InstanceId}, Tags: []types.Tag{{
				Key: t.Key, Value: aws.String(fmt.Sprintf(launch, key+" "+data))}}})
			return err
		}
		return fmt.Errorf("%s has no tag %s", *i.InstanceId, resource.KeyLaunch)
	}
}
