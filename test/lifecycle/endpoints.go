package lifecycle

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const endpointGroup = "flowbed-dev-endpoints"

// withEndpoints gives the environment of config.hcl.example a closed VPC with endpoints.
var withEndpoints = []string{`vpc( +)= "default"`, `vpc${1}= "new"` + "\n" + `private = true` + "\n" + `endpoints = ["s3", "logs"]`}

// Endpoints are the VPC endpoints of a VPC of its own.
var Endpoints = register(Case{
	Name: "vpc endpoints", Step: "vpc endpoints", Edits: withEndpoints,
	Add: func(w *World, g *provision.Graph) {
		vpc := addVPC(w, g)
		subnets := addSubnets(w, g, vpc)
		routes := provision.Add(g, "route tables", provision.Own, resource.RouteTables{
			API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: networkName, VPC: vpc,
			Subnets: subnets, Gateway: addInternetGateway(w, g, vpc), Made: new(resource.Launched),
		})
		group := provision.Add(g, "endpoint security group", provision.Own, resource.SecurityGroup{
			API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: endpointGroup, Description: "the endpoints", OfEndpoints: true, NewVPC: true,
			Network: provision.Derive(resource.InVPC{VPC: vpc}),
		})
		provision.Add(g, "vpc endpoints", provision.Own, resource.Endpoints{
			API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: networkName, VPC: vpc,
			Subnets: subnets, Routes: routes, Group: group, Services: []string{"logs", "s3"},
		})
	},
	Fields: []Field{
		{"endpoint", onEndpoint("logs", func(ctx context.Context, api *ec2.Client, e types.VpcEndpoint) error {
			_, err := api.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
			return err
		})},
		{"route tables", onEndpoint("s3", func(ctx context.Context, api *ec2.Client, e types.VpcEndpoint) error {
			_, err := api.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: e.VpcEndpointId, RemoveRouteTableIds: e.RouteTableIds})
			return err
		})},
		{"subnets", onEndpoint("logs", func(ctx context.Context, api *ec2.Client, e types.VpcEndpoint) error {
			_, err := api.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: e.VpcEndpointId, RemoveSubnetIds: e.SubnetIds[:1]})
			return err
		})},
		{"security groups", onEndpoint("logs", func(ctx context.Context, api *ec2.Client, e types.VpcEndpoint) error {
			all, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: append(by("vpc-id", *e.VpcId), by("group-name", "default")...)})
			if err != nil {
				return err
			}
			_, err = api.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: e.VpcEndpointId, AddSecurityGroupIds: []string{*all.SecurityGroups[0].GroupId}})
			return err
		})},
		{"private DNS", onEndpoint("logs", func(ctx context.Context, api *ec2.Client, e types.VpcEndpoint) error {
			_, err := api.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: e.VpcEndpointId, PrivateDnsEnabled: aws.Bool(false)})
			return err
		})},
		{"tags", onEndpoint("s3", func(ctx context.Context, api *ec2.Client, e types.VpcEndpoint) error {
			return untag(ctx, api, *e.VpcEndpointId)
		})},
	},
	Foreign: foreignVPC, Beside: true, Others: otherVPCs,
})

// onEndpoint finds the environment's endpoint for a service.
func onEndpoint(service string, f func(context.Context, *ec2.Client, types.VpcEndpoint) error) func(context.Context, *World) error {
	return onEC2(func(ctx context.Context, w *World, api *ec2.Client) error {
		out, err := api.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{
			Filters: append(w.ours(), append(by("vpc-endpoint-state", "available"), by("service-name", "com.amazonaws."+w.ID.Region+"."+service)...)...)})
		if err != nil || len(out.VpcEndpoints) != 1 {
			return fmt.Errorf("there are %d endpoints for %s, want 1: %w", len(out.VpcEndpoints), service, err)
		}
		return f(ctx, api, out.VpcEndpoints[0])
	})
}
