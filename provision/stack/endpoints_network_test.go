package stack_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// inVPC is an environment with a VPC of its own and an agent.
func inVPC(lines ...string) string {
	return "environment \"dev\" {\nnetwork {\nvpc = \"new\"\n" + strings.Join(lines, "\n") + "\n}\n" + fmt.Sprintf(agent3, "https://prefect.example.com") + "\n}"
}

func endpointsIn(t *testing.T, api *ec2.Client) (services []string, of map[string]types.VpcEndpoint) {
	t.Helper()
	out, err := api.DescribeVpcEndpoints(t.Context(), &ec2.DescribeVpcEndpointsInput{})
	if err != nil {
		t.Fatal(err)
	}
	of = map[string]types.VpcEndpoint{}
	for _, e := range out.VpcEndpoints {
		name := strings.TrimPrefix(*e.ServiceName, "com.amazonaws."+region+".")
		services, of[name] = append(services, name), e
	}
	slices.Sort(services)
	return services, of
}

// Each file, from whatever came before, leads to its endpoints, its routes and its subnets, in which the
// agent is, and down leaves nothing. The plan says that the agent moves.
func TestEndpointsChange(t *testing.T) {
	const all = "ec2 ecr.api ecr.dkr ecs ecs-agent ecs-telemetry logs s3 secretsmanager sqs ssm ssmmessages sts"
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		before := account.Inventory()
		api := ec2.NewFromConfig(account.Config(region))
		for _, c := range []struct {
			lines, want string
			out         string // the target of the default route where tasks run
			moves       bool
		}{
			{`endpoints = ["s3"]`, "s3", "igw", false},
			{`private = true`, all, "", true},
			{`endpoints = ["s3"]`, "s3", "igw", true},
			{"zones = 3", "", "igw", false},
			{"zones = 1", "", "igw", false},
			{`nat = "single"`, "", "nat", true},
			{"private = true\nendpoints = [\"s3\", \"logs\"]", "logs s3", "", false},
			{"nat = \"per-zone\"\nendpoints = [\"logs\"]", "logs", "nat", false},
			{"", "", "igw", true},
			{`private = true`, all, "", true},
		} {
			text := inVPC(c.lines)
			p, err := build(t, account, text, stack.Options{NoWait: true, Transport: sandbox.Prefect(account)}).Graph.Plan(t.Context())
			if err != nil || p.Err() != nil {
				t.Fatal(err, p.Err())
			}
			if moves := slices.ContainsFunc(p.Actions, func(a provision.Action) bool {
				return a.Step == "agent instance" && a.Op == provision.Replace
			}); moves != c.moves {
				t.Errorf("%s: the plan says that the agent moves: %t, want %t", c.lines, moves, c.moves)
			}
			if err := build(t, account, text, stack.Options{NoWait: true, Transport: sandbox.Prefect(account)}).Graph.Up(t.Context()); err != nil {
				t.Fatalf("%s: %v", c.lines, err)
			}
			s := build(t, account, text, stack.Options{NoWait: true, Transport: sandbox.Prefect(account)})
			p, err = s.Graph.Plan(t.Context())
			if err != nil || p.Err() != nil || !p.Empty() {
				t.Fatalf("%s: the plan after up is %+v, %v", c.lines, p, err)
			}
			if m := machines(t, account); len(m) != 1 || !slices.Contains(subnetsOf(s), *m[0].SubnetId) || (m[0].PublicIpAddress != nil) != (c.out == "igw") {
				t.Errorf("%s: the agents are in %q, want one in one of %v", c.lines, placesOf(t, account), subnetsOf(s))
			}
			if have, _ := endpointsIn(t, api); strings.Join(have, " ") != c.want {
				t.Errorf("%s: there are endpoints for %v, want %s", c.lines, have, c.want)
			}
			if out := routeOf(t, api, subnetsOf(s)[0]); !strings.HasPrefix(out, c.out) || (c.out == "") != (out == "") {
				t.Errorf("%s: the default route of the tasks is %q, want %q", c.lines, out, c.out)
			}
		}
		left, err := build(t, account, inDefaultVPC, stack.Options{Destroy: true, Transport: sandbox.Prefect(account)}).Graph.Down(t.Context())
		if err != nil || !left.Empty() {
			t.Fatalf("down: %v, left %+v", err, left)
		}
		if d := cmp.Diff(before, account.Inventory()); d != "" {
			t.Errorf("the account is not what it was (-before +after):\n%s", d)
		}
	})
}

