package resource_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// apart is an environment with a VPC of its own, and nothing else.
type apart struct {
	account *sandbox.Account
	region  string
	kind    string // of the agent's instance
	cidr    string
	zones   int
}

func newApart() apart {
	return apart{account: sandbox.New(), region: "us-east-1", kind: "t3.micro", cidr: "10.42.0.0/16", zones: 2}
}

func (e apart) api() *ec2.Client { return ec2.NewFromConfig(e.account.Config(e.region)) }

func (e apart) identity() resource.Identity {
	return resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: e.region, Partition: "aws", Version: "1.0.0"}
}

func (e apart) graph() (*provision.Graph, resource.OwnNetwork) {
	api, id, name := e.api(), e.identity(), "flowbed-dev"
	g := &provision.Graph{Owner: id.Owner(), Retry: awserr.Retry}
	cidr := netip.MustParsePrefix(e.cidr)
	n := resource.OwnNetwork{}
	n.VPC = provision.Add(g, "vpc", provision.Own, resource.VPC{API: api, ID: id, Name: name, CIDR: cidr, Made: new(resource.Launched)})
	zones := provision.OnDemand(g, "zones", resource.Zones{API: api, ID: id, Type: e.kind})
	n.Subnets = provision.Add(g, "subnets", provision.Own, resource.Subnets{API: api, ID: id, Name: name, VPC: n.VPC, CIDR: cidr, Zones: zones, Count: e.zones})
	gateway := provision.Add(g, "internet gateway", provision.Own, resource.InternetGateway{API: api, ID: id, Name: name, VPC: n.VPC, Made: new(resource.Launched)})
	n.Routes = provision.Add(g, "route tables", provision.Own, resource.RouteTables{
		API: api, ID: id, Name: name, VPC: n.VPC, Subnets: n.Subnets, Gateway: gateway, Made: new(resource.Launched)})
	return g, n
}

func (e apart) up(t *testing.T) resource.NetworkState {
	t.Helper()
	g, n := e.graph()
	if err := g.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, ok := n.Get()
	if !ok {
		t.Fatal("after up the network is not known")
	}
	return s
}

func (e apart) plan(t *testing.T) provision.Plan {
	t.Helper()
	g, _ := e.graph()
	p, err := g.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (e apart) tags() (list []types.Tag) {
	for k, v := range e.identity().Tags("flowbed-dev") {
		list = append(list, types.Tag{Key: &k, Value: &v})
	}
	return list
}

// second creates another VPC with the environment's tags.
func (e apart) second(t *testing.T) string {
	t.Helper()
	v, err := e.api().CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.42.0.0/16"),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpc, Tags: e.tags()}}})
	if err != nil {
		t.Fatal(err)
	}
	return *v.Vpc.VpcId
}

func (e apart) must(t *testing.T, _ any, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Two VPCs with our tags and something in them: nobody can tell which one is ours.
func TestSeveralVPCs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		first := e.up(t).VPC
		other := e.second(t)
		_, err := e.api().CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &other, CidrBlock: aws.String("10.42.0.0/20")})
		e.must(t, nil, err)
		said := first + ", " + other + " have the tags of this environment and something in them"
		before := len(e.account.Writes())
		g, _ := e.graph()
		wantError(t, g.Up(t.Context()), said)
		g, _ = e.graph()
		left, err := g.Down(t.Context())
		if a := action(t, left, "vpc"); err != nil || a.Op != provision.Leave || !strings.Contains(a.Owner.Leave, said) {
			t.Errorf("down: %v, left %+v, want %q", err, a, said)
		}
		if n := len(e.account.Writes()); n > before {
			t.Errorf("up and down have written %v", e.account.Writes()[before:])
		}
	})
}

