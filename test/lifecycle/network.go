package lifecycle

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const networkName = "flowbed-dev"

// ofNewVPC gives the environment of config.hcl.example a VPC of its own.
var ofNewVPC = []string{`vpc( +)= "default"`, `vpc${1}= "new"`}

// VPC is the environment's own VPC.
var VPC = register(Case{
	Name: "vpc", Step: "vpc", Edits: ofNewVPC,
	Add: func(w *World, g *provision.Graph) { addSubnets(w, g, addVPC(w, g)) }, // a VPC in use can be told from an empty one
	Fields: []Field{
		{"dns hostnames", onVPC(func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: id, EnableDnsHostnames: off()})
			return err
		})},
		{"dns support", onVPC(func(ctx context.Context, api *ec2.Client, id *string) error {
			_, err := api.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: id, EnableDnsSupport: off()})
			return err
		})},
		{"double", func(ctx context.Context, w *World) error {
			_, err := ec2.NewFromConfig(w.Config).CreateVpc(ctx, &ec2.CreateVpcInput{
				CidrBlock: aws.String("10.42.0.0/16"), TagSpecifications: ec2TagsFor(w.ID.Tags(networkName), types.ResourceTypeVpc)})
			return err
		}},
		{"tags", onVPC(func(ctx context.Context, api *ec2.Client, id *string) error { return untag(ctx, api, *id) })},
	},
	Foreign: foreignVPC, Beside: true, Others: otherVPCs,
})

// InternetGateway is the gateway of that VPC.
var InternetGateway = register(Case{
	Name: "internet gateway", Step: "internet gateway", Edits: ofNewVPC,
	Add: func(w *World, g *provision.Graph) { addInternetGateway(w, g, addVPC(w, g)) },
	Fields: []Field{
		{"double", func(ctx context.Context, w *World) error {
			_, err := ec2.NewFromConfig(w.Config).CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{
				TagSpecifications: ec2TagsFor(w.ID.Tags(networkName), types.ResourceTypeInternetGateway)})
			return err
		}},
		{"tags", func(ctx context.Context, w *World) error {
			api := ec2.NewFromConfig(w.Config)
			out, err := api.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: w.ours()})
			if err != nil || len(out.InternetGateways) != 1 {
				return fmt.Errorf("there are %d gateways: %w", len(out.InternetGateways), err)
			}
			return untag(ctx, api, *out.InternetGateways[0].InternetGatewayId)
		}},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := ec2.NewFromConfig(w.Config).CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{
			TagSpecifications: ec2TagsFor(tags, types.ResourceTypeInternetGateway)})
		return err
	},
	Beside: true,
	Others: func(ctx context.Context, w *World) (string, error) {
		out, err := ec2.NewFromConfig(w.Config).DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{})
		if err != nil {
			return "", err
		}
		var ids []string
		for _, g := range out.InternetGateways {
			ids = append(ids, fmt.Sprint(*g.InternetGatewayId, len(g.Tags), len(g.Attachments)))
		}
		slices.Sort(ids)
		return strings.Join(ids, " "), nil
	},
})

// Subnets are the subnets of that VPC.
var Subnets = register(Case{
	Name: "subnets", Step: "subnets", Edits: ofNewVPC,
	Add: func(w *World, g *provision.Graph) { addSubnets(w, g, addVPC(w, g)) },
	Fields: []Field{
		{"subnet", onSubnet(func(ctx context.Context, api *ec2.Client, s types.Subnet) error {
			_, err := api.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId})
			return err
		})},
		{"public addresses by default", onSubnet(func(ctx context.Context, api *ec2.Client, s types.Subnet) error {
			_, err := api.ModifySubnetAttribute(ctx, &ec2.ModifySubnetAttributeInput{
				SubnetId: s.SubnetId, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
			return err
		})},
		{"tags", onSubnet(func(ctx context.Context, api *ec2.Client, s types.Subnet) error { return untag(ctx, api, *s.SubnetId) })},
	},
	Foreign: foreignVPC, Beside: true, Others: otherVPCs,
})

