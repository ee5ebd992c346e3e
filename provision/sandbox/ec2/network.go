package ec2

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeVpcs, core.Anything)
	core.Register(service, describeSubnets, core.Anything)
	core.Register(service, createSubnet, createSubnetAccess)
	core.Register(service, deleteSubnet, subnetAccess)
	core.Register(service, modifySubnetAttribute, subnetAccess)
}

func noSubnet(id string) error {
	return core.Fail("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
}

func noVPC(id string) error {
	return core.Fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
}

// chosen returns the objects with the given ids, or all objects in a stable order.
func chosen[T any](all map[string]*T, ids []string, missing func(id string) error) (list []*T, err error) {
	if len(ids) == 0 {
		ids = slices.Sorted(maps.Keys(all))
	}
	for _, id := range ids {
		o := all[id]
		if o == nil {
			return nil, missing(id)
		}
		list = append(list, o)
	}
	return list, nil
}

func describeVpcs(r *request, in *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
	list, err := chosen(r.db().VPCs, in.VpcIds, noVPC)
	if err != nil {
		return nil, err
	}
	var out []types.Vpc
	for _, v := range list {
		ok, err := matches(in.Filters, v.Tags, map[string][]string{
			"vpc-id":     {v.ID},
			"is-default": {truth(v.Default)},
			"isDefault":  {truth(v.Default)},
			"state":      {"available"},
		})
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, r.shownVPC(v))
		}
	}
	return &ec2.DescribeVpcsOutput{Vpcs: out}, nil
}

func describeSubnets(r *request, in *ec2.DescribeSubnetsInput) (*ec2.DescribeSubnetsOutput, error) {
	list, err := chosen(r.db().Subnets, in.SubnetIds, noSubnet)
	if err != nil {
		return nil, err
	}
	var out []types.Subnet
	for _, s := range list {
		ok, err := matches(in.Filters, s.Tags, map[string][]string{
			"subnet-id":               {s.ID},
			"vpc-id":                  {s.VPC},
			"availability-zone":       {s.Zone},
			"default-for-az":          {truth(s.Default)},
			"map-public-ip-on-launch": {truth(s.MapPublicIP)},
			"state":                   {"available"},
		})
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, r.shownSubnet(s))
		}
	}
	return &ec2.DescribeSubnetsOutput{Subnets: out}, nil
}

// createSubnet rejects a range that is not in the VPC's, or that another subnet has a part of.
// https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
func createSubnet(r *request, in *ec2.CreateSubnetInput) (*ec2.CreateSubnetOutput, error) {
	d, id, cidr := r.db(), aws.ToString(in.VpcId), aws.ToString(in.CidrBlock)
	v := d.VPCs[id]
	if v == nil {
		return nil, noVPC(id)
	}
	p, err := netip.ParsePrefix(cidr)
	if err != nil || p.Bits() < 16 || p.Bits() > 28 {
		return nil, core.Fail("InvalidSubnet.Range", "The CIDR '%s' is invalid.", cidr)
	}
	if of := netip.MustParsePrefix(v.CIDR); !of.Contains(p.Addr()) || p.Bits() < of.Bits() {
		return nil, core.Fail("InvalidSubnet.Range", "The CIDR '%s' is invalid.", cidr)
	}
	for _, s := range d.Subnets {
		if s.VPC == id && netip.MustParsePrefix(s.CIDR).Overlaps(p) {
			return nil, core.Fail("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", cidr)
		}
	}
	zone := aws.ToString(in.AvailabilityZone)
	if zone == "" {
		zone = zones(r.Region)[0]
	}
	local := strings.HasPrefix(zone, r.Region+"-") // such as us-west-2-lax-1a
	if !local && !slices.Contains(zones(r.Region), zone) {
		return nil, core.Fail("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid.", zone)
	}
	t, err := specified(in.TagSpecifications, types.ResourceTypeSubnet)
	if err != nil {
		return nil, err
	}
	s := &subnet{ID: r.ID("subnet"), VPC: id, Zone: zone, CIDR: p.Masked().String(), Tags: t}
	d.Subnets[s.ID] = s
	return &ec2.CreateSubnetOutput{Subnet: new(r.shownSubnet(s))}, nil
}

func (r *request) shownSubnet(s *subnet) types.Subnet {
	return types.Subnet{
		SubnetId: &s.ID, VpcId: &s.VPC, AvailabilityZone: &s.Zone, CidrBlock: &s.CIDR,
		MapPublicIpOnLaunch: aws.Bool(s.MapPublicIP), DefaultForAz: &s.Default, State: types.SubnetStateAvailable,
		OwnerId: &r.AccountID, Tags: tagList(s.Tags),
	}
}

// deleteSubnet also ends the subnet's associations with a route table and a network ACL.
func deleteSubnet(r *request, in *ec2.DeleteSubnetInput) (*ec2.DeleteSubnetOutput, error) {
	d, id := r.db(), aws.ToString(in.SubnetId)
	if d.Subnets[id] == nil {
		return nil, noSubnet(id)
	}
	for _, n := range d.Interfaces {
		if n.Subnet == id && r.exists(n) {
			return nil, core.Fail("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", id)
		}
	}
	if r.natIn(func(g *natGateway) bool { return g.Subnet == id }) {
		return nil, core.Fail("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", id)
	}
	if r.endpointIn(func(e *endpoint) bool { return e.Subnets[id] != "" }) {
		return nil, core.Fail("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", id)
	}
	for _, t := range d.Routes {
		maps.DeleteFunc(t.Subnets, func(_, subnet string) bool { return subnet == id })
	}
	for _, a := range d.ACLs {
		maps.DeleteFunc(a.Subnets, func(_, subnet string) bool { return subnet == id })
	}
	delete(d.Subnets, id)
	return &ec2.DeleteSubnetOutput{}, nil
}

// modifySubnetAttribute changes one attribute.
func modifySubnetAttribute(r *request, in *ec2.ModifySubnetAttributeInput) (*ec2.ModifySubnetAttributeOutput, error) {
	s := r.db().Subnets[aws.ToString(in.SubnetId)]
	switch {
	case s == nil:
		return nil, noSubnet(aws.ToString(in.SubnetId))
	case in.MapPublicIpOnLaunch == nil:
		return nil, core.Fail("InvalidParameterCombination", "the sandbox only changes MapPublicIpOnLaunch")
	}
	s.MapPublicIP = aws.ToBool(in.MapPublicIpOnLaunch.Value)
	return &ec2.ModifySubnetAttributeOutput{}, nil
}

func createSubnetAccess(r *request, a core.Access, in *ec2.CreateSubnetInput) []core.Access {
	return append(r.creation(a, types.ResourceTypeSubnet, "*", in.TagSpecifications), r.object(a, aws.ToString(in.VpcId)))
}

func subnetAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return r.objects(a, core.Text(in, "SubnetId"))
}