// Down also deletes an empty VPC beside the one in use.
func TestDownOfSecondVPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		e.up(t)
		e.second(t)
		g, _ := e.graph()
		if left, err := g.Down(t.Context()); err != nil || !left.Empty() {
			t.Errorf("down: %v, left %+v", err, left)
		}
		out, err := e.api().DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
		if err != nil || len(out.Vpcs) != 1 {
			t.Errorf("%d VPCs are left, %v; want the default VPC", len(out.Vpcs), err)
		}
	})
}

// What others have in the VPC is named before anything is gone.
func TestVPCObstacles(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*testing.T, apart, resource.NetworkState) string
		want string // in the error, with THEIRS and VPC for the ids
	}{
		{"a group", func(t *testing.T, e apart, n resource.NetworkState) string {
			out, err := e.api().CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("db"), Description: aws.String("x"), VpcId: &n.VPC})
			e.must(t, nil, err)
			return *out.GroupId
		}, "VPC cannot be deleted while the security group THEIRS (db) is in it → delete it (aws ec2 delete-security-group --region us-east-1 --group-id THEIRS)"},
		{"a subnet", func(t *testing.T, e apart, n resource.NetworkState) string {
			out, err := e.api().CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &n.VPC, CidrBlock: aws.String("10.42.240.0/24")})
			e.must(t, nil, err)
			return *out.Subnet.SubnetId
		}, "VPC cannot be deleted while the subnet THEIRS (10.42.240.0/24) is in it → "},
		{"a route table", func(t *testing.T, e apart, n resource.NetworkState) string {
			out, err := e.api().CreateRouteTable(t.Context(), &ec2.CreateRouteTableInput{VpcId: &n.VPC})
			e.must(t, nil, err)
			return *out.RouteTable.RouteTableId
		}, "VPC cannot be deleted while the route table THEIRS is in it → "},
		{"an interface", func(t *testing.T, e apart, n resource.NetworkState) string {
			out, err := e.api().CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &n.Subnets[0].ID, Description: aws.String("EFS mount target")})
			e.must(t, nil, err)
			return *out.NetworkInterface.NetworkInterfaceId
		}, "VPC cannot be deleted while the network interface THEIRS (EFS mount target) is in it → "},
		{"a network ACL", func(t *testing.T, e apart, n resource.NetworkState) string {
			out, err := e.api().CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: &n.VPC})
			e.must(t, nil, err)
			return *out.NetworkAcl.NetworkAclId
		}, "VPC cannot be deleted while the network ACL THEIRS is in it → delete it (aws ec2 delete-network-acl --region us-east-1 --network-acl-id THEIRS)"},
		{"a network ACL of our subnets", func(t *testing.T, e apart, n resource.NetworkState) string {
			out, err := e.api().CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: &n.VPC})
			e.must(t, nil, err)
			all, err := e.api().DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{
				{Name: aws.String("vpc-id"), Values: []string{n.VPC}}, {Name: aws.String("default"), Values: []string{"true"}}}})
			e.must(t, nil, err)
			_, err = e.api().ReplaceNetworkAclAssociation(t.Context(), &ec2.ReplaceNetworkAclAssociationInput{
				NetworkAclId: out.NetworkAcl.NetworkAclId, AssociationId: all.NetworkAcls[0].Associations[0].NetworkAclAssociationId})
			e.must(t, nil, err)
			return *out.NetworkAcl.NetworkAclId
		}, "VPC cannot be deleted while the network ACL THEIRS is in it → delete it (aws ec2 replace-network-acl-association --region us-east-1 --association-id aclassoc-"},
		{"an egress-only gateway", func(t *testing.T, e apart, n resource.NetworkState) string {
			out, err := e.api().CreateEgressOnlyInternetGateway(t.Context(), &ec2.CreateEgressOnlyInternetGatewayInput{VpcId: &n.VPC})
			e.must(t, nil, err)
			return *out.EgressOnlyInternetGateway.EgressOnlyInternetGatewayId
		}, "VPC cannot be deleted while the egress-only internet gateway THEIRS is in it → delete it (aws ec2 delete-egress-only-internet-gateway --region us-east-1 --egress-only-internet-gateway-id THEIRS)"},
		{"a VPN gateway", func(t *testing.T, e apart, n resource.NetworkState) string {
			out, err := e.api().CreateVpnGateway(t.Context(), &ec2.CreateVpnGatewayInput{Type: types.GatewayTypeIpsec1})
			e.must(t, nil, err)
			_, err = e.api().AttachVpnGateway(t.Context(), &ec2.AttachVpnGatewayInput{VpnGatewayId: out.VpnGateway.VpnGatewayId, VpcId: &n.VPC})
			e.must(t, nil, err)
			return *out.VpnGateway.VpnGatewayId
		}, "VPC cannot be deleted while the VPN gateway THEIRS is in it → delete it (aws ec2 detach-vpn-gateway --region us-east-1 --vpn-gateway-id THEIRS --vpc-id VPC)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newApart()
				n := e.up(t)
				theirs := c.make(t, e, n)
				before := len(e.account.Writes())
				g, _ := e.graph()
				_, err := g.Down(t.Context())
				wantError(t, err, strings.NewReplacer("THEIRS", theirs, "VPC", n.VPC).Replace(c.want))
				if n := len(e.account.Writes()); n > before {
					t.Errorf("down has written before it stopped: %v", e.account.Writes()[before:])
				}
			})
		})
	}
}

