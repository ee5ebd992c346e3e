package resource

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Network finds the VPC and the subnets for the tasks and the agent. flowbed does not
// create them.
type Network struct {
	API     *ec2.Client
	ID      Identity
	VPC     string   // an id, or "default"
	Subnets []string // ids; none means the VPC's public subnets

	// PublicIP tells whether to use public addresses; nil means: if the subnets are public.
	PublicIP *bool
}

// NetworkState is the VPC and the subnets for the tasks and the agent.
type NetworkState struct {
	VPC     string
	Subnets []Subnet       // in the order of their zones; at least one
	Ranges  []netip.Prefix // of all subnets of the VPC, also of those that are not among Subnets
	Named   bool           // the spec decides on the subnets: an agent that is in another one moves
	Private bool           // the spec wants no public addresses
	CutOff  bool           // and a subnet is public all the same
	Old     string         // the VPC that the environment created for an earlier spec; empty if there is none
}

var _ provision.Noter[NetworkState] = Network{}

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:  `InvalidSubnetID.NotFound InvalidVpcID.NotFound`,
		awserr.Invalid: `VPCIdNotSpecified`,
	},
	Hints: map[string]string{
		"VPCIdNotSpecified": "the region has no default VPC: create one (aws ec2 create-default-vpc), or set network.vpc",
	},
})

// Subnet is a part of a VPC in one zone.
type Subnet struct {
	ID, Zone, CIDR string
	Public         bool // an interface in it gets a public address
	Closed         bool // as far as its routes tell, it has no way out
	Edge           bool // in a Local Zone, Wavelength Zone or Outpost, where Fargate is not available
}

