package resource_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

func TestNetwork(t *testing.T) {
	a := sandbox.New()
	api := ec2.NewFromConfig(a.Config("us-east-1"))
	s, err := resource.Network{API: api, VPC: "default"}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Subnets) != 6 || s.Subnets[0].Zone != "us-east-1a" || s.Subnets[5].Zone != "us-east-1f" || !s.Subnets[0].Public {
		t.Errorf("the default VPC has %+v", s.Subnets)
	}
	if n := len(a.Calls()); n != 1 {
		t.Errorf("it took %d calls, want 1", n)
	}
	one, err := resource.Network{API: api, VPC: s.VPC, Subnets: []string{s.Subnets[3].ID}}.Read(t.Context())
	if err != nil || !slices.Equal(one.Subnets, s.Subnets[3:4]) {
		t.Errorf("one subnet by its id: %+v, %v", one, err)
	}
}

// If subnets do not assign public addresses, the route to an internet gateway decides.
func TestRoutedSubnets(t *testing.T) {
	api := ec2.NewFromConfig(sandbox.New().Config("us-east-1"))
	s, err := resource.Network{API: api, VPC: "default"}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range s.Subnets {
		if _, err := api.ModifySubnetAttribute(t.Context(), &ec2.ModifySubnetAttributeInput{
			SubnetId: &sub.ID, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(false)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if routed, err := (resource.Network{API: api, VPC: "default"}).Read(t.Context()); err != nil || len(routed.Subnets) != 6 {
		t.Errorf("by their routes: %+v, %v", routed, err)
	}
}

// Fargate runs in the zones of the region, and not at its edge.
func TestSubnetsAtTheEdge(t *testing.T) {
	api := ec2.NewFromConfig(sandbox.New().Config("us-west-2"))
	before, err := resource.Network{API: api, VPC: "default"}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{
		VpcId: &before.VPC, CidrBlock: aws.String("172.31.200.0/24"), AvailabilityZone: aws.String("us-west-2-lax-1a"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.ModifySubnetAttribute(t.Context(), &ec2.ModifySubnetAttributeInput{
		SubnetId: out.Subnet.SubnetId, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)},
	}); err != nil {
		t.Fatal(err)
	}
	after, err := resource.Network{API: api, VPC: "default"}.Read(t.Context())
	if err != nil || !slices.Equal(after.Subnets, before.Subnets) {
		t.Errorf("with a subnet in a local zone: %+v, %v", after.Subnets, err)
	}
	named, err := resource.Network{API: api, VPC: before.VPC, Subnets: []string{*out.Subnet.SubnetId}}.Read(t.Context())
	if err != nil || len(named.Subnets) != 1 {
		t.Errorf("by its id: %+v, %v", named.Subnets, err)
	}
}

func TestNetworkErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(*testing.T, *ec2.Client, *resource.Network)
		want  string
	}{
		{"unknown VPC", func(_ *testing.T, _ *ec2.Client, n *resource.Network) { n.VPC = "vpc-1" }, "VPC vpc-1 does not exist"},
		{"unknown subnet", func(_ *testing.T, _ *ec2.Client, n *resource.Network) { n.Subnets = []string{"subnet-1"} }, "has no subnet subnet-1"},
		{"no default VPC", func(t *testing.T, api *ec2.Client, _ *resource.Network) { deleteDefaultVPC(t, api) }, "the region's default VPC does not exist"},
		{"no public subnet", func(t *testing.T, api *ec2.Client, n *resource.Network) {
			v, err := api.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
			if err != nil {
				t.Fatal(err)
			}
			n.VPC = *v.Vpc.VpcId
			if _, err := api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &n.VPC, CidrBlock: aws.String("10.0.1.0/24")}); err != nil {
				t.Fatal(err)
			}
		}, "has no public subnet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := ec2.NewFromConfig(sandbox.New().Config("us-east-1"))
			n := resource.Network{API: api, VPC: "default"}
			c.setup(t, api, &n)
			if s, err := n.Read(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v; want an error with %q", s, err, c.want)
			}
		})
	}
}

