package lifecycle

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// Caller is the range that may reach the agent. It has host bits, which EC2 drops.
var Caller = netip.MustParsePrefix("203.0.113.7/24")

// SecurityGroup is the group of the agent.
var SecurityGroup = register(Case{
	Name: "security group", Step: "agent security group",
	Add: func(w *World, g *provision.Graph) { addGroup(w, g, addNetwork(w, g)) },
	Fields: []Field{
		{"ingress", onGroup(agentName, func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
				GroupId: id, IpPermissions: port(22, "203.0.113.0/24", "")})
			return err
		})},
		{"ingress", onGroup(agentName, func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
				GroupId: id, IpPermissions: port(8080, "0.0.0.0/0", "just for a moment")})
			return err
		})},
		{"ingress", onGroup(agentName, func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
				GroupId: id, IpPermissions: []types.IpPermission{{
					IpProtocol: aws.String("-1"), Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}}}})
			return err
		})},
		{"ingress", onGroup(agentName, func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.UpdateSecurityGroupRuleDescriptionsIngress(ctx, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{
				GroupId: id, IpPermissions: port(22, "203.0.113.0/24", "some office")})
			return err
		})},
		{"egress", onGroup(agentName, func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{
				GroupId: id, IpPermissions: []types.IpPermission{{
					IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}})
			return err
		})},
		{"egress", onGroup(agentName, func(ctx context.Context, api *ec2.Client, id *string) error { // from an earlier spec with an egress block
			_, err := api.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{
				GroupId: id, IpPermissions: port(5432, "10.0.0.0/8", "network.egress")})
			return err
		})},
		{"tags", onGroup(agentName, func(ctx context.Context, api *ec2.Client, id *string) error { return untag(ctx, api, *id) })},
	},
	Foreign: foreignGroup(agentName),
})

func foreignGroup(name string) func(context.Context, *World, resource.Tags) error {
	return func(ctx context.Context, w *World, tags resource.Tags) error {
		api := ec2.NewFromConfig(w.Config)
		vpcs, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
		if err != nil {
			return err
		}
		_, err = api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			GroupName: &name, Description: aws.String("another one"), VpcId: vpcs.Vpcs[0].VpcId,
			TagSpecifications: ec2TagsFor(tags, types.ResourceTypeSecurityGroup)})
		return err
	}
}

func addNetwork(w *World, g *provision.Graph) provision.Ref[resource.NetworkState] {
	return provision.Data(g, "network", resource.Network{API: ec2.NewFromConfig(w.Config), VPC: "default"})
}

func addGroup(w *World, g *provision.Graph, network provision.Ref[resource.NetworkState]) provision.Ref[resource.SecurityGroupState] {
	return provision.Add(g, "agent security group", provision.Own, resource.SecurityGroup{
		API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: agentName, Description: "the agent",
		Network: network, Caller: provision.Known(Caller),
	})
}

// onGroup finds a group of the environment.
func onGroup(name string, f func(context.Context, *ec2.Client, *string) error) func(context.Context, *World) error {
	return onEC2(func(ctx context.Context, _ *World, api *ec2.Client) error {
		out, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
			Filters: []types.Filter{{Name: aws.String("group-name"), Values: []string{name}}}})
		if err != nil {
			return err
		}
		if n := len(out.SecurityGroups); n != 1 {
			return fmt.Errorf("there are %d groups named %s, want 1", n, name)
		}
		return f(ctx, api, out.SecurityGroups[0].GroupId)
	})
}

func port(n int32, cidr, about string) []types.IpPermission {
	r := types.IpRange{CidrIp: &cidr}
	if about != "" {
		r.Description = &about
	}
	return []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: &n, ToPort: &n, IpRanges: []types.IpRange{r}}}
}
