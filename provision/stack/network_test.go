package stack_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const (
	inDefaultVPC = `environment "dev" {}`
	inNewVPC     = "environment \"dev\" {\nnetwork { vpc = \"new\" }\n}"
)

// A file cannot move an environment into a VPC of its own, nor out of it.
func TestVPCChanges(t *testing.T) {
	const ofEarlier = " is the VPC that this environment created, and the config file selects an existing one → run `flowbed down` first"
	for _, c := range []struct{ before, after, want string }{ // with VPC and GROUP for the ids
		{inDefaultVPC, inNewVPC, ", but the config file selects a VPC of its own → run `flowbed down` first"},
		{inNewVPC, inDefaultVPC, ", but the config file selects vpc-"},
		{inNewVPC, inDefaultVPC, ofEarlier},
		{inNewVPC, "environment \"dev\" {\nnetwork {\nvpc = \"VPC\"\nsecurity_groups = [\"GROUP\"]\n}\n}", ofEarlier},
		{inNewVPC, "environment \"dev\" {\nnetwork { security_groups = [\"GROUP\"] }\n}", ofEarlier},
		{inNewVPC, "environment \"dev\" {\nnetwork { vpc_from = \"shared\" }\n}", ofEarlier},
	} {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			group, vpc := companyGroup(t, account)
			for _, text := range []string{lender, c.before} {
				if err := build(t, account, text, stack.Options{}).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			writes := len(account.Writes())
			after := strings.NewReplacer("VPC", vpc, "GROUP", group).Replace(c.after)
			err := build(t, account, after, stack.Options{}).Graph.Up(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: up says %v, want %q", after, err, c.want)
			}
			if made := account.Writes()[writes:]; len(made) > 0 {
				t.Errorf("%s: up has written %v", after, made)
			}
		})
	}
}

// The interface of a NAT gateway has no tags. It does not make down believe that somebody else uses
// the VPC; the NAT gateway of somebody else does.
func TestDownWithNAT(t *testing.T) {
	text := strings.Replace(inNewVPC, "{ vpc", "{\nnat = \"single\"\nvpc", 1)
	text = strings.Replace(text, "\"new\" }", "\"new\"\n}", 1)
	for _, theirs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			before := account.Inventory()
			s := build(t, account, text, stack.Options{})
			if err := s.Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			id := ""
			if theirs {
				api := ec2.NewFromConfig(account.Config(region))
				address, err := api.AllocateAddress(t.Context(), &ec2.AllocateAddressInput{})
				if err != nil {
					t.Fatal(err)
				}
				gateway, err := api.CreateNatGateway(t.Context(), &ec2.CreateNatGatewayInput{SubnetId: &subnetsOf(s)[0], AllocationId: address.AllocationId})
				if err != nil {
					t.Fatal(err)
				}
				id = *gateway.NatGateway.NatGatewayId
			}
			writes := len(account.Writes())
			left, err := build(t, account, text, stack.Options{Destroy: true}).Graph.Down(t.Context())
			switch {
			case !theirs:
				if d := cmp.Diff(before, account.Inventory()); err != nil || !left.Empty() || d != "" {
					t.Errorf("down: %v, %+v; the account has changed (-before +after):\n%s", err, left, d)
				}
			case err == nil || !strings.Contains(err.Error(), "while the NAT gateway "+id+" is in it → delete it (aws ec2 delete-nat-gateway"):
				t.Errorf("down: %v", err)
			case len(account.Writes()) > writes:
				t.Errorf("down has written %v", account.Writes()[writes:])
			}
		})
	}
}

// Down finds a VPC that the file has no more, and a search finds all parts of it.
func TestVPCOfEarlierFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		before := account.Inventory()
		if err := build(t, account, inNewVPC, stack.Options{}).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := build(t, account, inDefaultVPC, stack.Options{Destroy: true})
		p, err := s.Graph.PlanDown(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"vpc", "subnets", "internet gateway", "route tables"} {
			i := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == name })
			if i < 0 || p.Actions[i].Op != provision.Delete {
				t.Errorf("down would not delete the %s: %+v", name, p.Actions[max(i, 0)])
			}
		}
		if left, err := s.Graph.Down(t.Context()); err != nil || !left.Empty() {
			t.Fatalf("down: %v, left %+v", err, left)
		}
		if d := cmp.Diff(before, account.Inventory()); d != "" {
			t.Errorf("the account is not what it was (-before +after):\n%s", d)
		}
	})
}

// Without the line, up deletes the NAT gateways and their addresses, and the network is public again.
func TestNATGoes(t *testing.T) {
	const private = "environment \"dev\" {\nnetwork {\nvpc = \"new\"\nnat = \"per-zone\"\n}\n}"
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		for _, c := range []struct {
			text      string
			addresses int
			public    bool
		}{{inNewVPC, 0, true}, {private, 2, false}, {inNewVPC, 0, true}} {
			if err := build(t, account, c.text, stack.Options{}).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := build(t, account, c.text, stack.Options{})
			p, err := s.Graph.Plan(t.Context())
			if err != nil || p.Err() != nil || !p.Empty() {
				t.Errorf("the plan after up is %+v, %v", p, err)
			}
			api := ec2.NewFromConfig(account.Config(region))
			out, err := api.DescribeAddresses(t.Context(), &ec2.DescribeAddressesInput{})
			if err != nil || len(out.Addresses) != c.addresses {
				t.Errorf("there are %d addresses, want %d; %v", len(out.Addresses), c.addresses, err)
			}
			subnets, err := api.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: subnetsOf(s)})
			if err != nil || len(subnets.Subnets) != 2 || strings.HasSuffix(*subnets.Subnets[0].CidrBlock, ".0.0/20") != c.public {
				t.Errorf("the network has the subnets %+v, %v", subnets, err)
			}
		}
	})
}

func subnetsOf(s *stack.Stack) []string {
	for _, o := range s.Outputs() {
		if o.Name == "subnets" {
			return o.List
		}
	}
	return nil
}

// Down deletes no part of a network that something left behind needs.
func TestVPCOfWhatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		if err := build(t, account, inNewVPC, stack.Options{}).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		api := ec2.NewFromConfig(account.Config(region))
		loseTags(t, api, "flowbed-dev-tasks")
		left, err := build(t, account, inNewVPC, stack.Options{Destroy: true}).Graph.Down(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(left.Actions, func(a provision.Action) bool { return a.Step == "vpc" })
		if i < 0 || left.Actions[i].Op != provision.Leave || !strings.Contains(left.Actions[i].Owner.Leave, "the security group flowbed-dev-tasks, which is left, is in it") {
			t.Errorf("down leaves %+v", left.Actions)
		}
	})
}

func loseTags(t *testing.T, api *ec2.Client, name string) {
	t.Helper()
	out, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range out.SecurityGroups {
		if *g.GroupName == name {
			if _, err := api.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{*g.GroupId}, Tags: g.Tags}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
