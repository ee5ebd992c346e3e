package sandbox

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// crew is another hand in EC2 and ECS.
type crew struct {
	hand
	*ec2.Client
	ecs    *ecs.Client
	region string
}

func newCrew(region string) crew {
	h := newHand(region)
	c := h.Config(region)
	return crew{h, ec2.NewFromConfig(c), ecs.NewFromConfig(c), region}
}

var bg = context.Background()

func (c crew) image(part string) *string {
	out := must(c.DescribeImages(bg, &ec2.DescribeImagesInput{}))
	i := slices.IndexFunc(out.Images, func(i types.Image) bool { return strings.Contains(*i.Name, part) })
	return out.Images[i].ImageId
}

func (c crew) subnet(zone string) *string {
	out := must(c.DescribeSubnets(bg, &ec2.DescribeSubnetsInput{Filters: by("availability-zone", c.region+zone)}))
	return out.Subnets[0].SubnetId
}

func by(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

// run starts a t3.micro, unless change says otherwise.
func (c crew) run(change ...func(*ec2.RunInstancesInput)) (string, error) {
	in := &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: c.image("al2023-ami-kernel-default-x86_64"), InstanceType: types.InstanceTypeT3Micro,
	}
	for _, f := range change {
		f(in)
	}
	out, err := c.RunInstances(bg, in)
	if err != nil {
		return "", err
	}
	return *out.Instances[0].InstanceId, nil
}

func (c crew) state(id string) string {
	out, err := c.DescribeInstances(bg, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return codeOf(err)
	}
	return string(out.Reservations[0].Instances[0].State.Name)
}

func (c crew) terminate(ids ...string) error {
	_, err := c.TerminateInstances(bg, &ec2.TerminateInstancesInput{InstanceIds: ids})
	return err
}

func (c crew) group(name string) (string, error) {
	out, err := c.CreateSecurityGroup(bg, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("a group")})
	if err != nil {
		return "", err
	}
	return *out.GroupId, nil
}

func (c crew) deleteGroup(id string) error {
	_, err := c.DeleteSecurityGroup(bg, &ec2.DeleteSecurityGroupInput{GroupId: &id})
	return err
}

func (c crew) defaultGroup() string {
	return *must(c.DescribeSecurityGroups(bg, &ec2.DescribeSecurityGroupsInput{Filters: by("group-name", "default")})).SecurityGroups[0].GroupId
}

func port(n int32, cidr string) []types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: &n, ToPort: &n}
	if strings.Contains(cidr, ":") {
		p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: &cidr}}
	} else {
		p.IpRanges = []types.IpRange{{CidrIp: &cidr}}
	}
	return []types.IpPermission{p}
}

func (c crew) authorize(id string, p []types.IpPermission) error {
	_, err := c.AuthorizeSecurityGroupIngress(bg, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: p})
	return err
}

func (c crew) revoke(id string, p []types.IpPermission) error {
	_, err := c.RevokeSecurityGroupIngress(bg, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: p})
	return err
}

func token(s string) func(*ec2.RunInstancesInput) {
	return func(in *ec2.RunInstancesInput) { in.ClientToken = &s }
}

