package stack_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/inventory"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// sameCosts checks that what list finds costs what the plan says.
func sameCosts(t *testing.T, account *sandbox.Account, s *stack.Stack) {
	t.Helper()
	kinds, err := stack.Discoverers(stack.NewClients(account.Config(region)), resource.Identity{Account: sandbox.DefaultAccount, Region: region, Partition: "aws"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := inventory.Region(t.Context(), region, kinds)
	if err != nil || len(list) != 1 {
		t.Fatalf("list: %+v, %v", list, err)
	}
	if d := cmp.Diff(s.Cost(), cost.Of(region, list[0].Costs)); d != "" {
		t.Errorf("list finds other costs than the plan says (-plan +list):\n%s", d)
	}
}

const someServer = "\nprefect {\napi_url = \"https://prefect.example.com/api\"\n}"

// unpriced is a service that down finds without the file: it reads no task definition with it.
const unpriced = "; not tasks of service flowbed-dev-worker"

// TestCosts: what a plan says of an environment, before and after up. Where the table has no
// price in eu-central-1, all prices are those of us-east-1.
func TestCosts(t *testing.T) {
	for name, c := range map[string]struct{ text, want, bare string }{ // bare is what down without the file says, if it knows less
		"no agent":    {"", "", ""},
		"an instance": {"agent {}" + someServer, "t2.micro $9.78, public IPv4 address $3.65, gp3 volume of 16 GiB $1.52", ""},
		"another one": {"agent {\ninstance_type = \"t3.small\"\nvolume_gib = 30\n}" + someServer,
			"t3.small $15.18, public IPv4 address $3.65, gp3 volume of 30 GiB $2.40", ""},
		"behind NAT": {"network {\nvpc = \"new\"\nnat = \"single\"\n}\nagent {}" + someServer,
			"NAT gateway $37.96, t2.micro $9.78, public IPv4 address $3.65, gp3 volume of 16 GiB $1.52", ""},
		"a NAT gateway in each zone": {"network {\nvpc = \"new\"\nzones = 3\nnat = \"per-zone\"\n}", "3 NAT gateways $113.88, 3 public IPv4 addresses $10.95", ""},
		"a service":                  {"agent {\nservice {}\n}" + someServer, "Fargate task of 0.25 vCPU and 1 GiB $12.23, public IPv4 address $3.65", unpriced},
		"workers on Spot": {"agent {\nservice {\nspot = true\ndesired_count = 2\ncpu = 512\nmemory = 2048\n}\n}" + someServer,
			"2 Fargate Spot tasks of 0.5 vCPU and 2 GiB $13.54, 2 public IPv4 addresses $7.30", unpriced},
		"a private service": {"network {\nvpc = \"new\"\nnat = \"single\"\n}\nagent {\nservice {}\n}" + someServer,
			"NAT gateway $37.96, Fargate task of 0.25 vCPU and 1 GiB $12.23, public IPv4 address $3.65",
			"NAT gateway $37.96, public IPv4 address $3.65" + unpriced},
		"no workers": {"agent {\nservice {\ndesired_count = 0\n}\n}" + someServer, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				o := stack.Options{Transport: sandbox.Prefect(account)}
				s := build(t, account, "environment \"dev\" {\n"+c.text+"\n}", o)
				if _, err := s.Graph.Plan(t.Context()); err != nil {
					t.Fatal(err)
				}
				if have := s.Cost().Items(); have != c.want {
					t.Errorf("before up: have %s\nwant %s", have, c.want)
				}
				if err := s.Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				if have := s.Cost().Items(); have != c.want {
					t.Errorf("after up: have %s\nwant %s", have, c.want)
				}
				sameCosts(t, account, s)
				if have := endsOf(t, account, c.text); have != c.want {
					t.Errorf("down ends %s\nwant %s", have, c.want)
				}
				want := c.want
				if c.bare != "" {
					want = c.bare
				}
				if have := endsOf(t, account, ""); have != want {
					t.Errorf("down without the file ends %s\nwant %s", have, want)
				}
			})
		})
	}
}

// endsOf is what down ends.
func endsOf(t *testing.T, account *sandbox.Account, text string) string {
	t.Helper()
	s := build(t, account, "environment \"dev\" {\n"+text+"\n}", stack.Options{Transport: sandbox.Prefect(account), Destroy: true})
	p, err := s.Graph.PlanDown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := s.Ends(p)
	if len(e.Unpriced) > 0 {
		return e.Items() + "; not " + strings.Join(e.Unpriced, ", ")
	}
	return e.Items()
}

// TestCostBeforeReading: without a stack, the network decides on addresses if it is known.
func TestCostBeforeReading(t *testing.T) {
	private := &resource.NetworkState{Subnets: []resource.Subnet{{ID: "subnet-1"}, {ID: "subnet-2", Public: true}}}
	public := &resource.NetworkState{Subnets: []resource.Subnet{{ID: "subnet-2", Public: true}}}
	const withAddress, without = "t2.micro $9.78, public IPv4 address $3.65, gp3 volume of 16 GiB $1.52", "t2.micro $9.78, gp3 volume of 16 GiB $1.52"
	for name, c := range map[string]struct {
		text    string
		network *resource.NetworkState
		want    string
	}{
		"unknown":       {"agent {}" + someServer, nil, withAddress},
		"public":        {"agent {}" + someServer, public, withAddress},
		"private":       {"agent {}" + someServer, private, without},
		"said to be so": {"agent {}\nnetwork { public_ip = false }" + someServer, nil, without},
		"no agent":      {"", public, ""},
	} {
		env := environment(t, "environment \"dev\" {\n"+c.text+"\n}", false)
		e, err := stack.Cost(env, resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: region, Partition: "aws"}, c.network)
		if err != nil || e.Items() != c.want {
			t.Errorf("%s: have %s, %v\nwant %s", name, e.Items(), err, c.want)
		}
	}
}
