package lifecycle

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// TasksGroup is a group whose members can reach each other.
var TasksGroup = Case{
	Name: "task security group", Step: "agent security group",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "agent security group", provision.Own, resource.SecurityGroup{
			API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: agentName, Description: "the tasks",
			Network: addNetwork(w, g), Among: true,
		})
	},
	Fields: []Field{
		{"ingress", onGroup(func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
				GroupId: id, IpPermissions: []types.IpPermission{{
					IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: id, Description: aws.String("each other")}}}}})
			return err
		})},
	},
	Foreign: SecurityGroup.Foreign,
}