// Each rule of EC2 that the sandbox keeps, as another hand meets it.
func TestEC2Rules(t *testing.T) {
	for _, r := range []struct {
		name string
		do   func(crew) error
		code string // empty: it works
		says string // a part of the message
	}{
		{"unknown type", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) { in.InstanceType = "t9.micro" })
			return err
		}, "InvalidParameterValue", "InstanceType"},
		{"type not sold in the zone", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) { in.SubnetId = c.subnet("e") })
			return err
		}, "Unsupported", "us-east-1e"},
		{"unknown image", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) { in.ImageId = aws.String("ami-1") })
			return err
		}, "InvalidAMIID.NotFound", ""},
		{"another architecture", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) { in.ImageId = c.image("al2023-ami-kernel-default-arm64") })
			return err
		}, "InvalidParameterValue", "architecture"},
		{"its architecture", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) {
				in.ImageId, in.InstanceType = c.image("al2023-ami-kernel-default-arm64"), types.InstanceTypeT4gMicro
			})
			return err
		}, "", ""},
		{"unknown group", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{"sg-1"} })
			return err
		}, "InvalidGroup.NotFound", ""},
		{"unknown key", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) { in.KeyName = aws.String("none") })
			return err
		}, "InvalidKeyPair.NotFound", ""},
		{"unknown subnet", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) { in.SubnetId = aws.String("subnet-1") })
			return err
		}, "InvalidSubnetID.NotFound", ""},
		{"subnet beside an interface", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) {
				in.SubnetId = c.subnet("a")
				in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{{SubnetId: in.SubnetId}}
			})
			return err
		}, "InvalidParameterCombination", ""},
		{"no default VPC", func(c crew) error {
			v := must(c.DescribeVpcs(bg, &ec2.DescribeVpcsInput{})).Vpcs[0].VpcId
			for _, s := range must(c.DescribeSubnets(bg, &ec2.DescribeSubnetsInput{})).Subnets {
				must(c.DeleteSubnet(bg, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId}))
			}
			must(c.DeleteVpc(bg, &ec2.DeleteVpcInput{VpcId: v}))
			_, err := c.run()
			return err
		}, "VPCIdNotSpecified", ""},
		{"VPC with subnets", func(c crew) error {
			v := must(c.DescribeVpcs(bg, &ec2.DescribeVpcsInput{})).Vpcs[0].VpcId
			_, err := c.DeleteVpc(bg, &ec2.DeleteVpcInput{VpcId: v})
			return err
		}, "DependencyViolation", ""},
		{"user data of 16 KiB", func(c crew) error { return c.userData(16384) }, "", ""},
		{"user data of more", func(c crew) error { return c.userData(16385) }, "InvalidUserData.Malformed", "16384"},
		{"user data in plain text", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) { in.UserData = aws.String("#!/bin/sh") })
			return err
		}, "InvalidParameterValue", "BASE64"},
		{"volume smaller than the image", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) {
				in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(4)}}}
			})
			return err
		}, "InvalidBlockDeviceMapping", "8GB"},
		{"unknown profile", func(c crew) error { return c.withProfile("none") }, "InvalidParameterValue", "Invalid IAM Instance Profile name"},
		{"profile without a role", func(c crew) error {
			must(0, c.profile("p"))
			return c.withProfile("p")
		}, "InvalidParameterValue", "has no associated IAM Roles"},
		{"profile with a role", func(c crew) error {
			must(0, c.profile("p"))
			must(0, c.role("r"))
			must(0, c.addRole("p", "r"))
			return c.withProfile("p")
		}, "", ""},
		{"reserved tag", func(c crew) error {
			_, err := c.run(func(in *ec2.RunInstancesInput) {
				in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance,
					Tags: []types.Tag{{Key: aws.String("AWS:x"), Value: aws.String("y")}}}}
			})
			return err
		}, "InvalidParameterValue", "reserved"},
		{"51 tags", func(c crew) error {
			id := must(c.group("g"))
			var list []types.Tag
			for i := range 51 {
				list = append(list, types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String("")})
			}
			_, err := c.CreateTags(bg, &ec2.CreateTagsInput{Resources: []string{id}, Tags: list})
			return err
		}, "TagLimitExceeded", ""},
		{"tag on nothing", func(c crew) error {
			_, err := c.CreateTags(bg, &ec2.CreateTagsInput{Resources: []string{"i-1"}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
			return err
		}, "InvalidInstanceID.NotFound", ""},
		{"unknown filter", func(c crew) error {
			must(c.run())
			_, err := c.DescribeInstances(bg, &ec2.DescribeInstancesInput{Filters: by("colour", "red")})
			return err
		}, "InvalidParameterValue", "colour"},

		{"same token, other request", func(c crew) error {
			must(c.run(token("t")))
			_, err := c.run(token("t"), func(in *ec2.RunInstancesInput) { in.InstanceType = types.InstanceTypeT3Small })
			return err
		}, "IdempotentParameterMismatch", ""},
		{"token of a terminated instance", func(c crew) error {
			must(0, c.terminate(must(c.run(token("t")))))
			_, err := c.run(token("t"))
			return err
		}, "IdempotentInstanceTerminated", ""},
		{"a failed request does not use up its token", func(c crew) error {
			bad := func(in *ec2.RunInstancesInput) { in.KeyName = aws.String("none") }
			if _, err := c.run(token("t"), bad); err == nil {
				return nil
			}
			_, err := c.run(token("t"))
			return err
		}, "", ""},
		{"long token", func(c crew) error {
			_, err := c.run(token(strings.Repeat("t", 65)))
			return err
		}, "InvalidParameterValue", "clientToken"},

		{"terminate the unknown", func(c crew) error { return c.terminate("i-1") }, "InvalidInstanceID.NotFound", ""},
		{"terminate twice", func(c crew) error {
			id := must(c.run())
			must(0, c.terminate(id))
			return c.terminate(id)
		}, "", ""},
		{"terminate the protected", func(c crew) error {
			return c.terminate(must(c.run(func(in *ec2.RunInstancesInput) { in.DisableApiTermination = aws.Bool(true) })))
		}, "OperationNotPermitted", "disableApiTermination"},
		{"terminate the stop-protected", func(c crew) error {
			return c.terminate(must(c.run(func(in *ec2.RunInstancesInput) { in.DisableApiStop = aws.Bool(true) })))
		}, "OperationNotPermitted", "disableApiStop"},
		{"start the terminated", func(c crew) error {
			id := must(c.run())
			must(0, c.terminate(id))
			_, err := c.StartInstances(bg, &ec2.StartInstancesInput{InstanceIds: []string{id}})
			return err
		}, "IncorrectInstanceState", ""},
		{"type of a running instance", func(c crew) error {
			id := must(c.run())
			_, err := c.ModifyInstanceAttribute(bg, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, InstanceType: &types.AttributeValue{Value: aws.String("t3.small")}})
			return err
		}, "IncorrectInstanceState", "stopped"},
		{"two attributes at once", func(c crew) error {
			id, yes := must(c.run()), &types.AttributeBooleanValue{Value: aws.Bool(true)}
			_, err := c.ModifyInstanceAttribute(bg, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiStop: yes, DisableApiTermination: yes})
			return err
		}, "InvalidParameterCombination", ""},

		{"group name in another case", func(c crew) error {
			must(c.group("agent"))
			_, err := c.group("Agent")
			return err
		}, "InvalidGroup.Duplicate", ""},
		{"group name like an id", func(c crew) error { _, err := c.group("SG-agent"); return err }, "InvalidParameterValue", "sg-"},
		{"apostrophe in a description", func(c crew) error {
			_, err := c.CreateSecurityGroup(bg, &ec2.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("it's mine")})
			return err
		}, "InvalidParameterValue", "groupDescription"},
		{"group in an unknown VPC", func(c crew) error {
			_, err := c.CreateSecurityGroup(bg, &ec2.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("d"), VpcId: aws.String("vpc-1")})
			return err
		}, "InvalidVpcID.NotFound", ""},
		{"delete the default group", func(c crew) error { return c.deleteGroup(c.defaultGroup()) }, "CannotDelete", ""},
		{"delete an unknown group", func(c crew) error { return c.deleteGroup("sg-1") }, "InvalidGroup.NotFound", ""},
		{"delete a group with an interface", func(c crew) error {
			id := must(c.group("g"))
			must(c.run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{id} }))
			return c.deleteGroup(id)
		}, "DependencyViolation", ""},
		{"delete a group when its instance has gone", func(c crew) error {
			id := must(c.group("g"))
			must(0, c.terminate(must(c.run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{id} }))))
			return c.deleteGroup(id)
		}, "", ""},
		{"delete a group that a rule speaks of", func(c crew) error {
			id, other := must(c.group("g")), must(c.group("other"))
			must(0, c.authorize(other, []types.IpPermission{{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &id}}}}))
			return c.deleteGroup(id)
		}, "DependencyViolation", ""},
		{"the same rule in other words", func(c crew) error {
			id := must(c.group("g"))
			must(0, c.authorize(id, port(22, "203.0.113.9/24")))
			p := port(22, "203.0.113.0/24")
			p[0].IpRanges[0].Description = aws.String("another description")
			return c.authorize(id, p)
		}, "InvalidPermission.Duplicate", ""},
		{"the same IPv6 rule in other words", func(c crew) error {
			id := must(c.group("g"))
			must(0, c.authorize(id, port(22, "2001:DB8::0:1/128")))
			return c.authorize(id, port(22, "2001:db8::1/128"))
		}, "InvalidPermission.Duplicate", ""},
		{"revoke what is not there", func(c crew) error { return c.revoke(must(c.group("g")), port(22, "10.0.0.0/8")) }, "InvalidPermission.NotFound", ""},
		{"bad CIDR", func(c crew) error { return c.authorize(must(c.group("g")), port(22, "10.0.0.0/33")) }, "InvalidParameterValue", "malformed"},
		{"bad port", func(c crew) error { return c.authorize(must(c.group("g")), port(65536, "10.0.0.0/8")) }, "InvalidParameterValue", "port"},
		{"rule description with an apostrophe", func(c crew) error {
			p := port(22, "10.0.0.0/8")
			p[0].IpRanges[0].Description = aws.String("it's mine")
			return c.authorize(must(c.group("g")), p)
		}, "InvalidParameterValue", "description"},
		{"61 rules", func(c crew) error {
			id := must(c.group("g"))
			for i := range int32(60) {
				must(0, c.authorize(id, port(i+1, "10.0.0.0/8")))
			}
			return c.authorize(id, port(61, "10.0.0.0/8"))
		}, "RulesPerSecurityGroupLimitExceeded", ""},
		{"group of another VPC", func(c crew) error {
			v := must(c.CreateVpc(bg, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})).Vpc.VpcId
			g := must(c.CreateSecurityGroup(bg, &ec2.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("d"), VpcId: v})).GroupId
			_, err := c.run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{*g} })
			return err
		}, "InvalidParameter", "different networks"},

		{"key pair twice", func(c crew) error {
			must(0, c.key("k", ed25519Key))
			return c.key("k", ed25519Key)
		}, "InvalidKeyPair.Duplicate", ""},
		{"no key", func(c crew) error { return c.key("k", "ssh-rsa nonsense") }, "InvalidKey.Format", ""},
		{"ECDSA key", func(c crew) error { return c.key("k", ecdsaKey) }, "InvalidKey.Format", ""},
		{"unknown key pair", func(c crew) error {
			_, err := c.DescribeKeyPairs(bg, &ec2.DescribeKeyPairsInput{KeyNames: []string{"none"}})
			return err
		}, "InvalidKeyPair.NotFound", ""},
		{"delete an unknown key pair", func(c crew) error {
			_, err := c.DeleteKeyPair(bg, &ec2.DeleteKeyPairInput{KeyName: aws.String("none")})
			return err
		}, "", ""},
		{"unknown type described", func(c crew) error {
			_, err := c.DescribeInstanceTypes(bg, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t9.micro"}})
			return err
		}, "InvalidInstanceType", ""},
	} {
		t.Run(r.name, func(t *testing.T) {
			err := r.do(newCrew("us-east-1"))
			wantCode(t, err, r.code)
			if r.says != "" && (err == nil || !strings.Contains(err.Error(), r.says)) {
				t.Errorf("the message does not say %q: %v", r.says, err)
			}
		})
	}
}