// A VPN gateway that somebody detached holds nothing.
func TestDetachedVPN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		n := e.up(t)
		out, err := e.api().CreateVpnGateway(t.Context(), &ec2.CreateVpnGatewayInput{Type: types.GatewayTypeIpsec1})
		e.must(t, nil, err)
		_, err = e.api().AttachVpnGateway(t.Context(), &ec2.AttachVpnGatewayInput{VpnGatewayId: out.VpnGateway.VpnGatewayId, VpcId: &n.VPC})
		e.must(t, nil, err)
		_, err = e.api().DetachVpnGateway(t.Context(), &ec2.DetachVpnGatewayInput{VpnGatewayId: out.VpnGateway.VpnGatewayId, VpcId: &n.VPC})
		e.must(t, nil, err)
		g, _ := e.graph()
		if left, err := g.Down(t.Context()); err != nil || !left.Empty() {
			t.Errorf("down: %v, left %+v", err, left)
		}
	})
}

// GuardDuty's group and interface hold the VPC until somebody deletes them: that must wait for the
// tasks, so the plan only warns, and down says at the end what it waits for.
func TestGuardDuty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		n := e.up(t)
		group, err := e.api().CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
			GroupName: aws.String("GuardDutyManagedSecurityGroup-" + n.VPC), Description: aws.String("Associated with VPC-" + n.VPC + " and tagged as GuardDutyManaged"), VpcId: &n.VPC})
		e.must(t, nil, err)
		face, err := e.api().CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{
			SubnetId: &n.Subnets[0].ID, Description: aws.String("VPC Endpoint Interface vpce-0123456789abcdef0"), Groups: []string{*group.GroupId}})
		e.must(t, nil, err)
		g, _ := e.graph()
		p, err := g.PlanDown(t.Context())
		if err != nil || p.Err() != nil {
			t.Fatal(err, p.Err())
		}
		if notes := action(t, p, "vpc").Notes; len(notes) != 2 || !strings.Contains(notes[0].Text, "Amazon GuardDuty put it there") {
			t.Errorf("the plan notes %+v", notes)
		}
		begun := time.Now()
		_, err = g.Down(context.WithoutCancel(t.Context()))
		wantError(t, err, *face.NetworkInterface.NetworkInterfaceId, "vpce-0123456789abcdef0", "Amazon GuardDuty put it there")
		if d := time.Since(begun); d < 15*time.Minute {
			t.Errorf("down gave up after %v, want 15 minutes", d)
		}
		_, err = e.api().DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: face.NetworkInterface.NetworkInterfaceId})
		e.must(t, nil, err)
		_, err = e.api().DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: group.GroupId})
		e.must(t, nil, err)
		g, _ = e.graph()
		if left, err := g.Down(t.Context()); err != nil || !left.Empty() {
			t.Errorf("the next down: %v, left %+v", err, left)
		}
	})
}

