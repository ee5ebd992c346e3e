package ec2

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeEgressOnlyInternetGateways, core.Anything)
	core.Register(service, createEgressOnlyInternetGateway, createEgressOnlyAccess)
	core.Register(service, deleteEgressOnlyInternetGateway, deleteEgressOnlyAccess)
	core.Register(service, describeVpnGateways, core.Anything)
	core.Register(service, createVpnGateway, createVPNAccess)
	core.Register(service, attachVpnGateway, attachVPNAccess)
	core.Register(service, detachVpnGateway, detachVPNAccess)
	core.Register(service, deleteVpnGateway, deleteVPNAccess)
}

// Gateways that flowbed does not create, and that hold a VPC. An egress-only internet gateway is in its
// VPC from the beginning to the end; a VPN gateway may be attached to one.

func noEgressOnly(id string) error {
	return core.Fail("InvalidGatewayID.NotFound", "The eigw ID '%s' does not exist", id)
}

func noVPN(id string) error {
	return core.Fail("InvalidVpnGatewayID.NotFound", "The vpnGateway ID '%s' does not exist", id)
}

// describeEgressOnlyInternetGateways has filters for tags only.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeEgressOnlyInternetGateways.html
func describeEgressOnlyInternetGateways(r *request, in *ec2.DescribeEgressOnlyInternetGatewaysInput) (*ec2.DescribeEgressOnlyInternetGatewaysOutput, error) {
	list, err := chosen(r.db().EgressOnly, in.EgressOnlyInternetGatewayIds, noEgressOnly)
	if err != nil {
		return nil, err
	}
	var all []types.EgressOnlyInternetGateway
	for _, g := range list {
		ok, err := matches(in.Filters, g.Tags, nil)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, shownEgressOnly(g))
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 255)
	return &ec2.DescribeEgressOnlyInternetGatewaysOutput{EgressOnlyInternetGateways: some, NextToken: next}, err
}

func shownEgressOnly(g *gateway) types.EgressOnlyInternetGateway {
	return types.EgressOnlyInternetGateway{EgressOnlyInternetGatewayId: &g.ID, Tags: tagList(g.Tags),
		Attachments: []types.InternetGatewayAttachment{{VpcId: &g.VPC, State: types.AttachmentStatusAttached}}}
}

func createEgressOnlyInternetGateway(r *request, in *ec2.CreateEgressOnlyInternetGatewayInput) (*ec2.CreateEgressOnlyInternetGatewayOutput, error) {
	d, v := r.db(), aws.ToString(in.VpcId)
	if d.VPCs[v] == nil {
		return nil, noVPC(v)
	}
	t, err := specified(in.TagSpecifications, types.ResourceTypeEgressOnlyInternetGateway)
	if err != nil {
		return nil, err
	}
	if d.EgressOnly == nil {
		d.EgressOnly = map[string]*gateway{}
	}
	g := &gateway{ID: r.ID("eigw"), VPC: v, Tags: t}
	d.EgressOnly[g.ID] = g
	return &ec2.CreateEgressOnlyInternetGatewayOutput{EgressOnlyInternetGateway: new(shownEgressOnly(g))}, nil
}

func deleteEgressOnlyInternetGateway(r *request, in *ec2.DeleteEgressOnlyInternetGatewayInput) (*ec2.DeleteEgressOnlyInternetGatewayOutput, error) {
	id := aws.ToString(in.EgressOnlyInternetGatewayId)
	if r.db().EgressOnly[id] == nil {
		return nil, noEgressOnly(id)
	}
	delete(r.db().EgressOnly, id)
	return &ec2.DeleteEgressOnlyInternetGatewayOutput{ReturnCode: aws.Bool(true)}, nil
}

func describeVpnGateways(r *request, in *ec2.DescribeVpnGatewaysInput) (*ec2.DescribeVpnGatewaysOutput, error) {
	list, err := chosen(r.db().VPNs, in.VpnGatewayIds, noVPN)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVpnGatewaysOutput{}
	for _, g := range list {
		state := []string{}
		if g.VPC != "" {
			state = append(state, "attached")
		}
		ok, err := matches(in.Filters, g.Tags, map[string][]string{"vpn-gateway-id": {g.ID}, "attachment.vpc-id": {g.VPC}, "attachment.state": state})
		if err != nil {
			return nil, err
		}
		if ok {
			out.VpnGateways = append(out.VpnGateways, shownVPN(g))
		}
	}
	return out, nil
}

