package ec2_test

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/test/try"
)

// client is a try.User that also makes EC2 calls.
type client struct {
	try.User
	*ec2.Client
	region string
}

func newClient(region string) client {
	h := try.New(region)
	return client{h, ec2.NewFromConfig(h.Config(region)), region}
}

var bg = context.Background()

func (c client) image(part string) *string {
	out := try.Must(c.DescribeImages(bg, &ec2.DescribeImagesInput{}))
	i := slices.IndexFunc(out.Images, func(i types.Image) bool { return strings.Contains(*i.Name, part) })
	return out.Images[i].ImageId
}

func (c client) subnet(zone string) *string {
	out := try.Must(c.DescribeSubnets(bg, &ec2.DescribeSubnetsInput{Filters: by("availability-zone", c.region+zone)}))
	return out.Subnets[0].SubnetId
}

func by(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

// run starts a t3.micro, unless change sets another type.
func (c client) run(change ...func(*ec2.RunInstancesInput)) (string, error) {
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

func (c client) state(id string) string {
	out, err := c.DescribeInstances(bg, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return core.CodeOf(err)
	}
	return string(out.Reservations[0].Instances[0].State.Name)
}

func (c client) terminate(ids ...string) error {
	_, err := c.TerminateInstances(bg, &ec2.TerminateInstancesInput{InstanceIds: ids})
	return err
}

func token(s string) func(*ec2.RunInstancesInput) {
	return func(in *ec2.RunInstancesInput) { in.ClientToken = &s }
}

// ruleTest is a test of one AWS rule that the sandbox enforces.
type ruleTest struct {
	name string
	do   func(client) error
	code string // empty if the call succeeds
	says string // part of the message
}

func TestRules(t *testing.T) {
	for _, rules := range [][]ruleTest{launchRules, instanceRules, groupRules, keyRules} {
		for _, r := range rules {
			t.Run(r.name, func(t *testing.T) {
				err := r.do(newClient("us-east-1"))
				try.WantCode(t, err, r.code)
				if r.says != "" && (err == nil || !strings.Contains(err.Error(), r.says)) {
					t.Errorf("have message %v, want one that contains %q", err, r.says)
				}
			})
		}
	}
}

func (c client) userData(size int) error {
	_, err := c.run(func(in *ec2.RunInstancesInput) {
		in.UserData = aws.String(base64.StdEncoding.EncodeToString(make([]byte, size)))
	})
	return err
}

func (c client) withProfile(name string) error {
	_, err := c.run(func(in *ec2.RunInstancesInput) {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: &name}
	})
	return err
}

func TestTokenFindsTheInstance(t *testing.T) {
	c := newClient("us-east-1")
	first := try.Must(c.run(token("t")))
	if again := try.Must(c.run(token("t"))); again != first {
		t.Errorf("the repeated request returned %s, want %s", again, first)
	}
	if other := try.Must(c.run(token("u"))); other == first {
		t.Errorf("a request with another token returned %s, want a new instance", first)
	}
	// A client token is valid in one zone.
	if b := try.Must(c.run(token("t"), func(in *ec2.RunInstancesInput) { in.SubnetId = c.subnet("b") })); b == first {
		t.Errorf("the same token in another zone returned %s, want a new instance", first)
	}
}

// States change over time, and EC2 shows a terminated instance for an hour.
func TestInstanceStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient("us-east-1")
		c.BootTime = 10 * time.Second
		id := try.Must(c.run())
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
		try.Must(c.StopInstances(bg, &ec2.StopInstancesInput{InstanceIds: []string{id}}))
		see("stopping", "stopped")
		try.Must(c.StartInstances(bg, &ec2.StartInstancesInput{InstanceIds: []string{id}}))
		see("pending", "running")
		try.Must(0, c.terminate(id))
		see("shutting-down", "terminated")
		if ifaces := try.Must(c.DescribeNetworkInterfaces(bg, &ec2.DescribeNetworkInterfacesInput{})); len(ifaces.NetworkInterfaces) > 0 {
			t.Error("a terminated instance still has its interface")
		}
		time.Sleep(2 * time.Hour)
		see("InvalidInstanceID.NotFound")
		_, err := c.run(token("x"))
		try.WantCode(t, err, "")
	})
}

// EC2 sees a new profile, and its role, later than IAM does.
func TestProfileLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient("us-east-1")
		c.ProfileLag = 20 * time.Second
		try.Must(0, c.Profile("p"))
		try.Must(0, c.Role("r"))
		time.Sleep(15 * time.Second)
		try.Must(0, c.AddRole("p", "r"))
		if err := c.withProfile("p"); err == nil || !strings.Contains(err.Error(), "Invalid IAM Instance Profile name") {
			t.Errorf("after 15 s: have %v, want an invalid profile name", err)
		}
		time.Sleep(10 * time.Second)
		if err := c.withProfile("p"); err == nil || !strings.Contains(err.Error(), "has no associated IAM Roles") {
			t.Errorf("after 25 s: have %v, want a profile without a role", err)
		}
		time.Sleep(10 * time.Second)
		try.WantCode(t, c.withProfile("p"), "")
	})
}

func TestRegionsDiffer(t *testing.T) {
	for region, want := range map[string]int{"us-east-1": 6, "us-west-2": 3, "eu-west-1": 3, "eu-north-1": 0} {
		c := newClient(region)
		out := try.Must(c.DescribeInstanceTypeOfferings(bg, &ec2.DescribeInstanceTypeOfferingsInput{
			LocationType: types.LocationTypeAvailabilityZone, Filters: by("instance-type", "t2.micro"),
		}))
		if have := len(out.InstanceTypeOfferings); have != want {
			t.Errorf("t2.micro is offered in %d zones of %s, want %d", have, region, want)
		}
	}
	free := try.Must(newClient("eu-north-1").DescribeInstanceTypes(bg, &ec2.DescribeInstanceTypesInput{Filters: by("free-tier-eligible", "true")}))
	if len(free.InstanceTypes) != 6 || *free.InstanceTypes[0].MemoryInfo.SizeInMiB == 0 {
		t.Errorf("free types: %+v", free.InstanceTypes)
	}
}

// TestDefaults checks the settings of a new group, volume and interface.
func TestDefaults(t *testing.T) {
	c := newClient("us-east-1")
	g := try.Must(c.DescribeSecurityGroups(bg, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{try.Must(c.group("g"))}})).SecurityGroups[0]
	if len(g.IpPermissions) != 0 || len(g.IpPermissionsEgress) != 1 || *g.IpPermissionsEgress[0].IpRanges[0].CidrIp != "0.0.0.0/0" {
		t.Errorf("a new group has %+v and %+v", g.IpPermissions, g.IpPermissionsEgress)
	}
	id := try.Must(c.run(func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/sda1"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(20)}}}
	}))
	disks := try.Must(c.DescribeVolumes(bg, &ec2.DescribeVolumesInput{Filters: by("attachment.instance-id", id)}))
	if len(disks.Volumes) != 2 {
		t.Errorf("a mapping that is not the root device's is a second volume: %+v", disks.Volumes)
	}
	try.Must(0, c.terminate(id))
	if left := try.Must(c.DescribeVolumes(bg, &ec2.DescribeVolumesInput{})); len(left.Volumes) != 1 || left.Volumes[0].State != types.VolumeStateAvailable {
		t.Errorf("the second volume outlives its instance: %+v", left.Volumes)
	}
}