// Subnets are in zones with Fargate and the instance type.
func TestZonesOfNewVPC(t *testing.T) {
	for _, c := range []struct {
		region, kind string
		zones        int
		want         string // their zones, or the error
	}{
		{"eu-central-1", "t3.micro", 2, "eu-central-1a eu-central-1b"},
		{"us-west-1", "t3.micro", 2, "us-west-1a us-west-1c"}, // usw1-az2 has no Fargate
		{"ap-northeast-1", "t3.micro", 3, "network.zones is 3, but only 2 zones"},
		{"us-west-2", "t2.micro", 4, "network.zones is 4, but only 3 zones of the region have Fargate and the agent's instance type (us-west-2a, us-west-2b, us-west-2c)"},
		{"us-east-1", "", 6, "us-east-1a us-east-1b us-east-1c us-east-1d us-east-1e us-east-1f"},
	} {
		t.Run(c.region, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newApart()
				e.region, e.kind, e.zones = c.region, c.kind, c.zones
				if err := e.plan(t).Err(); err != nil {
					wantError(t, err, c.want)
					return
				}
				var zones []string
				for _, s := range e.up(t).Subnets {
					zones = append(zones, s.Zone)
				}
				if have := strings.Join(zones, " "); have != c.want {
					t.Errorf("the subnets are in %s, want %s", have, c.want)
				}
			})
		})
	}
}

// A plan shows the ranges and the zones before anything exists.
func TestRangesOfSubnets(t *testing.T) {
	for cidr, want := range map[string]string{
		"10.42.0.0/16":     "10.42.0.0/20 in us-east-1a, public; 10.42.16.0/20 in us-east-1b, public; 10.42.32.0/20 in us-east-1c, public",
		"192.168.255.0/24": "192.168.255.0/28 in us-east-1a, public; 192.168.255.16/28 in us-east-1b, public; 192.168.255.32/28 in us-east-1c, public",
		"172.31.254.0/23":  "172.31.254.0/27 in us-east-1a, public; 172.31.254.32/27 in us-east-1b, public; 172.31.254.64/27 in us-east-1c, public",
	} {
		e := newApart()
		e.cidr, e.zones = cidr, 3
		var have []string
		for _, c := range action(t, e.plan(t), "subnets").Changes {
			have = append(have, c.To.String())
		}
		if s := strings.Join(have, "; "); s != want {
			t.Errorf("%s: the plan has %s, want %s", cidr, s, want)
		}
	}
}

// A change that EC2 refuses, or that another's subnet prevents, stops up.
func TestUnchangeableVPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		n := e.up(t)
		other := e
		other.cidr = "10.43.0.0/16"
		wantError(t, other.plan(t).Err(), n.VPC+" has the range 10.42.0.0/16, which EC2 cannot change", "set network.cidr to 10.42.0.0/16")
		out, err := e.api().CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &n.VPC, CidrBlock: aws.String("10.42.33.0/24")})
		e.must(t, nil, err)
		e.zones = 3
		wantError(t, e.plan(t).Err(), "the subnet "+*out.Subnet.SubnetId+" (10.42.33.0/24), which was created outside flowbed, has a part of the range 10.42.32.0/20")
	})
}

// More zones add subnets. Fewer leave them.
func TestNumberOfZones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		before := e.up(t)
		e.zones = 3
		after := e.up(t)
		if len(after.Subnets) != 3 || !slices.Equal(after.Subnets[:2], before.Subnets) {
			t.Errorf("with a third zone: %+v, want one more than %+v", after.Subnets, before.Subnets)
		}
		e.zones = 1
		if p := e.plan(t); !p.Empty() || len(action(t, p, "subnets").Notes) != 2 {
			t.Errorf("with one zone: %+v", p)
		}
	})
}

