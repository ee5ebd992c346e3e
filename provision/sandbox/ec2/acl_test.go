package ec2_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// acls are the network ACLs of the VPC: the default one, and another.
func (v closedVPC) acls() (byDefault, other *types.NetworkAcl) {
	v.Helper()
	out, err := v.api.DescribeNetworkAcls(v.Context(), &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{*v.id}}}})
	v.want(err, "")
	for _, a := range out.NetworkAcls {
		if *a.IsDefault {
			byDefault = &a
		} else {
			other = &a
		}
	}
	return byDefault, other
}

// A network ACL that somebody created goes only without subnets, and its VPC only without it. The end of a
// subnet ends its association.
func TestNetworkACL(t *testing.T) {
	v, ctx := newClosedVPC(t), t.Context()
	byDefault, none := v.acls()
	if byDefault == nil || none != nil || len(byDefault.Associations) != 2 {
		t.Fatalf("a new VPC has the network ACLs %+v and %+v", byDefault, none)
	}
	_, err := v.api.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: byDefault.NetworkAclId})
	v.want(err, "InvalidParameterValue")
	_, err = v.api.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: v.id})
	v.want(err, "")
	_, theirs := v.acls()
	for _, a := range byDefault.Associations {
		_, err = v.api.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{AssociationId: a.NetworkAclAssociationId, NetworkAclId: theirs.NetworkAclId})
		v.want(err, "")
	}
	byDefault, theirs = v.acls()
	if len(byDefault.Associations) != 0 || len(theirs.Associations) != 2 {
		t.Errorf("the subnets have the network ACLs %+v and %+v", byDefault, theirs)
	}
	gone := &ec2.DeleteNetworkAclInput{NetworkAclId: theirs.NetworkAclId}
	_, err = v.api.DeleteNetworkAcl(ctx, gone)
	v.want(err, "DependencyViolation")
	back := &ec2.ReplaceNetworkAclAssociationInput{AssociationId: theirs.Associations[0].NetworkAclAssociationId, NetworkAclId: byDefault.NetworkAclId}
	_, err = v.api.ReplaceNetworkAclAssociation(ctx, back)
	v.want(err, "")
	_, err = v.api.ReplaceNetworkAclAssociation(ctx, back)
	v.want(err, "InvalidAssociationID.NotFound")
	v.empty()
	v.held(func() {
		_, err = v.api.DeleteNetworkAcl(ctx, gone)
		v.want(err, "")
		_, err = v.api.DeleteNetworkAcl(ctx, gone)
		v.want(err, "InvalidNetworkAclID.NotFound")
	})
}

// held checks that EC2 does not delete the VPC before something is released.
func (v closedVPC) held(release func()) {
	v.Helper()
	_, err := v.api.DeleteVpc(v.Context(), &ec2.DeleteVpcInput{VpcId: v.id})
	v.want(err, "DependencyViolation")
	release()
	_, err = v.api.DeleteVpc(v.Context(), &ec2.DeleteVpcInput{VpcId: v.id})
	v.want(err, "")
}

// Gateways of others hold a VPC, too: one for IPv6 until it is deleted, one of a VPN until it is detached.
func TestGatewaysOfOthers(t *testing.T) {
	t.Run("egress-only", func(t *testing.T) {
		v, ctx := newClosedVPC(t), t.Context()
		v.empty()
		out, err := v.api.CreateEgressOnlyInternetGateway(ctx, &ec2.CreateEgressOnlyInternetGatewayInput{VpcId: v.id})
		v.want(err, "")
		_, err = v.api.DescribeEgressOnlyInternetGateways(ctx, &ec2.DescribeEgressOnlyInternetGatewaysInput{
			Filters: []types.Filter{{Name: aws.String("attachment.vpc-id"), Values: []string{*v.id}}}})
		v.want(err, "InvalidParameterValue")
		v.held(func() {
			_, err := v.api.DeleteEgressOnlyInternetGateway(ctx, &ec2.DeleteEgressOnlyInternetGatewayInput{
				EgressOnlyInternetGatewayId: out.EgressOnlyInternetGateway.EgressOnlyInternetGatewayId})
			v.want(err, "")
		})
	})
	t.Run("VPN", func(t *testing.T) {
		v, ctx := newClosedVPC(t), t.Context()
		v.empty()
		out, err := v.api.CreateVpnGateway(ctx, &ec2.CreateVpnGatewayInput{Type: types.GatewayTypeIpsec1})
		v.want(err, "")
		id := out.VpnGateway.VpnGatewayId
		_, err = v.api.AttachVpnGateway(ctx, &ec2.AttachVpnGatewayInput{VpnGatewayId: id, VpcId: v.id})
		v.want(err, "")
		_, err = v.api.DeleteVpnGateway(ctx, &ec2.DeleteVpnGatewayInput{VpnGatewayId: id})
		v.want(err, "IncorrectState")
		v.held(func() {
			detach := &ec2.DetachVpnGatewayInput{VpnGatewayId: id, VpcId: v.id}
			_, err := v.api.DetachVpnGateway(ctx, detach)
			v.want(err, "")
			_, err = v.api.DetachVpnGateway(ctx, detach)
			v.want(err, "InvalidVpnGatewayAttachment.NotFound")
		})
		_, err = v.api.DeleteVpnGateway(ctx, &ec2.DeleteVpnGatewayInput{VpnGatewayId: id})
		v.want(err, "")
	})
}