func shownVPN(g *gateway) types.VpnGateway {
	o := types.VpnGateway{VpnGatewayId: &g.ID, State: types.VpnStateAvailable, Type: types.GatewayTypeIpsec1, Tags: tagList(g.Tags)}
	if g.VPC != "" {
		o.VpcAttachments = []types.VpcAttachment{{VpcId: &g.VPC, State: types.AttachmentStatusAttached}}
	}
	return o
}

func createVpnGateway(r *request, in *ec2.CreateVpnGatewayInput) (*ec2.CreateVpnGatewayOutput, error) {
	t, err := specified(in.TagSpecifications, types.ResourceTypeVpnGateway)
	if err != nil {
		return nil, err
	}
	d := r.db()
	if d.VPNs == nil {
		d.VPNs = map[string]*gateway{}
	}
	g := &gateway{ID: r.ID("vgw"), Tags: t}
	d.VPNs[g.ID] = g
	return &ec2.CreateVpnGatewayOutput{VpnGateway: new(shownVPN(g))}, nil
}

func attachVpnGateway(r *request, in *ec2.AttachVpnGatewayInput) (*ec2.AttachVpnGatewayOutput, error) {
	d, id, v := r.db(), aws.ToString(in.VpnGatewayId), aws.ToString(in.VpcId)
	g := d.VPNs[id]
	switch {
	case g == nil:
		return nil, noVPN(id)
	case d.VPCs[v] == nil:
		return nil, noVPC(v)
	case g.VPC != "" && g.VPC != v:
		return nil, core.Fail("IncorrectState", "The vpn gateway %s is attached to %s", id, g.VPC)
	}
	g.VPC = v
	return &ec2.AttachVpnGatewayOutput{VpcAttachment: &types.VpcAttachment{VpcId: &g.VPC, State: types.AttachmentStatusAttached}}, nil
}

func detachVpnGateway(r *request, in *ec2.DetachVpnGatewayInput) (*ec2.DetachVpnGatewayOutput, error) {
	id := aws.ToString(in.VpnGatewayId)
	g := r.db().VPNs[id]
	switch {
	case g == nil:
		return nil, noVPN(id)
	case g.VPC != aws.ToString(in.VpcId):
		return nil, core.Fail("InvalidVpnGatewayAttachment.NotFound", "The attachment with vpn gateway ID '%s' and vpc ID '%s' does not exist", id, aws.ToString(in.VpcId))
	}
	g.VPC = ""
	return &ec2.DetachVpnGatewayOutput{}, nil
}

// deleteVpnGateway fails while the gateway is attached.
func deleteVpnGateway(r *request, in *ec2.DeleteVpnGatewayInput) (*ec2.DeleteVpnGatewayOutput, error) {
	id := aws.ToString(in.VpnGatewayId)
	switch g := r.db().VPNs[id]; {
	case g == nil:
		return nil, noVPN(id)
	case g.VPC != "":
		return nil, core.Fail("IncorrectState", "The vpn gateway %s is in use", id)
	}
	delete(r.db().VPNs, id)
	return &ec2.DeleteVpnGatewayOutput{}, nil
}

func createEgressOnlyAccess(r *request, a core.Access, in *ec2.CreateEgressOnlyInternetGatewayInput) []core.Access {
	return append(r.creation(a, types.ResourceTypeEgressOnlyInternetGateway, "*", in.TagSpecifications), r.object(a, aws.ToString(in.VpcId)))
}

func deleteEgressOnlyAccess(r *request, a core.Access, in *ec2.DeleteEgressOnlyInternetGatewayInput) []core.Access {
	return r.objects(a, aws.ToString(in.EgressOnlyInternetGatewayId))
}

func createVPNAccess(r *request, a core.Access, in *ec2.CreateVpnGatewayInput) []core.Access {
	return r.creation(a, types.ResourceTypeVpnGateway, "*", in.TagSpecifications)
}

func attachVPNAccess(r *request, a core.Access, in *ec2.AttachVpnGatewayInput) []core.Access {
	return r.objects(a, aws.ToString(in.VpcId), aws.ToString(in.VpnGatewayId))
}

func detachVPNAccess(r *request, a core.Access, in *ec2.DetachVpnGatewayInput) []core.Access {
	return r.objects(a, aws.ToString(in.VpcId), aws.ToString(in.VpnGatewayId))
}

func deleteVPNAccess(r *request, a core.Access, in *ec2.DeleteVpnGatewayInput) []core.Access {
	return r.objects(a, aws.ToString(in.VpnGatewayId))
}