// RouteTables are the route tables of that VPC.
var RouteTables = register(Case{
	Name: "route tables", Step: "route tables", Edits: ofNewVPC,
	Add: func(w *World, g *provision.Graph) {
		vpc := addVPC(w, g)
		provision.Add(g, "route tables", provision.Own, resource.RouteTables{
			API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: networkName, VPC: vpc,
			Subnets: addSubnets(w, g, vpc), Gateway: addInternetGateway(w, g, vpc), Made: new(resource.Launched),
		})
	},
	Fields: []Field{
		{"default route", onTable(func(ctx context.Context, api *ec2.Client, t types.RouteTable) error {
			_, err := api.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: t.RouteTableId, DestinationCidrBlock: aws.String("0.0.0.0/0")})
			return err
		})},
		{"subnet of the route table", onTable(func(ctx context.Context, api *ec2.Client, t types.RouteTable) error {
			_, err := api.DisassociateRouteTable(ctx, &ec2.DisassociateRouteTableInput{AssociationId: t.Associations[0].RouteTableAssociationId})
			return err
		})},
		{"double", func(ctx context.Context, w *World) error {
			return onTable(func(ctx context.Context, api *ec2.Client, t types.RouteTable) error {
				tags := w.ID.Tags(networkName)
				tags[resource.KeyPart] = "public"
				_, err := api.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: t.VpcId, TagSpecifications: ec2TagsFor(tags, types.ResourceTypeRouteTable)})
				return err
			})(ctx, w)
		}},
		{"tags", onTable(func(ctx context.Context, api *ec2.Client, t types.RouteTable) error {
			return untag(ctx, api, *t.RouteTableId)
		})},
	},
	Foreign: foreignVPC, Beside: true, Others: otherVPCs,
})

// withNAT gives the environment of config.hcl.example a VPC with a NAT gateway.
var withNAT = []string{`vpc( +)= "default"`, `vpc${1}= "new"` + "\n" + `nat = "single"`}

// Addresses are the addresses of the NAT gateways.
var Addresses = register(Case{
	Name: "addresses", Step: "addresses", Edits: withNAT,
	Add: func(w *World, g *provision.Graph) { addAddresses(w, g, addVPC(w, g)) },
	Fields: []Field{
		{"double", func(ctx context.Context, w *World) error {
			tags := w.ID.Tags(networkName + "-nat-1")
			tags[resource.KeyPart] = "nat-1"
			_, err := ec2.NewFromConfig(w.Config).AllocateAddress(ctx, &ec2.AllocateAddressInput{TagSpecifications: ec2TagsFor(tags, types.ResourceTypeElasticIp)})
			return err
		}},
		{"tags", func(ctx context.Context, w *World) error {
			api := ec2.NewFromConfig(w.Config)
			out, err := api.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: w.ours()})
			if err != nil || len(out.Addresses) != 1 {
				return fmt.Errorf("there are %d addresses, want 1: %w", len(out.Addresses), err)
			}
			return untag(ctx, api, *out.Addresses[0].AllocationId)
		}},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := ec2.NewFromConfig(w.Config).AllocateAddress(ctx, &ec2.AllocateAddressInput{TagSpecifications: ec2TagsFor(tags, types.ResourceTypeElasticIp)})
		return err
	},
	Beside: true,
	Others: func(ctx context.Context, w *World) (string, error) {
		out, err := ec2.NewFromConfig(w.Config).DescribeAddresses(ctx, &ec2.DescribeAddressesInput{})
		if err != nil {
			return "", err
		}
		var ids []string
		for _, a := range out.Addresses {
			ids = append(ids, fmt.Sprint(*a.AllocationId, len(a.Tags)))
		}
		slices.Sort(ids)
		return strings.Join(ids, " "), nil
	},
})

// NATGateways are the NAT gateways.
var NATGateways = register(Case{
	Name: "nat gateways", Step: "nat gateways", Edits: withNAT,
	Add: func(w *World, g *provision.Graph) {
		vpc := addVPC(w, g)
		provision.Add(g, "nat gateways", provision.Own, resource.NATGateways{
			API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: networkName, VPC: vpc, Count: 1,
			Subnets: addSubnets(w, g, vpc), Addresses: addAddresses(w, g, vpc), Gateway: addInternetGateway(w, g, vpc),
		})
	},
	Fields: []Field{
		{"NAT gateway", onNAT(func(ctx context.Context, api *ec2.Client, id string) error {
			_, err := api.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: &id})
			return err
		})},
		{"tags", onNAT(func(ctx context.Context, api *ec2.Client, id string) error { return untag(ctx, api, id) })},
	},
	Foreign: foreignVPC, Beside: true, Others: otherVPCs,
})

func addAddresses(w *World, g *provision.Graph, vpc provision.Ref[resource.VPCState]) provision.Ref[resource.AddressesState] {
	return provision.Add(g, "addresses", provision.Own, resource.Addresses{
		API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: networkName, VPC: vpc, Count: 1, Made: new(resource.Launched),
	})
}

// onNAT finds the environment's NAT gateway.
func onNAT(f func(ctx context.Context, api *ec2.Client, id string) error) func(context.Context, *World) error {
	return onEC2(func(ctx context.Context, w *World, api *ec2.Client) error {
		out, err := api.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{Filter: append(w.ours(), by("state", "available")...)})
		if err != nil || len(out.NatGateways) != 1 {
			return fmt.Errorf("there are %d NAT gateways, want 1: %w", len(out.NatGateways), err)
		}
		return f(ctx, api, *out.NatGateways[0].NatGatewayId)
	})
}

