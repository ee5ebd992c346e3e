package stack_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// TestServiceInOwnVPC: in a new VPC, the workers of a service run in the subnets that its file says,
// with public addresses only in public ones. Up moves them with the file. Down deletes the service
// before its way out: what is still running may need it.
func TestServiceInOwnVPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		empty := account.Inventory()
		text := func(network string) string {
			return strings.Replace(inService(""), "prefect {", "network {\nvpc = \"new\"\n"+network+"\n}\nprefect {", 1)
		}
		for _, c := range []struct {
			network, out string
			public       bool
			endpoints    string
		}{
			{"", "igw", true, ""},
			{"nat = \"single\"\nendpoints = [\"s3\", \"logs\"]", "nat", false, "logs s3"},
		} {
			if err := build(t, account, text(c.network), with(account)).Graph.Up(t.Context()); err != nil {
				t.Fatalf("%s: %v", c.network, err)
			}
			unchanged(t, account, text(c.network))
			awsvpc := networkOf(t, account)
			if have := awsvpc.AssignPublicIp == ecstypes.AssignPublicIpEnabled; have != c.public {
				t.Errorf("%s: the workers get public addresses: %v, want %v", c.network, have, c.public)
			}
			api := ec2.NewFromConfig(account.Config(region))
			if len(awsvpc.Subnets) != 2 {
				t.Errorf("%s: the workers run in %v, want two subnets", c.network, awsvpc.Subnets)
			}
			for _, id := range awsvpc.Subnets {
				if out := routeOf(t, api, id); !strings.HasPrefix(out, c.out) {
					t.Errorf("%s: the default route of %s leads to %q, want %s", c.network, id, out, c.out)
				}
			}
			if have, _ := endpointsIn(t, api); strings.Join(have, " ") != c.endpoints {
				t.Errorf("%s: there are endpoints for %v, want %q", c.network, have, c.endpoints)
			}
		}

		before := len(account.Writes())
		left, err := build(t, account, text("nat = \"single\""), stack.Options{Destroy: true, Transport: sandbox.Prefect(account)}).Graph.Down(t.Context())
		if err != nil || !left.Empty() {
			t.Fatalf("down: %v, left %+v", err, left)
		}
		var order []string
		way := []string{"ecs:DeleteService", "ec2:DeleteVpcEndpoints", "ec2:DeleteNatGateway", "ec2:ReleaseAddress", "ec2:DeleteSubnet", "ec2:DeleteVpc"}
		for _, w := range account.Writes()[before:] {
			if call := w.String(); slices.Contains(way, call) && !slices.Contains(order, call) {
				order = append(order, call)
			}
		}
		at := func(call string) int { return slices.Index(order, call) }
		for i, call := range way {
			switch {
			case at(call) < 0:
				t.Errorf("down makes no call of %s", call)
			case at(call) < at(way[0]), call == "ec2:ReleaseAddress" && at(call) < at("ec2:DeleteNatGateway"), i == len(way)-1 && at(call) < len(way)-1:
				t.Errorf("down calls %v, so %s is too early", order, call)
			}
		}
		if d := cmp.Diff(empty, account.Inventory()); d != "" {
			t.Errorf("down left (-before +after):\n%s", d)
		}
	})
}

// networkOf is the network of the environment's service.
func networkOf(t *testing.T, account *sandbox.Account) *ecstypes.AwsVpcConfiguration {
	t.Helper()
	out, err := ecs.NewFromConfig(account.Config(region)).DescribeServices(t.Context(), &ecs.DescribeServicesInput{
		Cluster: aws.String("default"), Services: []string{"flowbed-dev-worker"}})
	if err != nil || len(out.Services) != 1 {
		t.Fatalf("there are %d services: %v", len(out.Services), err)
	}
	return out.Services[0].NetworkConfiguration.AwsvpcConfiguration
}