const (
	ed25519Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUIYn1YGdJy3fjdeBmGYe5DfMoKVmiOnIoA96BiQV+3 a@b"
	ecdsaKey   = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGXm47tgyYs/I6FTwU7Yc7Jm6dF+4xK6gmnkqjEmcPpcbHjs35f12Yh9kz3y1D9t1eIhUoZpqCPh6Sa2kbiDKJQ= a@b"
)

func (c crew) key(name, text string) error {
	_, err := c.ImportKeyPair(bg, &ec2.ImportKeyPairInput{KeyName: &name, PublicKeyMaterial: []byte(text)})
	return err
}

func (c crew) userData(size int) error {
	_, err := c.run(func(in *ec2.RunInstancesInput) {
		in.UserData = aws.String(base64.StdEncoding.EncodeToString(make([]byte, size)))
	})
	return err
}

func (c crew) withProfile(name string) error {
	_, err := c.run(func(in *ec2.RunInstancesInput) {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: &name}
	})
	return err
}

func TestTokenFindsTheInstance(t *testing.T) {
	c := newCrew("us-east-1")
	first := must(c.run(token("t")))
	if again := must(c.run(token("t"))); again != first {
		t.Errorf("the same request has made %s beside %s", again, first)
	}
	if other := must(c.run(token("u"))); other == first {
		t.Error("another token has found the instance of the first")
	}
	// A token belongs to a zone.
	if b := must(c.run(token("t"), func(in *ec2.RunInstancesInput) { in.SubnetId = c.subnet("b") })); b == first {
		t.Error("the token of one zone has found its instance from another zone")
	}
}