// routeOf is the target of the default route of a subnet.
func routeOf(t *testing.T, api *ec2.Client, subnet string) string {
	t.Helper()
	out, err := api.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{{Name: aws.String("association.subnet-id"), Values: []string{subnet}}}})
	if err != nil || len(out.RouteTables) != 1 {
		t.Fatalf("%s has %d route tables: %v", subnet, len(out.RouteTables), err)
	}
	for _, r := range out.RouteTables[0].Routes {
		if aws.ToString(r.DestinationCidrBlock) == "0.0.0.0/0" {
			return aws.ToString(r.GatewayId) + aws.ToString(r.NatGatewayId)
		}
	}
	return ""
}

// The group of the endpoints lets in the VPC on port 443, and nobody else: environments that use
// the VPC of this one find the endpoints under the services' names, too.
func TestEndpointGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		api := ec2.NewFromConfig(account.Config(region))
		if err := build(t, account, inVPC("private = true\ncidr = \"10.1.0.0/16\""), stack.Options{NoWait: true, Transport: sandbox.Prefect(account)}).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		out, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{
			Filters: []types.Filter{{Name: aws.String("group-name"), Values: []string{"flowbed-dev-endpoints"}}}})
		if err != nil || len(out.SecurityGroups) != 1 {
			t.Fatal(out, err)
		}
		var have []string
		for _, p := range out.SecurityGroups[0].IpPermissions {
			for _, r := range p.IpRanges {
				have = append(have, fmt.Sprintf("%s %d-%d %s", *p.IpProtocol, *p.FromPort, *p.ToPort, *r.CidrIp))
			}
			if len(p.UserIdGroupPairs)+len(p.Ipv6Ranges)+len(p.PrefixListIds) > 0 {
				t.Errorf("the group also lets in %+v", p)
			}
		}
		if d := cmp.Diff([]string{"tcp 443-443 10.1.0.0/16"}, have); d != "" {
			t.Errorf("the group lets in (-want +have):\n%s", d)
		}
	})
}

// In a closed network, the workers of a service start and report if there are endpoints for what they
// need, and they do not if one is missing.
func TestClosedEnvironment(t *testing.T) {
	const text = `environment "dev" {
	network {
		vpc       = "new"
		private   = true
		endpoints = [%s]
		%s
	}
	prefect {
		api_url = "http://10.42.0.9:4200/api"
		api_key = "pnu_0123456789abcdef"
	}
	flows { image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/worker:1" }
	agent {
		service { image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/worker:1" }
	}
}`
	const need = `"s3", "ecr.api", "ecr.dkr", "logs", "ssm", "ecs", "ec2", "sqs"`
	for endpoints, want := range map[string]string{
		`"all"`: "", need: "",
		strings.Replace(need, `"s3", `, "", 1):                    "does not reach the registry of its image",
		strings.Replace(need, `"ecr.api",`, "", 1):                "does not reach the registry of its image",
		strings.Replace(need, `"ecr.dkr",`, "", 1):                "does not reach the registry of its image",
		strings.Replace(need, `"ssm",`, "", 1):                    "does not reach an endpoint of AWS",
		strings.Replace(need, `"logs",`, "", 1):                   "does not reach CloudWatch Logs",
		need + "|10.42.0.0/16":                                    "",
		strings.Replace(need, `"logs",`, "", 1) + "|10.42.0.0/16": "does not reach CloudWatch Logs",
	} {
		t.Run(endpoints, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := slow()
				api := ecr.NewFromConfig(account.Config(region))
				if _, err := api.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String("worker")}); err != nil {
					t.Fatal(err)
				}
				if _, err := api.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: aws.String("worker"), ImageTag: aws.String("1"), ImageManifest: aws.String("{}")}); err != nil {
					t.Fatal(err)
				}
				endpoints, cidr, narrow := strings.Cut(endpoints, "|")
				egress := ""
				if narrow {
					egress = fmt.Sprintf("egress { cidrs = [%q] }", cidr)
				}
				err := build(t, account, fmt.Sprintf(text, endpoints, egress), with(account)).Graph.Up(t.Context())
				if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("up: %v, want %q", err, want)
				}
			})
		})
	}
}

