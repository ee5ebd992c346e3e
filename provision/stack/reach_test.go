package stack_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// subnetWith creates a VPC with a subnet that leads nowhere, and a security group.
func subnetWith(t *testing.T, account *sandbox.Account) (network, group string) {
	t.Helper()
	api := ec2.NewFromConfig(account.Config(region))
	vpc, err := api.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	subnet, err := api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String("10.0.1.0/24"), AvailabilityZone: aws.String(region + "a")})
	if err != nil {
		t.Fatal(err)
	}
	of, err := api.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("x"), Description: aws.String("x"), VpcId: vpc.Vpc.VpcId})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("vpc = %q\nsubnets = [%q]", *vpc.Vpc.VpcId, *subnet.Subnet.SubnetId), fmt.Sprintf("security_groups = [%q]", *of.GroupId)
}

// The plan says what is certainly out of reach of subnets without a way out, also where flowbed has no
// group of its own; what may be in the VPC is not among it.
func TestOutOfReach(t *testing.T) {
	const (
		cloud    = "prefect {\napi_url = \"https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000001/workspaces/00000000-0000-0000-0000-000000000002\"\napi_key = \"pnu_0123456789abcdef\"\n}\n"
		internal = "prefect {\napi_url = \"https://prefect.example.com/api\"\n}\n"
		image    = "flows { image = \"123456789012.dkr.ecr.eu-central-1.amazonaws.com/flows:1\" }\n"
		theAgent = "agent {\ninstance_type = \"t3.small\"\n}\n"
		indexed  = "agent {\ninstance_type = \"t3.small\"\npip_index_url = \"https://packages.example.com/simple\"\n}\n"
		private  = "vpc = \"new\"\nprivate = true"
	)
	for _, c := range []struct {
		name, network, rest string
		groups              bool
		want, not           []string
	}{
		{"all", "", cloud + theAgent, false, []string{"Prefect's API (api.prefect.cloud) and the registry of the image prefecthq/prefect:3.9.1-python3.12 (registry-1.docker.io) and the package index (pypi.org) cannot be reached from subnet-"}, nil},
		{"groups of others", "", cloud + theAgent, true, []string{"api.prefect.cloud", "set agent.pip_index_url or agent.proxy"}, nil},
		{"a new VPC", private, cloud + theAgent, false, []string{"cannot be reached from the private subnets, which have no way out → use a Prefect server in reach from the VPC; set flows.image to an image in ECR, or add a repository block; set agent.pip_index_url or agent.proxy; or use subnets with a NAT gateway"}, nil},
		{"all inside", private, internal + image + indexed, false, nil, []string{"cannot be reached"}},
		{"the packages alone", private, internal + image + theAgent, false, []string{"pypi.org"}, []string{"Prefect's API", "docker.io"}},
		{"a repository", private, internal + "repository {}\n" + indexed, false, nil, []string{"cannot be reached"}},
		{"a service", private, internal + image + "agent {\nservice {}\n}\n", false, []string{"the registry of the image prefecthq/prefect-aws:0.7.12-python3.12-prefect3.9.1 (registry-1.docker.io)"}, []string{"flows.image"}},
		{"public subnets", "vpc = \"new\"", cloud + theAgent, false, nil, []string{"cannot be reached"}},
		{"a NAT gateway", "vpc = \"new\"\nnat = \"single\"", cloud + theAgent, false, nil, []string{"cannot be reached"}},
		{"the closed VPC of another environment", `vpc_from = "shared"`, cloud + theAgent, false, []string{"Prefect's API (api.prefect.cloud) and the registry", "cannot be reached from subnet-"}, nil},
		{"public subnets without addresses", "public_ip = false", cloud + theAgent, false, []string{"public_ip is false", "api.prefect.cloud"}, nil},
	} {
		t.Run(c.name, inBubble(func(t *testing.T) {
			account := sandbox.New()
			up(t, account, "environment \"shared\" {\nnetwork {\n"+private+"\n}\n}")
			network := c.network
			if network == "" {
				closed, group := subnetWith(t, account)
				if network = closed; c.groups {
					network += "\n" + group
				}
			}
			p, err := build(t, account, "environment \"dev\" {\nnetwork {\n"+network+"\n}\n"+c.rest+"}", stack.Options{NoWait: true, Transport: sandbox.Prefect(account)}).Graph.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var notes []string
			for _, a := range p.Actions {
				for _, n := range a.Notes {
					if n.Severity == provision.Warn && !slices.Contains(notes, n.Text) {
						notes = append(notes, n.Text)
					}
				}
			}
			have := strings.Join(notes, "\n")
			for _, w := range c.want {
				if !strings.Contains(have, w) {
					t.Errorf("the plan warns\n%s\nwant %q", have, w)
				}
			}
			for _, w := range c.not {
				if strings.Contains(have, w) {
					t.Errorf("the plan warns\n%s\nwant nothing of %q", have, w)
				}
			}
		}))
	}
}

// inBubble runs a test in virtual time.
func inBubble(f func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}
