package ec2_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/test/try"
)

// launchRules are AWS's rules for starting an instance, tags and filters.
var launchRules = []ruleTest{
	{"unknown type", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) { in.InstanceType = "t9.micro" })
		return err
	}, "InvalidParameterValue", "InstanceType"},
	{"type not sold in the zone", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) { in.SubnetId = c.subnet("e") })
		return err
	}, "Unsupported", "us-east-1e"},
	{"unknown image", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) { in.ImageId = aws.String("ami-1") })
		return err
	}, "InvalidAMIID.NotFound", ""},
	{"another architecture", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) { in.ImageId = c.image("al2023-ami-kernel-default-arm64") })
		return err
	}, "InvalidParameterValue", "architecture"},
	{"the image's architecture", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) {
			in.ImageId, in.InstanceType = c.image("al2023-ami-kernel-default-arm64"), types.InstanceTypeT4gMicro
		})
		return err
	}, "", ""},
	{"unknown group", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{"sg-1"} })
		return err
	}, "InvalidGroup.NotFound", ""},
	{"unknown key", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) { in.KeyName = aws.String("none") })
		return err
	}, "InvalidKeyPair.NotFound", ""},
	{"unknown subnet", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) { in.SubnetId = aws.String("subnet-1") })
		return err
	}, "InvalidSubnetID.NotFound", ""},
	{"subnet and interface in one request", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) {
			in.SubnetId = c.subnet("a")
			in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{{SubnetId: in.SubnetId}}
		})
		return err
	}, "InvalidParameterCombination", ""},
	{"no default VPC", func(c client) error {
		v := try.Must(c.DescribeVpcs(bg, &ec2.DescribeVpcsInput{})).Vpcs[0].VpcId
		for _, s := range try.Must(c.DescribeSubnets(bg, &ec2.DescribeSubnetsInput{})).Subnets {
			try.Must(c.DeleteSubnet(bg, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId}))
		}
		g := try.Must(c.DescribeInternetGateways(bg, &ec2.DescribeInternetGatewaysInput{})).InternetGateways[0].InternetGatewayId
		try.Must(c.DetachInternetGateway(bg, &ec2.DetachInternetGatewayInput{InternetGatewayId: g, VpcId: v}))
		try.Must(c.DeleteVpc(bg, &ec2.DeleteVpcInput{VpcId: v}))
		_, err := c.run()
		return err
	}, "VPCIdNotSpecified", ""},
	{"VPC with subnets", func(c client) error {
		v := try.Must(c.DescribeVpcs(bg, &ec2.DescribeVpcsInput{})).Vpcs[0].VpcId
		_, err := c.DeleteVpc(bg, &ec2.DeleteVpcInput{VpcId: v})
		return err
	}, "DependencyViolation", ""},
	{"user data of 16 KiB", func(c client) error { return c.userData(16384) }, "", ""},
	{"user data of more", func(c client) error { return c.userData(16385) }, "InvalidUserData.Malformed", "16384"},
	{"user data in plain text", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) { in.UserData = aws.String("#!/bin/sh") })
		return err
	}, "InvalidParameterValue", "BASE64"},
	{"volume smaller than the image", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(4)}}}
		})
		return err
	}, "InvalidBlockDeviceMapping", "8GB"},
	{"unknown profile", func(c client) error { return c.withProfile("none") }, "InvalidParameterValue", "Invalid IAM Instance Profile name"},
	{"profile without a role", func(c client) error {
		try.Must(0, c.Profile("p"))
		return c.withProfile("p")
	}, "InvalidParameterValue", "has no associated IAM Roles"},
	{"profile with a role", func(c client) error {
		try.Must(0, c.Profile("p"))
		try.Must(0, c.Role("r"))
		try.Must(0, c.AddRole("p", "r"))
		return c.withProfile("p")
	}, "", ""},
	{"reserved tag", func(c client) error {
		_, err := c.run(func(in *ec2.RunInstancesInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance,
				Tags: []types.Tag{{Key: aws.String("AWS:x"), Value: aws.String("y")}}}}
		})
		return err
	}, "InvalidParameterValue", "reserved"},
	{"51 tags", func(c client) error {
		id := try.Must(c.group("g"))
		var list []types.Tag
		for i := range 51 {
			list = append(list, types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String("")})
		}
		_, err := c.CreateTags(bg, &ec2.CreateTagsInput{Resources: []string{id}, Tags: list})
		return err
	}, "TagLimitExceeded", ""},
	{"tag on nothing", func(c client) error {
		_, err := c.CreateTags(bg, &ec2.CreateTagsInput{Resources: []string{"i-1"}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
		return err
	}, "InvalidInstanceID.NotFound", ""},
	{"unknown filter", func(c client) error {
		try.Must(c.run())
		_, err := c.DescribeInstances(bg, &ec2.DescribeInstancesInput{Filters: by("colour", "red")})
		return err
	}, "InvalidParameterValue", "colour"},
}

// instanceRules are AWS's rules for existing instances and client tokens.
var instanceRules = []ruleTest{
	{"same token, other request", func(c client) error {
		try.Must(c.run(token("t")))
		_, err := c.run(token("t"), func(in *ec2.RunInstancesInput) { in.InstanceType = types.InstanceTypeT3Small })
		return err
	}, "IdempotentParameterMismatch", ""},
	{"token of a terminated instance", func(c client) error {
		try.Must(0, c.terminate(try.Must(c.run(token("t")))))
		_, err := c.run(token("t"))
		return err
	}, "IdempotentInstanceTerminated", ""},
	{"a failed request does not use up its token", func(c client) error {
		bad := func(in *ec2.RunInstancesInput) { in.KeyName = aws.String("none") }
		if _, err := c.run(token("t"), bad); err == nil {
			return nil
		}
		_, err := c.run(token("t"))
		return err
	}, "", ""},
	{"long token", func(c client) error {
		_, err := c.run(token(strings.Repeat("t", 65)))
		return err
	}, "InvalidParameterValue", "clientToken"},

	{"terminate an unknown instance", func(c client) error { return c.terminate("i-1") }, "InvalidInstanceID.NotFound", ""},
	{"terminate twice", func(c client) error {
		id := try.Must(c.run())
		try.Must(0, c.terminate(id))
		return c.terminate(id)
	}, "", ""},
	{"terminate a protected instance", func(c client) error {
		return c.terminate(try.Must(c.run(func(in *ec2.RunInstancesInput) { in.DisableApiTermination = aws.Bool(true) })))
	}, "OperationNotPermitted", "disableApiTermination"},
	{"terminate a stop-protected instance", func(c client) error {
		return c.terminate(try.Must(c.run(func(in *ec2.RunInstancesInput) { in.DisableApiStop = aws.Bool(true) })))
	}, "OperationNotPermitted", "disableApiStop"},
	{"start a terminated instance", func(c client) error {
		id := try.Must(c.run())
		try.Must(0, c.terminate(id))
		_, err := c.StartInstances(bg, &ec2.StartInstancesInput{InstanceIds: []string{id}})
		return err
	}, "IncorrectInstanceState", ""},
	{"type of a running instance", func(c client) error {
		id := try.Must(c.run())
		_, err := c.ModifyInstanceAttribute(bg, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, InstanceType: &types.AttributeValue{Value: aws.String("t3.small")}})
		return err
	}, "IncorrectInstanceState", "stopped"},
	{"two attributes at once", func(c client) error {
		id, yes := try.Must(c.run()), &types.AttributeBooleanValue{Value: aws.Bool(true)}
		_, err := c.ModifyInstanceAttribute(bg, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiStop: yes, DisableApiTermination: yes})
		return err
	}, "InvalidParameterCombination", ""},
}

