package stack_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
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

// What the file has no more of NAT gateways and addresses goes, wherever an earlier run was killed, and
// only after the routes have moved.
func TestNATGoes(t *testing.T) {
	for _, c := range []struct {
		before, after string
		nats          int
	}{
		{`nat = "per-zone"`, "", 0},
		{"", `nat = "per-zone"`, 2},
		{`nat = "per-zone"`, `nat = "single"`, 1},
		{"nat = \"per-zone\"\nzones = 3", `nat = "per-zone"`, 2},
		{"nat = \"per-zone\"\nzones = 3", "nat = \"single\"\nzones = 1", 1},
	} {
		t.Run(c.before+" to "+c.after, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, after := inVPCAlone(c.before), inVPCAlone(c.after)
				for n := 0; ; n++ {
					account := sandbox.New()
					up(t, account, before)
					cut(account, n)
					past := len(account.Writes())
					killed := build(t, account, after, noPrefect).Graph.Up(t.Context())
					account.Fault = nil
					if killed == nil {
						routesFirst(t, account.Writes()[past:])
					}
					up(t, account, after)
					wantNATs(t, account, after, c.nats)
					if t.Failed() {
						t.Fatalf("killed after %d writes: %v", n, killed)
					}
					if killed == nil {
						break
					}
				}
			})
		})
	}
}

// inVPCAlone is an environment with a VPC of its own, and no agent.
func inVPCAlone(lines string) string {
	return "environment \"dev\" {\nnetwork {\nvpc = \"new\"\n" + lines + "\n}\n}"
}

// routesFirst checks the order of the writes of a whole run.
func routesFirst(t *testing.T, writes []sandbox.Call) {
	t.Helper()
	ranks := map[string]int{"ReplaceRoute": 1, "ReplaceRouteTableAssociation": 1, "DeleteNatGateway": 2, "ReleaseAddress": 3}
	writes = slices.DeleteFunc(writes, func(c sandbox.Call) bool { return ranks[c.Operation] == 0 })
	if !slices.IsSortedFunc(writes, func(a, b sandbox.Call) int { return ranks[a.Operation] - ranks[b.Operation] }) {
		t.Errorf("up makes %+v, want routes first, and addresses last", writes)
	}
}

// wantNATs checks that there are so many NAT gateways and addresses, that the private subnets use them, and that
// nothing is left to do.
func wantNATs(t *testing.T, account *sandbox.Account, text string, want int) {
	t.Helper()
	s := build(t, account, text, noPrefect)
	p, err := s.Graph.Plan(t.Context())
	if err != nil || p.Err() != nil || !p.Empty() {
		t.Errorf("the plan after up is %+v, %v", p, err)
	}
	api := ec2.NewFromConfig(account.Config(region))
	out, err := api.DescribeAddresses(t.Context(), &ec2.DescribeAddressesInput{})
	if err != nil || len(out.Addresses) != want {
		t.Errorf("there are %d addresses, want %d; %v", len(out.Addresses), want, err)
	}
	gateways, err := api.DescribeNatGateways(t.Context(), &ec2.DescribeNatGatewaysInput{Filter: []types.Filter{{Name: aws.String("state"), Values: []string{"available", "pending", "deleting"}}}})
	if err != nil || len(gateways.NatGateways) != want {
		t.Errorf("there are %d NAT gateways, want %d; %v", len(gateways.NatGateways), want, err)
	}
	for _, id := range subnetsOf(s) {
		out := routeOf(t, api, id)
		if lives := slices.ContainsFunc(gateways.NatGateways, func(g types.NatGateway) bool { return *g.NatGatewayId == out }); lives != (want > 0) {
			t.Errorf("the default route of %s leads to %q", id, out)
		}
	}
	sameCosts(t, account, s)
}

// What outlasts a VPC goes with a down that knows no file, too.
func TestDownWithoutVPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		before := account.Inventory()
		api := ec2.NewFromConfig(account.Config(region))
		id := resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}
		tags := func(kind types.ResourceType) (list []types.TagSpecification) {
			list = []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: aws.String(resource.KeyPart), Value: aws.String("nat-1")}}}}
			for k, v := range id.Tags("flowbed-dev") {
				list[0].Tags = append(list[0].Tags, types.Tag{Key: &k, Value: &v})
			}
			return list
		}
		if _, err := api.AllocateAddress(t.Context(), &ec2.AllocateAddressInput{TagSpecifications: tags(types.ResourceTypeElasticIp)}); err != nil {
			t.Fatal(err)
		}
		if _, err := api.CreateInternetGateway(t.Context(), &ec2.CreateInternetGatewayInput{TagSpecifications: tags(types.ResourceTypeInternetGateway)}); err != nil {
			t.Fatal(err)
		}
		left, err := build(t, account, inDefaultVPC, stack.Options{Destroy: true}).Graph.Down(t.Context())
		if err != nil || !left.Empty() {
			t.Fatalf("down: %v, left %+v", err, left)
		}
		if d := cmp.Diff(before, account.Inventory()); d != "" {
			t.Errorf("the account is not what it was (-before +after):\n%s", d)
		}
	})
}

