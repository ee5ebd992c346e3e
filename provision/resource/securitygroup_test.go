package resource_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// sshGroup is an environment that is a security group open to one range.
type sshGroup struct {
	account *sandbox.Account
	caller  string
	vpc     string
}

func (e sshGroup) api() *ec2.Client { return ec2.NewFromConfig(e.account.Config("us-east-1")) }

func (e sshGroup) graph() (*provision.Graph, provision.Ref[resource.SecurityGroupState]) {
	id := resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "1.0.0"}
	g := &provision.Graph{Owner: id.Owner(), Retry: awserr.Retry}
	network := provision.Data(g, "network", resource.Network{API: e.api(), VPC: e.vpc})
	return g, provision.Add(g, "group", provision.Own, resource.SecurityGroup{
		API: e.api(), ID: id, Name: "flowbed-dev-agent", Description: "The agent", Network: network,
		Caller: provision.Known(netip.MustParsePrefix(e.caller)),
	})
}

func (e sshGroup) up(t *testing.T) resource.SecurityGroupState {
	t.Helper()
	g, ref := e.graph()
	if err := g.Up(t.Context()); err != nil {
		t.Fatalf("up: %v", err)
	}
	s, _ := ref.Get()
	return s
}

func (e sshGroup) plan(t *testing.T) provision.Action {
	t.Helper()
	g, _ := e.graph()
	p, err := g.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return action(t, p, "group")
}

func TestRangesAreWrittenAsEC2DoesIt(t *testing.T) {
	for given, want := range map[string]string{
		"203.0.113.9/24":        "203.0.113.0/24",
		"203.0.113.9/32":        "203.0.113.9/32",
		"2001:DB8:0:0::1/64":    "2001:db8::/64",
		"2001:db8:0:0:0::7/128": "2001:db8::7/128",
	} {
		t.Run(given, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := sshGroup{account: sandbox.New(), caller: given, vpc: "default"}
				if a := e.plan(t); !slices.ContainsFunc(a.Changes, func(c provision.Change) bool {
					return c.Field == "ingress" && c.To.String() == "tcp 22, "+want+" (SSH)"
				}) {
					t.Errorf("the plan does not show %s: %+v", want, a.Changes)
				}
				s := e.up(t)
				if wanted := []resource.Rule{{Protocol: "tcp", From: 22, To: 22, Peer: want, Description: "SSH"}}; !slices.Equal(s.Rules, wanted) {
					t.Errorf("the group has %v", s.Rules)
				}
				if a := e.plan(t); a.Op != provision.None {
					t.Errorf("after up the plan has %+v", a.Changes)
				}
			})
		})
	}
}

// When the caller's address has moved, the new rule comes first.
func TestMovedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := sshGroup{account: sandbox.New(), caller: "203.0.113.9/32", vpc: "default"}
		e.up(t)
		e.caller = "2001:db8::7/128"
		before := len(e.account.Writes())
		s := e.up(t)
		var ops []string
		for _, c := range e.account.Writes()[before:] {
			ops = append(ops, c.Operation)
		}
		if want := []string{"AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"}; !slices.Equal(ops, want) {
			t.Errorf("up wrote %v, want %v", ops, want)
		}
		if len(s.Rules) != 1 || s.Rules[0].Peer != "2001:db8::7/128" {
			t.Errorf("the group has %v", s.Rules)
		}
	})
}

// A name is unique in a VPC: a group of others with our name in another VPC is none of our business.
func TestSameNameInAnotherVPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := sshGroup{account: sandbox.New(), caller: "203.0.113.9/32", vpc: "default"}
		vpc, err := e.api().CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
		if err != nil {
			t.Fatal(err)
		}
		other, err := e.api().CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
			VpcId: vpc.Vpc.VpcId, GroupName: aws.String("flowbed-dev-agent"), Description: aws.String("of others")})
		if err != nil {
			t.Fatal(err)
		}
		if a := e.plan(t); a.Op != provision.Create {
			t.Errorf("the plan has %v, want a create", a.Op)
		}
		if s := e.up(t); s.ID == *other.GroupId || s.VPC == *vpc.Vpc.VpcId {
			t.Errorf("up made %+v, want a group of our own in the default VPC", s)
		}
	})
}

// An inbound rule that was added outside flowbed is removed, whatever its source.
func TestForeignRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := sshGroup{account: sandbox.New(), caller: "203.0.113.9/32", vpc: "default"}
		s := e.up(t)
		_, err := e.api().AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
			GroupId: &s.ID, IpPermissions: []types.IpPermission{
				{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22),
					IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}, Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}},
				{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &s.ID}}},
				{IpProtocol: aws.String("udp"), FromPort: aws.Int32(1), ToPort: aws.Int32(9), IpRanges: []types.IpRange{{CidrIp: aws.String("10.0.0.0/8")}}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		var foreign []string
		for _, c := range e.plan(t).Changes {
			if !c.To.IsNothing() {
				t.Errorf("the plan has %s: %s → %s", c.Field, c.From, c.To)
			}
			foreign = append(foreign, c.From.String())
		}
		want := []string{"all traffic, " + s.ID, "tcp 22, 0.0.0.0/0", "tcp 22, ::/0", "udp 1-9, 10.0.0.0/8"}
		if !slices.Equal(foreign, want) {
			t.Errorf("the plan takes out %q, want %q", foreign, want)
		}
		if s := e.up(t); len(s.Rules) != 1 {
			t.Errorf("the group has %v", s.Rules)
		}
	})
}

// A group of a peered network that is another account's is named together with
// its account, or EC2 does not find it.
func TestRuleForAGroupOfAnotherAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := sshGroup{account: sandbox.New(), caller: "203.0.113.7/32", vpc: "default"}
		s := e.up(t)
		if _, err := e.api().AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
			GroupId: &s.ID, IpPermissions: []types.IpPermission{{
				IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22),
				UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: aws.String("sg-0123"), UserId: aws.String("210987654321")}},
			}},
		}); err != nil {
			t.Fatal(err)
		}
		a := e.plan(t)
		if len(a.Changes) != 1 || a.Changes[0].From.String() != "tcp 22, 210987654321/sg-0123" {
			t.Errorf("the plan says %+v", a.Changes)
		}
		if s = e.up(t); len(s.Rules) != 1 {
			t.Errorf("the group has %v", s.Rules)
		}
	})
}

func TestGroupDoesNotMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := sshGroup{account: sandbox.New(), caller: "203.0.113.9/32", vpc: "default"}
		s := e.up(t)
		e.vpc = anotherVPC(t, e.api())
		a := e.plan(t)
		want := s.ID + " is in " + s.VPC + ", but the config file selects " + e.vpc
		if len(a.Notes) != 1 || a.Notes[0].Severity != provision.Error || !strings.HasPrefix(a.Notes[0].Text, want) {
			t.Errorf("the plan notes %v", a.Notes)
		}
	})
}

// anotherVPC creates a VPC with one subnet that assigns public addresses.
func anotherVPC(t *testing.T, api *ec2.Client) string {
	t.Helper()
	v, err := api.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: aws.String("10.0.1.0/24")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.ModifySubnetAttribute(t.Context(), &ec2.ModifySubnetAttributeInput{
		SubnetId: s.Subnet.SubnetId, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)},
	}); err != nil {
		t.Fatal(err)
	}
	return *v.Vpc.VpcId
}