// States change by themselves, and a terminated instance is shown for an hour.
func TestInstanceStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew("us-east-1")
		c.BootTime = 10 * time.Second
		id := must(c.run())
		see := func(want ...string) {
			t.Helper()
			for i, w := range want {
				if i > 0 {
					time.Sleep(c.BootTime)
				}
				if have := c.state(id); have != w {
					t.Fatalf("the instance is %s, want %s", have, w)
				}
			}
		}
		see("pending", "running")
		must(c.StopInstances(bg, &ec2.StopInstancesInput{InstanceIds: []string{id}}))
		see("stopping", "stopped")
		must(c.StartInstances(bg, &ec2.StartInstancesInput{InstanceIds: []string{id}}))
		see("pending", "running")
		must(0, c.terminate(id))
		see("shutting-down", "terminated")
		if ifaces := must(c.DescribeNetworkInterfaces(bg, &ec2.DescribeNetworkInterfacesInput{})); len(ifaces.NetworkInterfaces) > 0 {
			t.Error("a terminated instance has kept its interface")
		}
		time.Sleep(2 * time.Hour)
		see("InvalidInstanceID.NotFound")
		_, err := c.run(token("x"))
		wantCode(t, err, "")
	})
}

// EC2 learns of a profile, and of its role, later than IAM.
func TestProfileLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew("us-east-1")
		c.ProfileLag = 20 * time.Second
		must(0, c.profile("p"))
		must(0, c.role("r"))
		time.Sleep(15 * time.Second)
		must(0, c.addRole("p", "r"))
		if err := c.withProfile("p"); err == nil || !strings.Contains(err.Error(), "Invalid IAM Instance Profile name") {
			t.Errorf("after 15 s: %v", err)
		}
		time.Sleep(10 * time.Second)
		if err := c.withProfile("p"); err == nil || !strings.Contains(err.Error(), "has no associated IAM Roles") {
			t.Errorf("after 25 s: %v", err)
		}
		time.Sleep(10 * time.Second)
		wantCode(t, c.withProfile("p"), "")
	})
}

