package doctor

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/resource"
)

func TestJudgeRoutes(t *testing.T) {
	a, b := resource.Subnet{ID: "subnet-a"}, resource.Subnet{ID: "subnet-b"}
	openA, openB := resource.Subnet{ID: "subnet-a", Public: true}, resource.Subnet{ID: "subnet-b", Public: true}
	for _, c := range []struct {
		name    string
		subnets []resource.Subnet
		routes  routes
		status  Status
		says    string
	}{
		{"public", []resource.Subnet{openA, openB}, routes{"": "igw-1"}, OK, "get public addresses, and reach acme.io through igw-1"},
		{"NAT", []resource.Subnet{a, b}, routes{"": "igw-1", "subnet-a": "nat-1", "subnet-b": "nat-2"}, OK, "through nat-1, nat-2, as far as the routes tell"},
		{"a public and a private one", []resource.Subnet{openA, b}, routes{"": "igw-1", "subnet-b": "nat-1"}, Fail, "in subnet-a they do not reach acme.io"},
		{"one leads nowhere", []resource.Subnet{a, b}, routes{"": "nat-1", "subnet-b": ""}, Fail, "subnet-b has no default route"},
		{"public in name only", []resource.Subnet{openA}, routes{"": ""}, Fail, "subnet-a has no default route"},
	} {
		f := judgeRoutes("way out", resource.NetworkState{Subnets: c.subnets}, c.routes, "acme.io")
		if f.Status != c.status || !strings.Contains(f.Text, c.says) || (f.Status != OK) != (f.Todo != "") {
			t.Errorf("%s: have %+v, want %s with %q", c.name, f, c.status, c.says)
		}
	}
}

func TestDefaultRoute(t *testing.T) {
	route := func(to string, f func(*types.Route)) types.Route {
		r := types.Route{DestinationCidrBlock: aws.String(to), State: types.RouteStateActive}
		f(&r)
		return r
	}
	local := route("10.0.0.0/16", func(r *types.Route) { r.GatewayId = aws.String("local") })
	for want, list := range map[string][]types.Route{
		"":      {local},
		"igw-1": {local, route("0.0.0.0/0", func(r *types.Route) { r.GatewayId = aws.String("igw-1") })},
		"nat-1": {route("0.0.0.0/0", func(r *types.Route) { r.NatGatewayId = aws.String("nat-1") }), local},
		"tgw-1": {route("0.0.0.0/0", func(r *types.Route) { r.TransitGatewayId = aws.String("tgw-1") })},
	} {
		if have := defaultRoute(list); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
	gone := route("0.0.0.0/0", func(r *types.Route) { r.NatGatewayId, r.State = aws.String("nat-1"), types.RouteStateBlackhole })
	if have := defaultRoute([]types.Route{gone}); have != "" {
		t.Errorf("a route to a deleted gateway leads to %q", have)
	}
}
