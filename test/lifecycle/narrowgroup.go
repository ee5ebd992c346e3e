package lifecycle

import (
	"context"
	"errors"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// NarrowGroup is a group whose members reach only each other, S3 and two ports of a range.
var NarrowGroup = register(Case{
	Name: "narrow security group", Step: "task security group",
	Edits: []string{`(?s)# egress \{.*?# \}`, "egress {\ncidrs = [\"10.0.0.0/8\"]\nports = [443, 5432]\n}"},
	Add: func(w *World, g *provision.Graph) {
		api := ec2.NewFromConfig(w.Config)
		provision.Add(g, "task security group", provision.Own, resource.SecurityGroup{
			API: api, ID: w.ID, Name: tasksName, Description: "the tasks", Network: addNetwork(w, g), Self: true,
			Egress: resource.Egress{
				CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Ports: []int{443, 5432},
				S3: provision.Data(g, "addresses of S3", resource.S3Addresses{API: api, ID: w.ID}),
			},
		})
	},
	Fields: []Field{
		{"egress", onGroup(tasksName, func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: id, IpPermissions: port(5432, "10.0.0.0/8", "")})
			return err
		})},
		{"egress", onGroup(tasksName, func(ctx context.Context, api *ec2.Client, id *string) error { // as in every new group
			_, err := api.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{
				GroupId: id, IpPermissions: []types.IpPermission{{
					IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}})
			return err
		})},
		{"egress", onGroup(tasksName, func(ctx context.Context, api *ec2.Client, id *string) error { // as in every new group of a VPC with IPv6
			_, err := api.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{
				GroupId: id, IpPermissions: []types.IpPermission{{
					IpProtocol: aws.String("-1"), Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}}}})
			return err
		})},
		{"egress", onGroup(tasksName, revokeS3)},
		{"egress", onGroup(tasksName, func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{
				GroupId: id, IpPermissions: []types.IpPermission{{
					IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: id, Description: aws.String("network.egress: each other")}}}}})
			return err
		})},
	},
	Foreign: foreignGroup(tasksName),
})

// revokeS3 removes the rule with the prefix list of S3.
func revokeS3(ctx context.Context, api *ec2.Client, id *string) error {
	out, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*id}})
	if err != nil {
		return err
	}
	for _, p := range out.SecurityGroups[0].IpPermissionsEgress {
		if len(p.PrefixListIds) == 0 {
			continue
		}
		_, err := api.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: id, IpPermissions: []types.IpPermission{{
			IpProtocol: p.IpProtocol, FromPort: p.FromPort, ToPort: p.ToPort,
			PrefixListIds: []types.PrefixListId{{PrefixListId: p.PrefixListIds[0].PrefixListId}}}}})
		return err
	}
	return errors.New("no rule has a prefix list")
}