// TestDefaultVolumeKey: the account's key encrypts a volume for which a launch names none. EC2 takes
// any name for it, and ends an instance whose volume it cannot encrypt.
func TestDefaultVolumeKey(t *testing.T) {
	c := newClient("us-east-1")
	key := func() string {
		return *try.Must(c.GetEbsDefaultKmsKeyId(bg, &ec2.GetEbsDefaultKmsKeyIdInput{})).KmsKeyId
	}
	launch := func(encrypted bool) string {
		return c.state(try.Must(c.run(func(in *ec2.RunInstancesInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{Encrypted: &encrypted}}}
		})))
	}
	if key() != "alias/aws/ebs" || launch(true) == "terminated" {
		t.Errorf("the key of a new account is %s", key())
	}
	set := try.Must(c.ModifyEbsDefaultKmsKeyId(bg, &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: aws.String("alias/none")}))
	if *set.KmsKeyId != key() || key() != "alias/none" {
		t.Errorf("the key is %s, and the reply says %s", key(), *set.KmsKeyId)
	}
	if plain, encrypted := launch(false), launch(true); plain == "terminated" || encrypted != "terminated" && encrypted != "shutting-down" {
		t.Errorf("without encryption, the instance is %s, and with it %s", plain, encrypted)
	}
	try.Must(c.ResetEbsDefaultKmsKeyId(bg, &ec2.ResetEbsDefaultKmsKeyIdInput{}))
	if key() != "alias/aws/ebs" {
		t.Errorf("the key after the reset is %s", key())
	}
}
