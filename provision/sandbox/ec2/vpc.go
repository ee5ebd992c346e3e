package ec2

import (
	"maps"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, createVpc, createVpcAccess)
	core.Register(service, deleteVpc, vpcAccess)
	core.Register(service, describeVpcAttribute, vpcAccess)
	core.Register(service, modifyVpcAttribute, vpcAccess)
}

// quota is how many VPCs, and how many internet gateways, a region may have.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
const quota = 5

// createVpc has neither a client token nor a unique name: each call creates another VPC. EC2 sets
// the host bits of the range to zero.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html
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
	if len(d.VPCs) >= quota {
		return nil, core.Fail("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
	}
	v := &vpc{ID: r.ID("vpc"), CIDR: p.Masked().String(), Tags: t, NoNames: true}
	d.VPCs[v.ID] = v
	d.addVPCParts(v.ID, v, "")
	return &ec2.CreateVpcOutput{Vpc: new(r.shownVPC(v))}, nil
}

func (r *request) shownVPC(v *vpc) types.Vpc {
	return types.Vpc{
		VpcId: &v.ID, CidrBlock: &v.CIDR, IsDefault: &v.Default, State: types.VpcStateAvailable,
		OwnerId: &r.AccountID, Tags: tagList(v.Tags),
	}
}

// deleteVpc also deletes the default group, the default network ACL and the main route table. Everything else must be
// deleted first; the error names nothing.
// https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html
func deleteVpc(r *request, in *ec2.DeleteVpcInput) (*ec2.DeleteVpcOutput, error) {
	d, id := r.db(), aws.ToString(in.VpcId)
	if d.VPCs[id] == nil {
		return nil, noVPC(id)
	}
	if r.holdsVPC(id) {
		return nil, core.Fail("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", id)
	}
	maps.DeleteFunc(d.Groups, func(_ string, g *securityGroup) bool { return g.VPC == id })
	maps.DeleteFunc(d.Routes, func(_ string, t *routeTable) bool { return t.VPC == id })
	delete(d.VPCs, id)
	return &ec2.DeleteVpcOutput{}, nil
}

// holdsVPC reports whether something keeps EC2 from deleting a VPC.
func (r *request) holdsVPC(id string) bool {
	d, here := r.db(), func(g *gateway) bool { return g.VPC == id }
	return some(d.Subnets, func(s *subnet) bool { return s.VPC == id }) ||
		some(d.Groups, func(g *securityGroup) bool { return g.VPC == id && g.Name != "default" }) ||
		some(d.Routes, func(t *routeTable) bool { return t.VPC == id && !t.Main }) ||
		some(r.gateways(), here) || some(d.EgressOnly, here) || some(d.VPNs, here) ||
		some(d.ACLs, func(a *networkACL) bool { return a.VPC == id }) ||
		some(d.Interfaces, func(n *nic) bool { return n.VPC == id && r.exists(n) }) ||
		r.natIn(func(g *natGateway) bool { return g.VPC == id }) || r.endpointIn(func(e *endpoint) bool { return e.VPC == id })
}

// some reports whether an object is such.
func some[T any](all map[string]*T, such func(*T) bool) bool {
	for _, o := range all {
		if such(o) {
			return true
		}
	}
	return false
}

// describeVpcAttribute shows one attribute.
func describeVpcAttribute(r *request, in *ec2.DescribeVpcAttributeInput) (*ec2.DescribeVpcAttributeOutput, error) {
	v := r.db().VPCs[aws.ToString(in.VpcId)]
	if v == nil {
		return nil, noVPC(aws.ToString(in.VpcId))
	}
	out := &ec2.DescribeVpcAttributeOutput{VpcId: &v.ID}
	switch in.Attribute {
	case types.VpcAttributeNameEnableDnsSupport:
		out.EnableDnsSupport = &types.AttributeBooleanValue{Value: aws.Bool(!v.NoDNS)}
	case types.VpcAttributeNameEnableDnsHostnames:
		out.EnableDnsHostnames = &types.AttributeBooleanValue{Value: aws.Bool(!v.NoNames)}
	default:
		return nil, core.Fail("InvalidParameterValue", "the sandbox does not show the attribute %s", in.Attribute)
	}
	return out, nil
}

// modifyVpcAttribute changes one attribute a call. Host names need DNS.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcAttribute.html
func modifyVpcAttribute(r *request, in *ec2.ModifyVpcAttributeInput) (*ec2.ModifyVpcAttributeOutput, error) {
	v := r.db().VPCs[aws.ToString(in.VpcId)]
	switch {
	case v == nil:
		return nil, noVPC(aws.ToString(in.VpcId))
	case (in.EnableDnsSupport == nil) == (in.EnableDnsHostnames == nil):
		return nil, core.Fail("InvalidParameterCombination", "Fields for multiple attribute types specified, or none")
	case in.EnableDnsSupport != nil:
		v.NoDNS = !aws.ToBool(in.EnableDnsSupport.Value)
	case aws.ToBool(in.EnableDnsHostnames.Value) && v.NoDNS:
		return nil, core.Fail("InvalidParameterValue", "DNS hostnames need DNS support")
	default:
		v.NoNames = !aws.ToBool(in.EnableDnsHostnames.Value)
	}
	return &ec2.ModifyVpcAttributeOutput{}, nil
}

func createVpcAccess(r *request, a core.Access, in *ec2.CreateVpcInput) []core.Access {
	return r.creation(a, types.ResourceTypeVpc, "*", in.TagSpecifications)
}

func vpcAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return r.objects(a, core.Text(in, "VpcId"))
}