// VPC Block Public Access closes the internet gateway, unless the VPC is excluded.
func TestBlockedPublicAccess(t *testing.T) {
	for _, excluded := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			account := slow()
			api := ec2.NewFromConfig(account.Config(region))
			if _, err := api.ModifyVpcBlockPublicAccessOptions(t.Context(), &ec2.ModifyVpcBlockPublicAccessOptionsInput{
				InternetGatewayBlockMode: types.InternetGatewayBlockModeBlockIngress}); err != nil {
				t.Fatal(err)
			}
			vpcs, err := api.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
			if err != nil {
				t.Fatal(err)
			}
			if excluded {
				if _, err := api.CreateVpcBlockPublicAccessExclusion(t.Context(), &ec2.CreateVpcBlockPublicAccessExclusionInput{
					VpcId: vpcs.Vpcs[0].VpcId, InternetGatewayExclusionMode: types.InternetGatewayExclusionModeAllowBidirectional}); err != nil {
					t.Fatal(err)
				}
			}
			err = build(t, account, inService(""), with(account)).Graph.Up(t.Context())
			if (err == nil) != excluded {
				t.Errorf("excluded: %v; up: %v", excluded, err)
			}
		})
	}
}

// An endpoint of somebody else for the same service stops up, and any stops down, before they write.
func TestForeignEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		api := ec2.NewFromConfig(account.Config(region))
		if err := build(t, account, inVPC(), stack.Options{NoWait: true, Transport: sandbox.Prefect(account)}).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := build(t, account, inVPC(), stack.Options{NoWait: true, Transport: sandbox.Prefect(account)})
		if _, err := s.Graph.Plan(t.Context()); err != nil {
			t.Fatal(err)
		}
		subnets, err := api.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: subnetsOf(s)})
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := api.CreateVpcEndpoint(t.Context(), &ec2.CreateVpcEndpointInput{
			VpcId: subnets.Subnets[0].VpcId, ServiceName: aws.String("com.amazonaws." + region + ".logs"), VpcEndpointType: types.VpcEndpointTypeInterface,
			SubnetIds: []string{*subnets.Subnets[0].SubnetId}, PrivateDnsEnabled: aws.Bool(true),
		})
		if err != nil {
			t.Fatal(err)
		}
		id, writes := *theirs.VpcEndpoint.VpcEndpointId, len(account.Writes())
		err = build(t, account, inVPC(`endpoints = ["logs"]`), stack.Options{NoWait: true, Transport: sandbox.Prefect(account)}).Graph.Up(t.Context())
		if err == nil || !strings.Contains(err.Error(), id+", which was created outside flowbed, is an endpoint for logs") {
			t.Errorf("up: %v", err)
		}
		_, err = build(t, account, inVPC(), stack.Options{Destroy: true, Transport: sandbox.Prefect(account)}).Graph.Down(t.Context())
		if err == nil || !strings.Contains(err.Error(), "while the VPC endpoint "+id+" (logs) is in it → delete it (aws ec2 delete-vpc-endpoints") {
			t.Errorf("down: %v", err)
		}
		if len(account.Writes()) > writes {
			t.Errorf("up and down have written %v", account.Writes()[writes:])
		}
	})
}

// The plan says what endpoints cost; that of S3 costs nothing.
func TestCostOfEndpoints(t *testing.T) {
	for lines, want := range map[string]string{
		`endpoints = ["s3"]`:        "",
		"private = true":            "12 VPC endpoint(s) with interfaces in 2 zone(s) cost about $210 a month (in eu-central-1)",
		`endpoints = ["s3", "ssm"]`: "1 VPC endpoint(s) with interfaces in 2 zone(s) cost about $18 a month (in eu-central-1)",
	} {
		account := sandbox.New()
		p, err := build(t, account, inVPC(lines), stack.Options{NoWait: true, Transport: sandbox.Prefect(account)}).Graph.Plan(t.Context())
		if err != nil || p.Err() != nil {
			t.Fatal(err, p.Err())
		}
		i := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == "vpc endpoints" })
		var have []string
		for _, n := range p.Actions[i].Notes {
			have = append(have, n.Text)
		}
		if text := strings.Join(have, "\n"); (want == "") != (text == "") || !strings.Contains(text, want) {
			t.Errorf("%s: the plan says %q, want %q", lines, text, want)
		}
	}
}
