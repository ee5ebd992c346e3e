package ec2

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeInternetGateways, core.Anything)
	core.Register(service, createInternetGateway, createGatewayAccess)
	core.Register(service, deleteInternetGateway, gatewayAccess)
	core.Register(service, attachInternetGateway, attachAccess)
	core.Register(service, detachInternetGateway, detachAccess)
}

func noGateway(id string) error {
	return core.Fail("InvalidInternetGatewayID.NotFound", "The internetGateway ID '%s' does not exist", id)
}

func describeInternetGateways(r *request, in *ec2.DescribeInternetGatewaysInput) (*ec2.DescribeInternetGatewaysOutput, error) {
	list, err := chosen(r.gateways(), in.InternetGatewayIds, noGateway)
	if err != nil {
		return nil, err
	}
	var all []types.InternetGateway
	for _, g := range list {
		ok, err := matches(in.Filters, g.Tags, map[string][]string{
			"internet-gateway-id": {g.ID},
			"attachment.vpc-id":   {g.VPC},
			"attachment.state":    {"available"},
		})
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, r.shownGateway(g))
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 1000)
	return &ec2.DescribeInternetGatewaysOutput{InternetGateways: some, NextToken: next}, err
}

func (r *request) shownGateway(g *gateway) types.InternetGateway {
	o := types.InternetGateway{InternetGatewayId: &g.ID, OwnerId: &r.AccountID, Tags: tagList(g.Tags)}
	if g.VPC != "" {
		o.Attachments = []types.InternetGatewayAttachment{{VpcId: &g.VPC, State: "available"}}
	}
	return o
}

// createInternetGateway has neither a client token nor a unique name: each call creates another
// gateway.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html
func createInternetGateway(r *request, in *ec2.CreateInternetGatewayInput) (*ec2.CreateInternetGatewayOutput, error) {
	t, err := specified(in.TagSpecifications, types.ResourceTypeInternetGateway)
	if err != nil {
		return nil, err
	}
	if len(r.gateways()) >= quota {
		return nil, core.Fail("InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached.")
	}
	g := &gateway{ID: r.ID("igw"), Tags: t}
	r.gateways()[g.ID] = g
	return &ec2.CreateInternetGatewayOutput{InternetGateway: new(r.shownGateway(g))}, nil
}

// deleteInternetGateway fails while the gateway is attached.
func deleteInternetGateway(r *request, in *ec2.DeleteInternetGatewayInput) (*ec2.DeleteInternetGatewayOutput, error) {
	id := aws.ToString(in.InternetGatewayId)
	switch g := r.gateways()[id]; {
	case g == nil:
		return nil, noGateway(id)
	case g.VPC != "":
		return nil, core.Fail("DependencyViolation", "The internetGateway '%s' has dependencies and cannot be deleted.", id)
	}
	delete(r.gateways(), id)
	return &ec2.DeleteInternetGatewayOutput{}, nil
}

// attachInternetGateway fails if the gateway, or the VPC, has another attachment.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachInternetGateway.html
func attachInternetGateway(r *request, in *ec2.AttachInternetGatewayInput) (*ec2.AttachInternetGatewayOutput, error) {
	d, id, v := r.db(), aws.ToString(in.InternetGatewayId), aws.ToString(in.VpcId)
	g := r.gateways()[id]
	switch {
	case g == nil:
		return nil, noGateway(id)
	case d.VPCs[v] == nil:
		return nil, noVPC(v)
	case g.VPC != "":
		return nil, core.Fail("Resource.AlreadyAssociated", "resource %s is already attached to network %s", id, g.VPC)
	}
	for _, o := range r.gateways() {
		if o.VPC == v {
			return nil, core.Fail("InvalidParameterValue", "Network %s already has an internet gateway attached", v)
		}
	}
	g.VPC = v
	return &ec2.AttachInternetGatewayOutput{}, nil
}

// detachInternetGateway fails while an interface in the VPC has a public address.
func detachInternetGateway(r *request, in *ec2.DetachInternetGatewayInput) (*ec2.DetachInternetGatewayOutput, error) {
	d, id, v := r.db(), aws.ToString(in.InternetGatewayId), aws.ToString(in.VpcId)
	g := r.gateways()[id]
	switch {
	case g == nil:
		return nil, noGateway(id)
	case d.VPCs[v] == nil:
		return nil, noVPC(v)
	case g.VPC != v:
		return nil, core.Fail("Gateway.NotAttached", "resource %s is not attached to network %s", id, v)
	}
	mapped := r.natIn(func(g *natGateway) bool { return g.VPC == v })
	for _, n := range d.Interfaces {
		mapped = mapped || n.VPC == v && n.PublicIP != "" && r.exists(n)
	}
	if mapped {
		return nil, core.Fail("DependencyViolation", "Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", v)
	}
	g.VPC = ""
	return &ec2.DetachInternetGatewayOutput{}, nil
}

func createGatewayAccess(r *request, a core.Access, in *ec2.CreateInternetGatewayInput) []core.Access {
	return r.creation(a, types.ResourceTypeInternetGateway, "*", in.TagSpecifications)
}

func gatewayAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return r.objects(a, core.Text(in, "InternetGatewayId"))
}

func attachAccess(r *request, a core.Access, in *ec2.AttachInternetGatewayInput) []core.Access {
	return r.objects(a, aws.ToString(in.InternetGatewayId), aws.ToString(in.VpcId))
}

func detachAccess(r *request, a core.Access, in *ec2.DetachInternetGatewayInput) []core.Access {
	return r.objects(a, aws.ToString(in.InternetGatewayId), aws.ToString(in.VpcId))
}
