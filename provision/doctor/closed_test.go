package doctor_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// withEndpoint adds a VPC endpoint to the VPC of the closed network.
func withEndpoint(c *clinic, service string, edit func(*ec2.CreateVpcEndpointInput)) {
	ctx, api := context.Background(), ec2.NewFromConfig(c.account.Config(region))
	in := &ec2.CreateVpcEndpointInput{ServiceName: aws.String("com.amazonaws." + region + "." + service), VpcEndpointType: types.VpcEndpointTypeInterface, PrivateDnsEnabled: aws.Bool(true)}
	subnets, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []types.Filter{{Name: aws.String("default-for-az"), Values: []string{"false"}}}})
	c.must(nil, err)
	in.VpcId, in.SubnetIds = subnets.Subnets[0].VpcId, []string{*subnets.Subnets[0].SubnetId}
	c.must(api.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: in.VpcId, EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}}))
	if service == "s3" {
		tables, err := api.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{*in.VpcId}}}})
		c.must(nil, err)
		in.VpcEndpointType, in.SubnetIds, in.PrivateDnsEnabled, in.RouteTableIds = types.VpcEndpointTypeGateway, nil, nil, []string{*tables.RouteTables[0].RouteTableId}
	}
	edit(in)
	c.must(api.CreateVpcEndpoint(ctx, in))
}

func asIs(*ec2.CreateVpcEndpointInput) {}

// block sets VPC Block Public Access.
func block(mode types.InternetGatewayBlockMode) func(*clinic) {
	return func(c *clinic) {
		c.must(ec2.NewFromConfig(c.account.Config(region)).ModifyVpcBlockPublicAccessOptions(context.Background(),
			&ec2.ModifyVpcBlockPublicAccessOptionsInput{InternetGatewayBlockMode: mode}))
	}
}

const bare = ""

// inClosed is an environment without Prefect in the closed network, which has endpoints.
func inClosed(services ...string) func(*clinic) {
	return func(c *clinic) {
		closedNetwork("")(c)
		c.text, _, _ = strings.Cut(c.text, "prefect {")
		for _, s := range services {
			withEndpoint(c, s, asIs)
		}
	}
}

// inTheirs is the closed network with an endpoint in a group that lets nobody in.
func inTheirs(c *clinic) {
	inClosed("ecr.api", "ecr.dkr", "s3")(c)
	withEndpoint(c, "logs", func(in *ec2.CreateVpcEndpointInput) {
		of, err := ec2.NewFromConfig(c.account.Config(region)).CreateSecurityGroup(context.Background(), &ec2.CreateSecurityGroupInput{
			GroupName: aws.String("theirs"), Description: aws.String("theirs"), VpcId: in.VpcId})
		c.must(nil, err)
		in.SecurityGroupIds = []string{*of.GroupId}
	})
}

// narrow narrows the egress of an environment in the closed network.
func (c *clinic) narrow(cidr string) {
	c.text = strings.Replace(c.text, "network {", "network {\negress { cidrs = [\""+cidr+"\"] }", 1)
}

