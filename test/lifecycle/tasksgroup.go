package lifecycle

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const tasksName = "flowbed-dev-tasks"

// TasksGroup is a group whose members can reach each other.
var TasksGroup = register(Case{
	Name: "task security group", Step: "task security group",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "task security group", provision.Own, resource.SecurityGroup{
			API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: tasksName, Description: "the tasks",
			Network: addNetwork(w, g), Self: true,
		})
	},
	Fields: []Field{
		{"ingress", onGroup(tasksName, func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
				GroupId: id, IpPermissions: []types.IpPermission{{
					IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: id, Description: aws.String("each other")}}}}})
			return err
		})},
	},
	Foreign: foreignGroup(tasksName),
})