// zoneOfRegion matches us-west-2a, but not the names of Local Zones and Wavelength Zones,
// such as us-west-2-lax-1a.
var zoneOfRegion = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+[a-z]$`)

// IDs returns the ids of the subnets.
func (s NetworkState) IDs() []string {
	ids := make([]string, len(s.Subnets))
	for i, n := range s.Subnets {
		ids[i] = n.ID
	}
	return ids
}

// Read implements provision.DataSource.
func (n Network) Read(ctx context.Context) (s NetworkState, err error) {
	vpc, all, old, err := n.subnets(ctx)
	if err != nil {
		return s, err
	}
	s.VPC, s.Ranges, s.Old = vpc, rangesOf(all), old
	if s.Named = len(n.Subnets) > 0; s.Named {
		if s.Subnets, err = n.named(s.VPC, all); err != nil {
			return s, err
		}
		return n.addressed(s)
	}
	for _, sub := range all {
		if sub.Public && !sub.Edge {
			s.Subnets = append(s.Subnets, sub)
		}
	}
	if len(s.Subnets) == 0 {
		return s, fmt.Errorf("%s has no public subnets → set network.subnets; a private subnet needs a NAT gateway", s.VPC)
	}
	return n.addressed(s)
}

// Notes implements provision.Noter.
func (Network) Notes(have NetworkState) []provision.Note { return have.Refused() }

// Refused says why up stops: it would leave the VPC of an earlier spec, with all that it costs.
func (s NetworkState) Refused() []provision.Note {
	if s.Old == "" {
		return nil
	}
	return []provision.Note{{Severity: provision.Error, Text: s.Old + " is the VPC that this environment created, and the config file selects an existing one" +
		" → run `flowbed down` first, or set network.vpc to \"new\" again"}}
}

// addressed decides which subnets give public addresses, if the spec does.
func (n Network) addressed(s NetworkState) (NetworkState, error) {
	if n.PublicIP == nil {
		return s, nil
	}
	s.Private = !*n.PublicIP
	for i := range s.Subnets {
		sub := &s.Subnets[i]
		if *n.PublicIP && !sub.Public {
			return s, fmt.Errorf("%s has no route to an internet gateway, so a public address in it leads nowhere → leave out public_ip, or name public subnets in network.subnets", sub.ID)
		}
		s.CutOff = s.CutOff || sub.Public && !*n.PublicIP
		sub.Public = *n.PublicIP
	}
	return s, nil
}

// cutOff warns that there may be no way out. It cannot tell of a proxy or an endpoint in the
// VPC.
func (s NetworkState) cutOff() []provision.Note {
	if !s.CutOff {
		return nil
	}
	return []provision.Note{{Severity: provision.Warn, Text: "public_ip is false, but the subnets are public: without an address, nothing outside " + s.VPC +
		" is in reach but through endpoints and proxies in it → name private subnets in network.subnets, or leave out public_ip"}}
}

// vpc finds the VPC if no subnet tells its id.
func (n Network) vpc(ctx context.Context) (string, error) {
	want := filter("vpc-id", n.VPC)
	if n.VPC == "default" {
		want = filter("is-default", "true")
	}
	out, err := n.API.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: []types.Filter{want}})
	if err != nil {
		return "", fmt.Errorf("read VPC: %w", err)
	}
	if len(out.Vpcs) > 0 {
		return deref(out.Vpcs[0].VpcId), nil
	}
	if n.VPC == "default" {
		return "", fmt.Errorf("the region's default VPC %w → create one (aws ec2 create-default-vpc), or set network.vpc", provision.ErrAbsent)
	}
	return "", fmt.Errorf("VPC %s %w → correct network.vpc", n.VPC, provision.ErrAbsent)
}

// subnets returns the VPC and all its subnets. A subnet is public if it assigns public
// addresses by default. If no subnet does, or if one in the spec does not, it reads the
// route tables instead: a subnet with a route to an internet gateway is public, because a
// task or an instance can request an address there. It also returns the environment's own VPC.
func (n Network) subnets(ctx context.Context) (vpc string, list []Subnet, old string, err error) {
	vpc, found, old, err := n.find(ctx)
	if err != nil {
		return "", nil, "", err
	}
	public, unclear := false, false
	for _, s := range found {
		sub := Subnet{ID: deref(s.SubnetId), Zone: deref(s.AvailabilityZone), CIDR: deref(s.CidrBlock), Public: deref(s.MapPublicIpOnLaunch)}
		sub.Edge = s.OutpostArn != nil || !zoneOfRegion.MatchString(sub.Zone)
		public = public || sub.Public && !sub.Edge
		unclear = unclear || !sub.Public && slices.Contains(n.Subnets, sub.ID)
		list = append(list, sub)
	}
	slices.SortFunc(list, func(a, b Subnet) int { return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.ID, b.ID)) })
	if public && !unclear || len(list) == 0 {
		return vpc, list, old, nil
	}
	routed, err := n.routed(ctx, vpc)
	if err != nil {
		return "", nil, "", err
	}
	for i := range list {
		way := routed(list[i].ID)
		list[i].Public, list[i].Closed = way == wayInternet, way == wayNone
	}
	return vpc, list, old, nil
}

// find finds the VPC by its subnets, which saves a call for the VPC: only the default VPC
// has default subnets. If there are none, it reads the VPC. It reads those of all VPCs, which tells
// of one that the environment created: what costs money in it is in a subnet.
// https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html
func (n Network) find(ctx context.Context) (vpc string, list []types.Subnet, old string, err error) {
	err = eachPage(ctx, ec2.NewDescribeSubnetsPaginator(n.API, &ec2.DescribeSubnetsInput{}), func(page *ec2.DescribeSubnetsOutput) {
		for _, s := range page.Subnets {
			if by := ec2Tags(s.Tags).Owner().By; by != "" && by == n.ID.Owner() {
				old = deref(s.VpcId)
			}
			list = append(list, s)
		}
	})
	if err != nil {
		return "", nil, "", fmt.Errorf("read subnets: %w", err)
	}
	in := func(s types.Subnet) bool {
		return deref(s.VpcId) == n.VPC || n.VPC == "default" && deref(s.DefaultForAz)
	}
	if at := slices.IndexFunc(list, in); at >= 0 {
		vpc = deref(list[at].VpcId)
	} else if vpc, err = n.vpc(ctx); err != nil {
		return "", nil, "", err
	}
	return vpc, slices.DeleteFunc(list, func(s types.Subnet) bool { return deref(s.VpcId) != vpc }), old, nil
}

// way is where the default route of a subnet leads.
type way int

const (
	wayNone     way = iota // there is none, or its target does not exist
	wayInternet            // an internet gateway, which needs public addresses
	wayOther               // a NAT gateway, a transit gateway, …
)

// routed returns a function that tells where the default route of a subnet leads. A subnet
// without its own route table uses the VPC's main one.
func (n Network) routed(ctx context.Context, vpc string) (func(subnet string) way, error) {
	own, main := map[string]way{}, wayNone
	pages := ec2.NewDescribeRouteTablesPaginator(n.API, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{filter("vpc-id", vpc)}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read route tables: %w", err)
		}
		for _, t := range page.RouteTables {
			out := wayOf(t.Routes)
			for _, a := range t.Associations {
				if deref(a.Main) {
					main = out
				} else {
					own[deref(a.SubnetId)] = out
				}
			}
		}
	}
	return func(subnet string) way {
		if out, ok := own[subnet]; ok {
			return out
		}
		return main
	}, nil
}

func wayOf(routes []types.Route) way {
	for _, r := range routes {
		switch {
		case deref(r.DestinationCidrBlock) != everywhere:
		case strings.HasPrefix(deref(r.GatewayId), "igw-"):
			return wayInternet
		case r.State != types.RouteStateBlackhole:
			return wayOther
		}
	}
	return wayNone
}

// named returns the subnets in the spec. All of them must be in the VPC.
func (n Network) named(vpc string, all []Subnet) (list []Subnet, err error) {
	missing := slices.Clone(n.Subnets)
	for _, s := range all {
		if i := slices.Index(missing, s.ID); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
			list = append(list, s)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s has no subnet %s → correct network.subnets", vpc, strings.Join(missing, ", "))
	}
	return list, nil
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: &name, Values: values}
}

// Permissions are what the calls need.
func (n Network) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeRouteTables")}}
}