// A gateway that somebody detached is attached again, and a route to one that is gone replaced.
func TestWayOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		n := e.up(t)
		filters := []types.Filter{{Name: aws.String("attachment.vpc-id"), Values: []string{n.VPC}}}
		out, err := e.api().DescribeInternetGateways(t.Context(), &ec2.DescribeInternetGatewaysInput{Filters: filters})
		e.must(t, nil, err)
		id := out.InternetGateways[0].InternetGatewayId
		_, err = e.api().DetachInternetGateway(t.Context(), &ec2.DetachInternetGatewayInput{InternetGatewayId: id, VpcId: &n.VPC})
		e.must(t, nil, err)
		if c := action(t, e.plan(t), "internet gateway").Changes; len(c) != 1 || c[0].Field != "vpc" || c[0].To.String() != n.VPC {
			t.Errorf("detached: the plan has %+v", c)
		}
		e.up(t)
		_, err = e.api().DetachInternetGateway(t.Context(), &ec2.DetachInternetGatewayInput{InternetGatewayId: id, VpcId: &n.VPC})
		e.must(t, nil, err)
		_, err = e.api().DeleteInternetGateway(t.Context(), &ec2.DeleteInternetGatewayInput{InternetGatewayId: id})
		e.must(t, nil, err)
		if c := action(t, e.plan(t), "route tables").Changes; len(c) != 1 || c[0].From.String() != *id+" (does not exist)" {
			t.Errorf("a route to nowhere: the plan has %+v", c)
		}
		e.up(t)
		if p := e.plan(t); !p.Empty() {
			t.Errorf("repaired: the plan has %+v", p)
		}
	})
}

// Subnets that somebody gave another table get ours again.
func TestSubnetsOfAnotherTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		n := e.up(t)
		other, err := e.api().CreateRouteTable(t.Context(), &ec2.CreateRouteTableInput{VpcId: &n.VPC})
		e.must(t, nil, err)
		tables, err := e.api().DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{
			{Name: aws.String("association.subnet-id"), Values: []string{n.Subnets[0].ID}}}})
		e.must(t, nil, err)
		i := slices.IndexFunc(tables.RouteTables[0].Associations, func(a types.RouteTableAssociation) bool { return *a.SubnetId == n.Subnets[0].ID })
		_, err = e.api().ReplaceRouteTableAssociation(t.Context(), &ec2.ReplaceRouteTableAssociationInput{
			AssociationId: tables.RouteTables[0].Associations[i].RouteTableAssociationId, RouteTableId: other.RouteTable.RouteTableId})
		e.must(t, nil, err)
		if c := action(t, e.plan(t), "route tables").Changes; len(c) != 1 || c[0].Field != "subnet of the route table" {
			t.Errorf("the plan has %+v", c)
		}
		e.up(t)
		if p := e.plan(t); !p.Empty() {
			t.Errorf("repaired: the plan has %+v", p)
		}
	})
}

// lost is a network in which every request arrives, and no reply comes back.
type lost struct{ requests int }