// TestOutputsOfANetwork: outputs, which looks at the account as down does, names the subnets in which
// tasks run.
func TestOutputsOfANetwork(t *testing.T) {
	for _, nat := range []string{"none", "single", "per-zone"} {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			text := fmt.Sprintf("environment \"dev\" {\nnetwork {\nvpc = \"new\"\nnat = %q\n}\n}", nat)
			s := build(t, account, text, stack.Options{})
			if err := s.Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			look := build(t, account, text, stack.Options{Destroy: true, NoPrefect: true})
			if err := look.Graph.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			if want, have := subnetsOf(s), subnetsOf(look); len(want) != 2 || !slices.Equal(have, want) {
				t.Errorf("nat %s: have %v, want %v", nat, have, want)
			}
		})
	}
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

// A part of the network that lost the tag which says what it is gets the tag again by its name. Without a name, too, up
// does not take it for one that the file has no more.
func TestPartWithoutTag(t *testing.T) {
	for _, c := range []struct {
		lose []string
		same bool // nothing is created in its place
	}{
		{[]string{resource.KeyPart}, true},
		{[]string{resource.KeyPart, "Name"}, false},
	} {
		t.Run(strings.Join(c.lose, " "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				text := inVPCAlone(`nat = "single"`)
				up(t, account, text)
				before := account.Inventory()
				api := ec2.NewFromConfig(account.Config(region))
				lose := &ec2.DeleteTagsInput{}
				for _, key := range c.lose {
					lose.Tags = append(lose.Tags, types.Tag{Key: &key})
				}
				tables, err := api.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{{Name: aws.String("tag-key"), Values: c.lose[:1]}}})
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range tables.RouteTables {
					lose.Resources = append(lose.Resources, *o.RouteTableId)
				}
				addresses, err := api.DescribeAddresses(t.Context(), &ec2.DescribeAddressesInput{})
				if err != nil {
					t.Fatal(err)
				}
				gateways, err := api.DescribeNatGateways(t.Context(), &ec2.DescribeNatGatewaysInput{})
				if err != nil {
					t.Fatal(err)
				}
				lose.Resources = append(lose.Resources, *addresses.Addresses[0].AllocationId, *gateways.NatGateways[0].NatGatewayId)
				if _, err := api.DeleteTags(t.Context(), lose); err != nil || len(lose.Resources) != 4 {
					t.Fatal(lose.Resources, err)
				}

				past := len(account.Writes())
				if err := build(t, account, text, noPrefect).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, call := range account.Writes()[past:] {
					if takes(call) || c.same && call.Operation != "CreateTags" {
						t.Errorf("up makes %s", call)
					}
				}
				if d := cmp.Diff(before, account.Inventory()); c.same && d != "" {
					t.Errorf("the account is not what it was (-before +after):\n%s", d)
				}
			})
		})
	}
}

// TestNATGoesLast: what the file has no more of the way out goes only after the agent has moved, and its new
// worker is online. If the agent cannot move, the old one keeps its way out. The plan warns for the flow runs.
func TestNATGoesLast(t *testing.T) {
	service := func(network string) string {
		return strings.Replace(inService(""), "prefect {", "network {\nvpc = \"new\"\n"+network+"\n}\nprefect {", 1)
	}
	for name, c := range map[string]struct {
		text  func(network string) string
		moves string        // the call that does
		after time.Duration // until the new worker is online
	}{
		"instance": {func(network string) string { return inVPC(network) }, "RunInstances", 80 * time.Second},
		"service":  {service, "UpdateService", 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := slow()
				if err := build(t, account, c.text("nat = \"single\"\nendpoints = [\"logs\"]"), with(account)).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				p, err := build(t, account, c.text(""), with(account)).Graph.Plan(t.Context())
				if err != nil || p.Err() != nil {
					t.Fatal(err, p.Err())
				}
				warned := 0
				for _, a := range p.Actions {
					for _, n := range a.Notes {
						if n.Severity == provision.Warn && strings.Contains(n.Text, "way out") {
							warned++
						}
					}
				}
				if warned != 1 {
					t.Errorf("the plan has %d warnings of the way out of the flow runs, want one: %+v", warned, p.Actions)
				}

				past := len(account.Writes())
				account.Fault = func(call sandbox.Call) sandbox.Fault {
					if call.Operation == c.moves {
						return sandbox.Fault{Refuse: errors.New("no")}
					}
					return sandbox.Fault{}
				}
				if err := build(t, account, c.text(""), with(account)).Graph.Up(t.Context()); err == nil {
					t.Error("up succeeds without " + c.moves)
				}
				for _, call := range account.Writes()[past:] {
					if takes(call) {
						t.Errorf("up makes %s although the agent has not moved", call)
					}
				}

				var moved time.Time
				account.Fault = func(call sandbox.Call) sandbox.Fault {
					if call.Operation == c.moves {
						moved = time.Now()
					}
					if takes(call) && (moved.IsZero() || time.Since(moved) < c.after) {
						t.Errorf("up makes %s before the new worker is online", call)
					}
					return sandbox.Fault{}
				}
				if err := build(t, account, c.text(""), with(account)).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// takes reports whether a call takes a way out away.
func takes(c sandbox.Call) bool {
	return slices.Contains([]string{"DeleteNatGateway", "DeleteVpcEndpoints", "ReleaseAddress"}, c.Operation)
}
