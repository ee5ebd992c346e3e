package resource_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

func TestTypeNotOffered(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(*testing.T, *agent)
		want  string
	}{
		{"region", func(_ *testing.T, e *agent) { e.region = "eu-north-1" },
			"t2.micro is not available in eu-north-1 → set agent.instance_type, for example to a type that is free for new accounts in this region: c7i-flex.large, m7i-flex.large, t3.micro, t3.small"},
		{"zone", func(t *testing.T, e *agent) {
			e.region = "us-west-2"
			e.subnets = []string{subnetOf(t, e, "us-west-2d")}
		},
			"t2.micro is available in us-west-2a, us-west-2b, us-west-2c, but the subnets are in other zones → set network.subnets or agent.instance_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newAgent(sandbox.New())
			c.setup(t, e)
			want := []provision.Note{{Severity: provision.Error, Text: c.want}}
			if a := e.plan(t); !slices.Equal(a.Notes, want) {
				t.Errorf("the plan notes %q", a.Notes)
			}
			g, _ := e.graph()
			if err := g.Up(t.Context()); err == nil || len(e.account.Writes()) > 0 {
				t.Errorf("up says %v, and has written %v", err, e.account.Writes())
			}
		})
	}
}

func subnetOf(t *testing.T, e *agent, zone string) string {
	t.Helper()
	out, err := e.ec2().DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []types.Filter{
		{Name: aws.String("availability-zone"), Values: []string{zone}},
	}})
	if err != nil || len(out.Subnets) != 1 {
		t.Fatalf("subnet of %s: %v, %v", zone, out, err)
	}
	return *out.Subnets[0].SubnetId
}

// A zone that has no capacity is passed over.
func TestNextZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, asked := newAgent(slow()), 0
		e.account.ProfileLag = 0 // a refused profile would begin again with the first zone
		e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
			if c.Operation == "RunInstances" {
				if asked++; asked == 1 {
					f.Refuse = &smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: &smithy.GenericAPIError{
						Code: "InsufficientInstanceCapacity", Message: "We currently do not have sufficient t2.micro capacity in the Availability Zone you requested",
					}}
				}
			}
			return f
		}
		if s := e.up(t); s.Zone != "us-east-1b" {
			t.Errorf("the agent is in %s, want the second zone", s.Zone)
		}
		e.wantInstances(t, 1, 0)
	})
}

func TestFreeTierAdvice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		e.account.Plan = "FREE"
		g, _ := e.graph()
		err := g.Up(t.Context())
		const advice = `set the type in the file: agent { instance_type = "t3.micro" }; the free plan includes c7i-flex.large, m7i-flex.large, t3.micro, t3.small`
		hinted, ok := errors.AsType[interface {
			error
			Hint() string
		}](err)
		if !ok || hinted.Hint() != advice || !strings.Contains(err.Error(), "The specified instance type is not eligible for Free Tier") {
			t.Errorf("up says %v", err)
		}
	})
}

func TestNewerImageIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		s := e.up(t)
		e.account.ImageRelease++
		a := e.plan(t)
		if a.Op != provision.None || len(a.Notes) != 1 || a.Notes[0].Severity != provision.Info || !strings.Contains(a.Notes[0].Text, s.ImageID) {
			t.Errorf("the plan says %v, notes %v", a.Op, a.Notes)
		}
	})
}

func TestLaunch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		s := e.up(t)
		if s.PublicIP == "" || s.Metadata != "on, token required, hop limit 1" || len(s.Groups) != 1 || s.Zone != "us-east-1a" {
			t.Errorf("the agent is %+v", s.EC2Instance)
		}
		if n := len(s.Launch); n == 0 || n > 256 {
			t.Errorf("the launch tag has %d characters", n)
		}
	})
}

// Everything that comes with the instance says whose it is, and goes with it.
func TestPartsOfAnInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		e.up(t)
		disks, err := e.ec2().DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
		if err != nil || len(disks.Volumes) != 1 {
			t.Fatalf("volumes: %v, %v", disks, err)
		}
		d := disks.Volumes[0]
		have := fmt.Sprintf("%d GiB %s at %s, encrypted %v, ends with it %v",
			*d.Size, d.VolumeType, *d.Attachments[0].Device, *d.Encrypted, *d.Attachments[0].DeleteOnTermination)
		if want := "16 GiB gp3 at /dev/xvda, encrypted true, ends with it true"; have != want {
			t.Errorf("the volume is %s, want %s", have, want)
		}
		ifaces, err := e.ec2().DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{})
		if err != nil || len(ifaces.NetworkInterfaces) != 1 {
			t.Fatalf("interfaces: %v, %v", ifaces, err)
		}
		ours := func(t types.Tag) bool { return *t.Key == resource.KeyEnvironment && *t.Value == "dev" }
		if !slices.ContainsFunc(d.Tags, ours) || !slices.ContainsFunc(ifaces.NetworkInterfaces[0].TagSet, ours) {
			t.Errorf("volume and interface have the tags %v and %v", d.Tags, ifaces.NetworkInterfaces[0].TagSet)
		}
	})
}