func (l *lost) Do(*http.Request) (*http.Response, error) {
	l.requests++
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// The SDK must not repeat a call that creates another object each time.
func TestCreatedOnce(t *testing.T) {
	id := newApart().identity()
	vpc := provision.Known(resource.VPCState{ID: "vpc-1"})
	cidr := netip.MustParsePrefix("10.42.0.0/16")
	for name, create := range map[string]func(context.Context, *ec2.Client) error{
		"VPC": func(ctx context.Context, api *ec2.Client) error {
			_, err := resource.VPC{API: api, ID: id, CIDR: cidr}.Create(ctx)
			return err
		},
		"internet gateway": func(ctx context.Context, api *ec2.Client) error {
			_, err := resource.InternetGateway{API: api, ID: id, VPC: vpc}.Create(ctx)
			return err
		},
		"subnet": func(ctx context.Context, api *ec2.Client) error {
			zones := provision.Known(resource.ZonesState{Names: []string{"us-east-1a"}})
			_, err := resource.Subnets{API: api, ID: id, VPC: vpc, CIDR: cidr, Zones: zones, Count: 1}.Create(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &lost{}
			api := ec2.New(ec2.Options{Region: "us-east-1", HTTPClient: l, RetryMaxAttempts: 8, Credentials: aws.AnonymousCredentials{}})
			if err := create(t.Context(), api); err == nil || !awserr.Retry(err) || l.requests != 1 {
				t.Errorf("have %v after %d requests, want an error that the engine retries after one", err, l.requests)
			}
		})
	}
}

// nat adds a NAT gateway to an environment's VPC.
func (e apart) nat(g *provision.Graph, n resource.OwnNetwork) provision.Ref[resource.NATGatewaysState] {
	addresses := provision.Add(g, "addresses", provision.Own, resource.Addresses{
		API: e.api(), ID: e.identity(), Name: "flowbed-dev", VPC: n.VPC, Count: 1, Made: new(resource.Launched)})
	return provision.Add(g, "nat gateways", provision.Own, resource.NATGateways{
		API: e.api(), ID: e.identity(), Name: "flowbed-dev", VPC: n.VPC, Subnets: n.Subnets, Addresses: addresses, Count: 1, Replaced: new(resource.Launched)})
}

// A NAT gateway that fails again ends the run, which says why and what helps.
func TestNATFailsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		subnet := e.up(t).Subnets[0].ID
		up := func() error {
			g, n := e.graph()
			e.nat(g, n)
			return g.Up(t.Context())
		}
		e.must(t, nil, up())
		gateways, err := e.api().DescribeNatGateways(t.Context(), &ec2.DescribeNatGatewaysInput{})
		e.must(t, nil, err)
		_, err = e.api().DeleteNatGateway(t.Context(), &ec2.DeleteNatGatewayInput{NatGatewayId: gateways.NatGateways[0].NatGatewayId})
		e.must(t, nil, err)
		time.Sleep(5 * time.Minute)
		face, err := e.api().CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &subnet})
		e.must(t, nil, err)
		addresses, err := e.api().DescribeAddresses(t.Context(), &ec2.DescribeAddressesInput{})
		e.must(t, nil, err)
		taken, err := e.api().AssociateAddress(t.Context(), &ec2.AssociateAddressInput{
			AllocationId: addresses.Addresses[0].AllocationId, NetworkInterfaceId: face.NetworkInterface.NetworkInterfaceId})
		e.must(t, nil, err)
		before := len(e.account.Writes())
		wantError(t, up(), "failed, as the one before it: Resource.AlreadyAssociated Elastic IP address ["+*addresses.Addresses[0].AllocationId+"] is already associated → "+
			"take the address "+*addresses.Addresses[0].PublicIp+" away from what uses it (aws ec2 disassociate-address --region us-east-1 --association-id "+*taken.AssociationId+", or of a NAT gateway: delete it), and run `flowbed up` again")
		if made := e.account.Writes()[before:]; len(made) != 3 {
			t.Errorf("up has written %v, want two gateways, and one of them deleted", made)
		}
		_, err = e.api().DisassociateAddress(t.Context(), &ec2.DisassociateAddressInput{AssociationId: taken.AssociationId})
		e.must(t, nil, err)
		e.must(t, nil, up())
	})
}