func TestClosedNetwork(t *testing.T) {
	for _, c := range []struct {
		check, name string
		prepare     func(*clinic)
		status      doctor.Status // empty: there is no finding
		says        string
	}{
		{"vpc endpoints", "public subnets", func(*clinic) {}, "", ""},
		{"vpc endpoints", "none", closedNetwork(""), doctor.Warn, "no way to the internet, and no VPC endpoints for ec2, ecr.api, ecr.dkr, ecs, logs, s3, sqs, ssm"},
		{"vpc endpoints", "what none leads to", func(c *clinic) {
			closedNetwork("")(c)
			c.text = regexp.MustCompile(`api_url += "[^"]*"`).ReplaceAllString(c.text, `api_url = "https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000001/workspaces/00000000-0000-0000-0000-000000000002"`)
		}, doctor.Warn, "Prefect's API (api.prefect.cloud)"},
		{"vpc endpoints", "without an agent", inClosed(), doctor.Warn, "no VPC endpoints for ecr.api, ecr.dkr, logs, s3"},
		{"vpc endpoints", "some", inClosed("ecr.api", "s3"), doctor.Warn, "no VPC endpoints for ecr.dkr, logs"},
		{"vpc endpoints", "all", inClosed("ecr.api", "ecr.dkr", "logs", "s3"), doctor.OK, "VPC endpoints for ecr.api, ecr.dkr, logs, s3"},
		{"vpc endpoints", "without the name", func(c *clinic) {
			inClosed("ecr.api", "ecr.dkr", "s3")(c)
			withEndpoint(c, "logs", func(in *ec2.CreateVpcEndpointInput) { in.PrivateDnsEnabled = aws.Bool(false) })
		}, doctor.Warn, "no VPC endpoints for logs"},
		{"vpc endpoints", "S3 by an interface", func(c *clinic) {
			inClosed("ecr.api", "ecr.dkr", "logs")(c)
			withEndpoint(c, "s3", func(in *ec2.CreateVpcEndpointInput) {
				subnets, err := ec2.NewFromConfig(c.account.Config(region)).DescribeSubnets(context.Background(), &ec2.DescribeSubnetsInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{*in.VpcId}}}})
				c.must(nil, err)
				in.VpcEndpointType, in.RouteTableIds, in.SubnetIds = types.VpcEndpointTypeInterface, nil, []string{*subnets.Subnets[0].SubnetId}
			})
		}, doctor.Warn, "no VPC endpoints for s3"},
		{"vpc endpoints", "unseen", func(c *clinic) { closedNetwork("")(c); c.account.Policy = but("ec2:DescribeVpcEndpoints") }, doctor.Warn, "this check needs ec2:DescribeVpcEndpoints"},
		{"vpc endpoints", "a new VPC", func(c *clinic) { c.text = "network {\nvpc = \"new\"\nprivate = true\n}\n" }, "", ""},
		{"vpc endpoints", "a new VPC with all", func(c *clinic) {
			c.text = "network {\nvpc = \"new\"\nprivate = true\n}\n"
			c.must(nil, c.up(c.text))
		}, doctor.OK, "VPC endpoints for ecr.api, ecr.dkr, logs, s3"},
		{"vpc endpoints", "a new VPC with some", func(c *clinic) {
			c.text = "network {\nvpc = \"new\"\nprivate = true\nendpoints = [\"s3\"]\n}\n"
			c.must(nil, c.up(c.text))
		}, doctor.Fail, "no VPC endpoints for ecr.api, ecr.dkr, logs"},
		{"vpc endpoints", "a group that lets nobody in", inTheirs, doctor.Fail, "lets nobody from the subnets in on port 443, and the VPC endpoints are in it for logs"},
		{"vpc endpoints", "a group that EC2 does not return", func(c *clinic) {
			inTheirs(c)
			replying(func(out any) {
				if out, ok := out.(*ec2.DescribeSecurityGroupsOutput); ok {
					out.SecurityGroups = nil
				}
			})(c)
		}, doctor.OK, "VPC endpoints for ecr.api, ecr.dkr, logs, s3"},
		{"egress", "everything", func(*clinic) {}, "", ""},
		{"egress", "the usual ports", func(c *clinic) { c.text = "network {\negress { ports = [443] }\n}\n" }, doctor.OK, "cuts off nothing that the environment certainly needs"},
		{"egress", "no endpoint", func(c *clinic) {
			inClosed("ecr.api", "ecr.dkr", "s3")(c)
			c.narrow("10.0.0.0/8")
		}, doctor.Warn, "only if their addresses are in 10.0.0.0/8: logs"},
		{"egress", "no endpoint, and public addresses", func(c *clinic) {
			inClosed("ecr.api", "ecr.dkr", "s3")(c)
			c.narrow("10.0.0.0/8\", \"52.0.0.0/8")
		}, doctor.OK, "cuts off nothing"},
		{"egress", "an endpoint in the ranges", func(c *clinic) {
			inClosed("ecr.api", "ecr.dkr", "logs", "s3")(c)
			c.narrow("10.0.0.0/8")
		}, doctor.OK, "cuts off nothing"},
		{"egress", "an endpoint elsewhere", func(c *clinic) {
			inClosed("ecr.api", "ecr.dkr", "logs", "s3")(c)
			c.narrow("192.168.0.0/16")
		}, doctor.Warn, "because their VPC endpoints have addresses in 10.0."},
		{"egress", "a new VPC", func(c *clinic) {
			c.text = "network {\nvpc = \"new\"\nnat = \"single\"\nendpoints = [\"s3\"]\negress { cidrs = [\"10.0.0.0/8\"] }\n}\n"
		}, doctor.Warn, "for which the VPC has no VPC endpoints: logs"},
		{"egress", "unseen", func(c *clinic) {
			inClosed()(c)
			c.narrow("10.0.0.0/8")
			c.account.Policy = but("ec2:DescribeVpcEndpoints")
		}, doctor.Warn, "this check needs ec2:DescribeVpcEndpoints"},
		{"public access", "off", func(*clinic) {}, "", ""},
		{"public access", "both ways", block(types.InternetGatewayBlockModeBlockBidirectional), doctor.Fail, "VPC Block Public Access is block-bidirectional in eu-central-1, set by the account"},
		{"public access", "ingress", block(types.InternetGatewayBlockModeBlockIngress), doctor.Fail, "cannot reach the internet through an internet gateway"},
		{"public access", "ingress, with a NAT gateway", func(c *clinic) {
			block(types.InternetGatewayBlockModeBlockIngress)(c)
			c.text = "network {\nvpc = \"new\"\nnat = \"single\"\n}\n"
		}, "", ""},
		{"public access", "excluded", func(c *clinic) {
			block(types.InternetGatewayBlockModeBlockBidirectional)(c)
			api := ec2.NewFromConfig(c.account.Config(region))
			vpcs, err := api.DescribeVpcs(context.Background(), &ec2.DescribeVpcsInput{})
			c.must(nil, err)
			c.must(api.CreateVpcBlockPublicAccessExclusion(context.Background(), &ec2.CreateVpcBlockPublicAccessExclusionInput{
				VpcId: vpcs.Vpcs[0].VpcId, InternetGatewayExclusionMode: types.InternetGatewayExclusionModeAllowBidirectional}))
		}, doctor.OK, "the network is excluded from it"},
		{"public access", "unseen", func(c *clinic) { c.account.Policy = but("ec2:DescribeVpcBlockPublicAccessOptions") }, doctor.Warn, "this check needs ec2:DescribeVpcBlockPublicAccessOptions"},
	} {
		t.Run(c.check+", "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newClinic(t)
				k.carry, k.text = sandbox.Prefect(k.account), bare
				c.prepare(k)
				time.Sleep(3 * time.Minute) // endpoints take a while
				var of []doctor.Finding
				for _, f := range k.look() {
					if f.Check == c.check {
						of = append(of, f)
					}
				}
				if c.status == "" {
					if len(of) > 0 {
						t.Errorf("have\n%s\nwant no finding", text(of))
					}
					return
				}
				if len(of) == 0 || doctor.Worst(of) != c.status || !strings.Contains(text(of), c.says) {
					t.Errorf("have\n%s\nwant %s with %q", text(of), c.status, c.says)
				}
			})
		})
	}
}
