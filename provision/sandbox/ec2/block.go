package ec2

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeBlock, core.Anything)
	core.Register(service, modifyBlock, core.Anything)
	core.Register(service, describeExclusions, core.Anything)
	core.Register(service, createExclusion, exclusionAccess)
}

// blockPublicAccess is the region's VPC Block Public Access.
// https://docs.aws.amazon.com/vpc/latest/userguide/security-vpc-bpa.html
type blockPublicAccess struct {
	Mode     types.InternetGatewayBlockMode `json:"mode,omitempty"`
	Excluded map[string]string              `json:"excluded,omitempty"` // VPCs and subnets by the ids of the exclusions
}

func (r *request) shownBlock() *types.VpcBlockPublicAccessOptions {
	o := &types.VpcBlockPublicAccessOptions{
		AwsAccountId: &r.AccountID, AwsRegion: &r.Region, ManagedBy: types.ManagedByAccount,
		InternetGatewayBlockMode: types.InternetGatewayBlockModeOff, State: types.VpcBlockPublicAccessStateDefaultState,
	}
	if b := r.db().Block; b.Mode != "" {
		o.InternetGatewayBlockMode, o.State = b.Mode, types.VpcBlockPublicAccessStateUpdateComplete
	}
	return o
}

func describeBlock(r *request, _ *ec2.DescribeVpcBlockPublicAccessOptionsInput) (*ec2.DescribeVpcBlockPublicAccessOptionsOutput, error) {
	return &ec2.DescribeVpcBlockPublicAccessOptionsOutput{VpcBlockPublicAccessOptions: r.shownBlock()}, nil
}

func modifyBlock(r *request, in *ec2.ModifyVpcBlockPublicAccessOptionsInput) (*ec2.ModifyVpcBlockPublicAccessOptionsOutput, error) {
	if !slices.Contains(in.InternetGatewayBlockMode.Values(), in.InternetGatewayBlockMode) {
		return nil, core.Fail("InvalidParameterValue", "Value (%s) for parameter InternetGatewayBlockMode is invalid.", in.InternetGatewayBlockMode)
	}
	r.db().Block.Mode = in.InternetGatewayBlockMode
	return &ec2.ModifyVpcBlockPublicAccessOptionsOutput{VpcBlockPublicAccessOptions: r.shownBlock()}, nil
}

func describeExclusions(r *request, _ *ec2.DescribeVpcBlockPublicAccessExclusionsInput) (*ec2.DescribeVpcBlockPublicAccessExclusionsOutput, error) {
	out := &ec2.DescribeVpcBlockPublicAccessExclusionsOutput{}
	excluded := r.db().Block.Excluded
	for _, id := range core.SortedKeys(excluded) {
		out.VpcBlockPublicAccessExclusions = append(out.VpcBlockPublicAccessExclusions, types.VpcBlockPublicAccessExclusion{
			ExclusionId: &id, ResourceArn: aws.String(r.object(core.Access{}, excluded[id]).Resource), State: types.VpcBlockPublicAccessExclusionStateCreateComplete,
			InternetGatewayExclusionMode: types.InternetGatewayExclusionModeAllowBidirectional,
		})
	}
	return out, nil
}

func createExclusion(r *request, in *ec2.CreateVpcBlockPublicAccessExclusionInput) (*ec2.CreateVpcBlockPublicAccessExclusionOutput, error) {
	d, v, s := r.db(), aws.ToString(in.VpcId), aws.ToString(in.SubnetId)
	switch {
	case (v == "") == (s == ""):
		return nil, core.Fail("InvalidParameterCombination", "The request must contain either a VPC or a subnet")
	case v != "" && d.VPCs[v] == nil:
		return nil, noVPC(v)
	case s != "" && d.Subnets[s] == nil:
		return nil, noSubnet(s)
	}
	if d.Block.Excluded == nil {
		d.Block.Excluded = map[string]string{}
	}
	id := r.ID("vpcbpa-exclude")
	d.Block.Excluded[id] = v + s
	return &ec2.CreateVpcBlockPublicAccessExclusionOutput{VpcBlockPublicAccessExclusion: &types.VpcBlockPublicAccessExclusion{ExclusionId: &id}}, nil
}

func exclusionAccess(r *request, a core.Access, in *ec2.CreateVpcBlockPublicAccessExclusionInput) []core.Access {
	return r.objects(a, aws.ToString(in.VpcId)+aws.ToString(in.SubnetId))
}

// blocked reports whether an interface cannot use the internet gateway of its VPC. A NAT gateway
// passes a block of ingress.
func (r *request) blocked(p place, gateway string) bool {
	b := r.db().Block
	for _, id := range b.Excluded {
		if id == p.vpc || id == p.subnet {
			return false
		}
	}
	switch b.Mode {
	case types.InternetGatewayBlockModeBlockBidirectional:
		return true
	case types.InternetGatewayBlockModeBlockIngress:
		return r.gateways()[gateway] != nil
	}
	return false
}