// empty deletes the subnets.
func (v closedVPC) empty() {
	v.Helper()
	for _, id := range v.subnets {
		_, err := v.api.DeleteSubnet(v.Context(), &ec2.DeleteSubnetInput{SubnetId: &id})
		v.want(err, "")
	}
}

// An address has one user. A NAT gateway with the address of an interface fails after its creation.
func TestAddressInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, ctx := newClosedVPC(t), t.Context()
		address, err := v.api.AllocateAddress(ctx, &ec2.AllocateAddressInput{})
		v.want(err, "")
		face, err := v.api.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: &v.subnets[0]})
		v.want(err, "")
		used, err := v.api.AssociateAddress(ctx, &ec2.AssociateAddressInput{AllocationId: address.AllocationId, NetworkInterfaceId: face.NetworkInterface.NetworkInterfaceId})
		v.want(err, "")
		_, err = v.api.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: address.AllocationId})
		v.want(err, "InvalidIPAddress.InUse")
		_, err = v.api.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &v.subnets[0], AllocationId: address.AllocationId})
		v.want(err, "")
		for _, c := range []struct {
			after time.Duration
			state types.NatGatewayState
			code  string
		}{{0, types.NatGatewayStatePending, ""}, {time.Minute, types.NatGatewayStateFailed, "Resource.AlreadyAssociated"}} {
			time.Sleep(c.after)
			out, err := v.api.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{})
			v.want(err, "")
			if g := out.NatGateways[0]; g.State != c.state || aws.ToString(g.FailureCode) != c.code {
				t.Errorf("the NAT gateway is %s, %s; want %s, %s", g.State, aws.ToString(g.FailureCode), c.state, c.code)
			}
		}
		free := &ec2.DisassociateAddressInput{AssociationId: used.AssociationId}
		_, err = v.api.DisassociateAddress(ctx, free)
		v.want(err, "")
		_, err = v.api.DisassociateAddress(ctx, free)
		v.want(err, "InvalidAssociationID.NotFound")
		_, err = v.api.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: address.AllocationId})
		v.want(err, "")
	})
}

// A second NAT gateway with the address of another one fails after its creation, too, also while the other one
// is being deleted.
func TestAddressOfNAT(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			v, ctx := newClosedVPC(t), t.Context()
			gateway, err := v.api.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{})
			v.want(err, "")
			_, err = v.api.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{VpcId: v.id, InternetGatewayId: gateway.InternetGateway.InternetGatewayId})
			v.want(err, "")
			address, err := v.api.AllocateAddress(ctx, &ec2.AllocateAddressInput{})
			v.want(err, "")
			first, err := v.api.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &v.subnets[0], AllocationId: address.AllocationId})
			v.want(err, "")
			if deleted {
				_, err := v.api.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: first.NatGateway.NatGatewayId})
				v.want(err, "")
			}
			second, err := v.api.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &v.subnets[0], AllocationId: address.AllocationId})
			v.want(err, "")
			time.Sleep(2 * time.Minute)
			out, err := v.api.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*second.NatGateway.NatGatewayId}})
			v.want(err, "")
			if g := out.NatGateways[0]; g.State != types.NatGatewayStateFailed || aws.ToString(g.FailureCode) != "Resource.AlreadyAssociated" {
				t.Errorf("deleted %t: the second NAT gateway is %s, %s", deleted, g.State, aws.ToString(g.FailureCode))
			}
		})
	}
}