// While a NAT gateway is being deleted, it holds its address: up waits before it creates another one.
func TestNATBeingDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		e.up(t)
		up := func() error {
			g, n := e.graph()
			e.nat(g, n)
			return g.Up(t.Context())
		}
		e.must(t, nil, up())
		gateways, err := e.api().DescribeNatGateways(t.Context(), &ec2.DescribeNatGatewaysInput{})
		e.must(t, nil, err)
		_, err = e.api().DeleteNatGateway(t.Context(), &ec2.DeleteNatGatewayInput{NatGatewayId: gateways.NatGateways[0].NatGatewayId})
		e.must(t, nil, err)
		deleted := time.Now()
		e.account.Fault = func(c sandbox.Call) sandbox.Fault {
			if after := time.Since(deleted); c.Operation == "CreateNatGateway" && after < time.Minute {
				t.Errorf("up creates a NAT gateway %s after the call that deleted the other one", after)
			}
			return sandbox.Fault{}
		}
		e.must(t, nil, up())
	})
}

// A reading after the deletion of a failed NAT gateway may be older. It does not tell of a second
// failure.
func TestNATFailedOnce(t *testing.T) {
	api := ec2.NewFromConfig(sandbox.New().Config("us-east-1"))
	n := resource.NATGateways{API: api, ID: newApart().identity(), Count: 1, Replaced: new(resource.Launched)}
	failed := func(id string) resource.NATGatewaysState {
		return resource.NATGatewaysState{Own: []resource.NATGateway{{ID: id, Part: "nat-1", State: "failed", Failure: "InternalError"}}}
	}
	i := slices.IndexFunc(n.Changes(failed("nat-1")), func(c provision.Change) bool { return c.Field == "state" })
	if err := n.Changes(failed("nat-1"))[i].Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"nat-1": false, "nat-2": true} {
		if err := n.Quit(t.Context(), failed(id)); (err != nil) != want {
			t.Errorf("%s: Quit returns %v", id, err)
		}
	}
}

// A NAT gateway that has failed is replaced, as is one that somebody deleted. The plan of the first
// says what it costs.
func TestNATGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newApart()
		e.up(t)
		g, n := e.graph()
		nat := e.nat(g, n)
		p, err := g.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if notes := action(t, p, "nat gateways").Notes; len(notes) != 1 || !strings.Contains(notes[0].Text, "about $37 a month (in us-east-1)") {
			t.Errorf("the plan notes %+v", notes)
		}
		vpc, _ := n.VPC.Get()
		out, err := e.api().DescribeInternetGateways(t.Context(), &ec2.DescribeInternetGatewaysInput{
			Filters: []types.Filter{{Name: aws.String("attachment.vpc-id"), Values: []string{vpc.ID}}}})
		e.must(t, nil, err)
		id := out.InternetGateways[0].InternetGatewayId
		if err := g.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		first, _ := nat.Get()
		_, err = e.api().DeleteNatGateway(t.Context(), &ec2.DeleteNatGatewayInput{NatGatewayId: &first.Own[0].ID})
		e.must(t, nil, err)
		time.Sleep(5 * time.Minute)
		_, err = e.api().DetachInternetGateway(t.Context(), &ec2.DetachInternetGatewayInput{InternetGatewayId: id, VpcId: &vpc.ID})
		e.must(t, nil, err)
		g, n = e.graph()
		nat = e.nat(g, n)
		if err := g.Up(t.Context()); err != nil { // the gateway is created before the internet gateway is attached again, or after
			t.Fatal(err)
		}
		second, _ := nat.Get()
		if len(second.Own) != 1 || second.Own[0].State != "available" || second.Own[0].ID == first.Own[0].ID {
			t.Errorf("after up: %+v, want another gateway than %s", second, first.Own[0].ID)
		}
		g, n = e.graph()
		e.nat(g, n)
		if left, err := g.Down(t.Context()); err != nil || !left.Empty() {
			t.Errorf("down: %v, left %+v", err, left)
		}
		out2, err := e.api().DescribeAddresses(t.Context(), &ec2.DescribeAddressesInput{})
		if err != nil || len(out2.Addresses) > 0 {
			t.Errorf("%d addresses are left, %v", len(out2.Addresses), err)
		}
	})
}