func addVPC(w *World, g *provision.Graph) provision.Ref[resource.VPCState] {
	return provision.Add(g, "vpc", provision.Own, resource.VPC{
		API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: networkName, CIDR: newRange, Made: new(resource.Launched),
	})
}

var newRange = netip.MustParsePrefix("10.42.0.0/16")

func addInternetGateway(w *World, g *provision.Graph, vpc provision.Ref[resource.VPCState]) provision.Ref[resource.InternetGatewayState] {
	return provision.Add(g, "internet gateway", provision.Own, resource.InternetGateway{
		API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: networkName, VPC: vpc, Made: new(resource.Launched),
	})
}

func addSubnets(w *World, g *provision.Graph, vpc provision.Ref[resource.VPCState]) provision.Ref[resource.SubnetsState] {
	zones := provision.OnDemand(g, "zones", resource.Zones{API: ec2.NewFromConfig(w.Config), ID: w.ID, Type: "t3.micro"})
	return provision.Add(g, "subnets", provision.Own, resource.Subnets{
		API: ec2.NewFromConfig(w.Config), ID: w.ID, Name: networkName, VPC: vpc, CIDR: newRange, Zones: zones, Count: 2,
	})
}

func off() *types.AttributeBooleanValue { return &types.AttributeBooleanValue{Value: aws.Bool(false)} }

func by(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

func (w *World) ours() []types.Filter { return by("tag:"+resource.KeyEnvironment, w.ID.Env) }

// onVPC finds the environment's VPC.
func onVPC(f func(context.Context, *ec2.Client, *string) error) func(context.Context, *World) error {
	return onEC2(func(ctx context.Context, w *World, api *ec2.Client) error {
		out, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: w.ours()})
		if err != nil || len(out.Vpcs) != 1 {
			return fmt.Errorf("there are %d VPCs, want 1: %w", len(out.Vpcs), err)
		}
		return f(ctx, api, out.Vpcs[0].VpcId)
	})
}

// onSubnet finds the last of the environment's subnets.
func onSubnet(f func(context.Context, *ec2.Client, types.Subnet) error) func(context.Context, *World) error {
	return onEC2(func(ctx context.Context, w *World, api *ec2.Client) error {
		out, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: w.ours()})
		if err != nil || len(out.Subnets) != 2 {
			return fmt.Errorf("there are %d subnets, want 2: %w", len(out.Subnets), err)
		}
		slices.SortFunc(out.Subnets, func(a, b types.Subnet) int { return strings.Compare(*a.CidrBlock, *b.CidrBlock) })
		return f(ctx, api, out.Subnets[1])
	})
}

// onTable finds the environment's route table.
func onTable(f func(context.Context, *ec2.Client, types.RouteTable) error) func(context.Context, *World) error {
	return onEC2(func(ctx context.Context, w *World, api *ec2.Client) error {
		out, err := api.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: w.ours()})
		if err != nil || len(out.RouteTables) != 1 {
			return fmt.Errorf("there are %d route tables, want 1: %w", len(out.RouteTables), err)
		}
		return f(ctx, api, out.RouteTables[0])
	})
}

// foreignVPC creates a VPC with the same range and a subnet.
func foreignVPC(ctx context.Context, w *World, tags resource.Tags) error {
	api := ec2.NewFromConfig(w.Config)
	out, err := api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.42.0.0/16"), TagSpecifications: ec2TagsFor(tags, types.ResourceTypeVpc)})
	if err != nil {
		return err
	}
	_, err = api.CreateSubnet(ctx, &ec2.CreateSubnetInput{
		VpcId: out.Vpc.VpcId, CidrBlock: aws.String("10.42.0.0/20"), TagSpecifications: ec2TagsFor(tags, types.ResourceTypeSubnet)})
	return err
}

// otherVPCs describes all VPCs and subnets.
func otherVPCs(ctx context.Context, w *World) (string, error) {
	api := ec2.NewFromConfig(w.Config)
	vpcs, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if err != nil {
		return "", err
	}
	subnets, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	if err != nil {
		return "", err
	}
	var list []string
	for _, v := range vpcs.Vpcs {
		list = append(list, fmt.Sprint(*v.VpcId, *v.CidrBlock, len(v.Tags)))
	}
	for _, s := range subnets.Subnets {
		list = append(list, fmt.Sprint(*s.SubnetId, *s.CidrBlock, len(s.Tags), *s.MapPublicIpOnLaunch))
	}
	slices.Sort(list)
	return strings.Join(list, " "), nil
}