func deleteDefaultVPC(t *testing.T, api *ec2.Client) {
	t.Helper()
	out, err := api.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range out.Subnets {
		if _, err := api.DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: s.SubnetId}); err != nil {
			t.Fatal(err)
		}
	}
	gateways, err := api.DescribeInternetGateways(t.Context(), &ec2.DescribeInternetGatewaysInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.DetachInternetGateway(t.Context(), &ec2.DetachInternetGatewayInput{
		InternetGatewayId: gateways.InternetGateways[0].InternetGatewayId, VpcId: out.Subnets[0].VpcId,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.DeleteVpc(t.Context(), &ec2.DeleteVpcInput{VpcId: out.Subnets[0].VpcId}); err != nil {
		t.Fatal(err)
	}
}

// Each image has the architecture of the type that is to run it.
func TestImage(t *testing.T) {
	a := sandbox.New()
	api := ec2.NewFromConfig(a.Config("us-east-1"))
	for _, c := range []struct{ image, kind, want string }{
		{"al2023", "t2.micro", "al2023-ami-kernel-default-x86_64"},
		{"al2023", "t4g.micro", "al2023-ami-kernel-default-arm64"},
		{"al2", "g4dn.xlarge", "amzn2-ami-kernel-5.10-hvm-x86_64-gp2"},
		{"al2", "c7gn.medium", "amzn2-ami-kernel-5.10-hvm-arm64-gp2"},
		{"al2023", "a1.medium", "al2023-ami-kernel-default-arm64"},
		{"al2023", "m7i-flex.large", "al2023-ami-kernel-default-x86_64"},
	} {
		s, err := resource.Image{SSM: ssm.NewFromConfig(a.Config("us-east-1")), Image: c.image, Type: c.kind}.Read(t.Context())
		if err != nil {
			t.Errorf("%s for %s: %v", c.image, c.kind, err)
			continue
		}
		out, err := api.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{s.ID}})
		if err != nil || *out.Images[0].Name != c.want {
			t.Errorf("%s for %s is %s, %v; want %s", c.image, c.kind, aws.ToString(out.Images[0].Name), err, c.want)
		}
	}
	before := len(a.Calls())
	if s, err := (resource.Image{Image: "ami-0123"}).Read(t.Context()); err != nil || s.ID != "ami-0123" || len(a.Calls()) > before {
		t.Errorf("an image by its id: %+v, %v, %d calls", s, err, len(a.Calls())-before)
	}
}

// TestExistingGroups: a group that does not exist, or is in another VPC, is named.
func TestExistingGroups(t *testing.T) {
	api := ec2.NewFromConfig(sandbox.New().Config("us-east-1"))
	out, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	id, vpc := aws.ToString(out.SecurityGroups[0].GroupId), aws.ToString(out.SecurityGroups[0].VpcId)
	for _, c := range []struct {
		groups    []string
		vpc, want string
	}{
		{[]string{id}, vpc, ""},
		{[]string{id, "sg-0a1b2c3d", "sg-0a1b2c3e"}, vpc, "security group sg-0a1b2c3d, sg-0a1b2c3e does not exist → correct network.security_groups"},
		{[]string{id}, "vpc-0a1b2c3d", id + " is in " + vpc + ", and the subnets are in vpc-0a1b2c3d"},
	} {
		_, err := resource.ExistingGroups{API: api, IDs: c.groups, Network: provision.Known(resource.NetworkState{VPC: c.vpc})}.Read(t.Context())
		if said := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(said, c.want) {
			t.Errorf("%v in %s: have %v, want %q", c.groups, c.vpc, err, c.want)
		}
	}
}

// TestPublicIP: the file decides on public addresses, as far as the routes allow it.
func TestPublicIP(t *testing.T) {
	api := ec2.NewFromConfig(sandbox.New().Config("us-east-1"))
	for _, want := range []bool{true, false} {
		s, err := resource.Network{API: api, VPC: "default", PublicIP: &want}.Read(t.Context())
		if err != nil || s.Subnets[0].Public != want || s.CutOff == want || s.Private == want {
			t.Errorf("public_ip = %t: %+v, %v", want, s, err)
		}
	}
	s, err := resource.Network{API: api, VPC: "default"}.Read(t.Context())
	if err != nil || s.Private || s.CutOff {
		t.Errorf("by default: %+v, %v", s, err)
	}
}
