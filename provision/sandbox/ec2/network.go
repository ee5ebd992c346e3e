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
	core.Register(service, describeRouteTables, core.Anything)
	core.Register(service, createVpc, core.Anything)
	core.Register(service, deleteVpc, core.Anything)
	core.Register(service, createSubnet, core.Anything)
	core.Register(service, deleteSubnet, core.Anything)
	core.Register(service, modifySubnetAttribute, core.Anything)
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
			out = append(out, types.Vpc{
				VpcId: &v.ID, CidrBlock: &v.CIDR, IsDefault: &v.Default, State: types.VpcStateAvailable,
				OwnerId: &r.AccountID, Tags: tagList(v.Tags),
			})
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
			out = append(out, types.Subnet{
				SubnetId: &s.ID, VpcId: &s.VPC, AvailabilityZone: &s.Zone, CidrBlock: &s.CIDR,
				MapPublicIpOnLaunch: aws.Bool(s.MapPublicIP), DefaultForAz: &s.Default, State: types.SubnetStateAvailable,
				OwnerId: &r.AccountID, Tags: tagList(s.Tags),
			})
		}
	}
	return &ec2.DescribeSubnetsOutput{Subnets: out}, nil
}

func describeRouteTables(r *request, in *ec2.DescribeRouteTablesInput) (*ec2.DescribeRouteTablesOutput, error) {
	list, err := chosen(r.db().Routes, in.RouteTableIds, func(id string) error {
		return core.Fail("InvalidRouteTableID.NotFound", "The routeTable ID '%s' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	var out []types.RouteTable
	for _, t := range list {
		ok, err := matches(in.Filters, nil, map[string][]string{
			"vpc-id":                {t.VPC},
			"association.subnet-id": append([]string{}, t.Subnets...),
		})
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		o := types.RouteTable{RouteTableId: &t.ID, VpcId: &t.VPC, OwnerId: &r.AccountID}
		o.Routes = []types.Route{{
			DestinationCidrBlock: &r.db().VPCs[t.VPC].CIDR, GatewayId: aws.String("local"), State: types.RouteStateActive,
		}}
		if t.Gateway != "" {
			o.Routes = append(o.Routes, types.Route{
				DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: &t.Gateway, State: types.RouteStateActive,
			})
		}
		if t.Main {
			o.Associations = append(o.Associations, types.RouteTableAssociation{Main: aws.Bool(true), RouteTableId: &t.ID})
		}
		for _, s := range t.Subnets {
			o.Associations = append(o.Associations, types.RouteTableAssociation{Main: aws.Bool(false), RouteTableId: &t.ID, SubnetId: &s})
		}
		out = append(out, o)
	}
	return &ec2.DescribeRouteTablesOutput{RouteTables: out}, nil
}

func createVpc(r *request, in *ec2.CreateVpcInput) (*ec2.CreateVpcOutput, error) {
	p, err := netip.ParsePrefix(aws.ToString(in.CidrBlock))
	if err != nil || p.Bits() < 16 || p.Bits() > 28 {
		return nil, core.Fail("InvalidVpc.Range", "The CIDR '%s' is invalid.", aws.ToString(in.CidrBlock))
	}
	t, err := specified(in.TagSpecifications, types.ResourceTypeVpc)
	if err != nil {
		return nil, err
	}
	d := r.db()
	v := &vpc{ID: r.ID("vpc"), CIDR: p.Masked().String(), Tags: t}
	d.VPCs[v.ID] = v
	d.addVPCParts(v.ID, v, "")
	return &ec2.CreateVpcOutput{Vpc: &types.Vpc{VpcId: &v.ID, CidrBlock: &v.CIDR, IsDefault: aws.Bool(false)}}, nil
}

// deleteVpc also deletes the default group and the main route table. Everything
// else must be deleted first.
func deleteVpc(r *request, in *ec2.DeleteVpcInput) (*ec2.DeleteVpcOutput, error) {
	d, id := r.db(), aws.ToString(in.VpcId)
	if d.VPCs[id] == nil {
		return nil, noVPC(id)
	}
	for _, s := range d.Subnets {
		if s.VPC == id {
			return nil, core.Fail("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", id)
		}
	}
	for _, g := range d.Groups {
		if g.VPC == id && g.Name != "default" {
			return nil, core.Fail("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", id)
		}
	}
	maps.DeleteFunc(d.Groups, func(_ string, g *securityGroup) bool { return g.VPC == id })
	maps.DeleteFunc(d.Routes, func(_ string, t *routeTable) bool { return t.VPC == id })
	delete(d.VPCs, id)
	return &ec2.DeleteVpcOutput{}, nil
}

func createSubnet(r *request, in *ec2.CreateSubnetInput) (*ec2.CreateSubnetOutput, error) {
	d, id := r.db(), aws.ToString(in.VpcId)
	v := d.VPCs[id]
	if v == nil {
		return nil, noVPC(id)
	}
	p, err := netip.ParsePrefix(aws.ToString(in.CidrBlock))
	if err != nil || !netip.MustParsePrefix(v.CIDR).Contains(p.Addr()) {
		return nil, core.Fail("InvalidSubnet.Range", "The CIDR '%s' is invalid.", aws.ToString(in.CidrBlock))
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
	return &ec2.CreateSubnetOutput{Subnet: &types.Subnet{SubnetId: &s.ID, VpcId: &s.VPC, AvailabilityZone: &s.Zone, CidrBlock: &s.CIDR}}, nil
}

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
	delete(d.Subnets, id)
	return &ec2.DeleteSubnetOutput{}, nil
}

func modifySubnetAttribute(r *request, in *ec2.ModifySubnetAttributeInput) (*ec2.ModifySubnetAttributeOutput, error) {
	s := r.db().Subnets[aws.ToString(in.SubnetId)]
	if s == nil {
		return nil, noSubnet(aws.ToString(in.SubnetId))
	}
	if in.MapPublicIpOnLaunch != nil {
		s.MapPublicIP = aws.ToBool(in.MapPublicIpOnLaunch.Value)
	}
	return &ec2.ModifySubnetAttributeOutput{}, nil
}