func TestRegionsDiffer(t *testing.T) {
	for region, want := range map[string]int{"us-east-1": 6, "us-west-2": 3, "eu-west-1": 3, "eu-north-1": 0} {
		c := newCrew(region)
		out := must(c.DescribeInstanceTypeOfferings(bg, &ec2.DescribeInstanceTypeOfferingsInput{
			LocationType: types.LocationTypeAvailabilityZone, Filters: by("instance-type", "t2.micro"),
		}))
		if have := len(out.InstanceTypeOfferings); have != want {
			t.Errorf("t2.micro is sold in %d zones of %s, want %d", have, region, want)
		}
	}
	free := must(newCrew("eu-north-1").DescribeInstanceTypes(bg, &ec2.DescribeInstanceTypesInput{Filters: by("free-tier-eligible", "true")}))
	if len(free.InstanceTypes) != 6 || *free.InstanceTypes[0].MemoryInfo.SizeInMiB == 0 {
		t.Errorf("free types: %+v", free.InstanceTypes)
	}
}

// What a fresh group, volume and interface look like.
func TestDefaults(t *testing.T) {
	c := newCrew("us-east-1")
	g := must(c.DescribeSecurityGroups(bg, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{must(c.group("g"))}})).SecurityGroups[0]
	if len(g.IpPermissions) != 0 || len(g.IpPermissionsEgress) != 1 || *g.IpPermissionsEgress[0].IpRanges[0].CidrIp != "0.0.0.0/0" {
		t.Errorf("a new group has %+v and %+v", g.IpPermissions, g.IpPermissionsEgress)
	}
	id := must(c.run(func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/sda1"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(20)}}}
	}))
	disks := must(c.DescribeVolumes(bg, &ec2.DescribeVolumesInput{Filters: by("attachment.instance-id", id)}))
	if len(disks.Volumes) != 2 {
		t.Errorf("a mapping that is not the root device's is a second volume: %+v", disks.Volumes)
	}
	must(0, c.terminate(id))
	if left := must(c.DescribeVolumes(bg, &ec2.DescribeVolumesInput{})); len(left.Volumes) != 1 || left.Volumes[0].State != types.VolumeStateAvailable {
		t.Errorf("the second volume outlives its instance: %+v", left.Volumes)
	}
}
