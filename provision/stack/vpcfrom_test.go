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
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const (
	lender       = "environment \"shared\" {\nnetwork { vpc = \"new\" }\n}"
	lenderIn     = "environment \"shared\" {\nnetwork {\nvpc = \"new\"\nnat = \"single\"\n}\n}"
	lenderClosed = "environment \"shared\" {\nnetwork {\nvpc = \"new\"\nprivate = true\n}\n}"
	borrower     = "environment \"dev\" {\nnetwork { vpc_from = \"shared\" }\n" + workerOfPath + "}"
)

// placesOf are the VPC and the names of the subnets of the running instances.
func placesOf(t *testing.T, account *sandbox.Account) (places []string) {
	t.Helper()
	for _, i := range machines(t, account) {
		out, err := ec2.NewFromConfig(account.Config(region)).DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{*i.SubnetId}})
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		for _, tag := range out.Subnets[0].Tags {
			if *tag.Key == "Name" {
				name = *tag.Value
			}
		}
		places = append(places, fmt.Sprint(name, " ", aws.ToString(i.PublicIpAddress) != ""))
	}
	return places
}

// TestVPCFrom: an environment uses the VPC of another one without changing anything of it, and the
// other one stays until this one is gone.
func TestVPCFrom(t *testing.T) {
	for text, place := range map[string]string{lender: "flowbed-shared-public-1 true", lenderIn: "flowbed-shared-private-1 false"} {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			empty := account.Inventory()
			o := stack.Options{NoPrefect: true}
			if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			lent := account.Inventory()
			if err := build(t, account, borrower, o).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if have := placesOf(t, account); !slices.Equal(have, []string{place}) {
				t.Errorf("the agent is in %q, want %q", have, place)
			}
			for _, text := range []string{text, borrower} {
				if p, err := build(t, account, text, o).Graph.Plan(t.Context()); err != nil || p.Err() != nil || !p.Empty() {
					t.Errorf("the plan after up: %v, %v, %+v", err, p.Err(), p.Actions)
				}
			}

			writes := len(account.Writes())
			destroy := stack.Options{NoPrefect: true, Destroy: true}
			_, err := build(t, account, text, destroy).Graph.Down(t.Context())
			for _, want := range []string{"while environment dev uses it: the network interface ", "(flowbed-dev-tasks)", "(flowbed-dev-agent)", "→ run `flowbed down -e dev` first"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("down of the lender: %v, want %q", err, want)
				}
			}
			if made := account.Writes()[writes:]; len(made) > 0 {
				t.Errorf("down of the lender has written %v", made)
			}

			if left, err := build(t, account, borrower, destroy).Graph.Down(t.Context()); err != nil || !left.Empty() {
				t.Fatalf("down: %v, %+v", err, left)
			}
			if d := cmp.Diff(lent, account.Inventory()); d != "" {
				t.Errorf("what is lent has changed (-before +after):\n%s", d)
			}
			if left, err := build(t, account, text, destroy).Graph.Down(t.Context()); err != nil || !left.Empty() {
				t.Errorf("down of the lender: %v, %+v", err, left)
			}
			if d := cmp.Diff(empty, account.Inventory()); d != "" {
				t.Errorf("the account has changed (-before +after):\n%s", d)
			}
		})
	}
}

// TestVPCFromFollows: if the other environment moves its tasks to private subnets, and back, the agent
// of this one moves with them. So it does if those subnets have a way out, or none.
func TestVPCFromFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		o := stack.Options{NoPrefect: true}
		for n, c := range []struct{ lender, place string }{
			{lender, "flowbed-shared-public-1 true"}, {lenderIn, "flowbed-shared-private-1 false"}, {lender, "flowbed-shared-public-1 true"},
			{lenderClosed, "flowbed-shared-private-1 false"}, {lender, "flowbed-shared-public-1 true"}, {lenderClosed, "flowbed-shared-private-1 false"},
			{lenderIn, "flowbed-shared-private-1 false"},
		} {
			if err := build(t, account, c.lender, o).Graph.Up(t.Context()); err != nil {
				t.Fatalf("%d: up of the lender: %v", n, err)
			}
			if err := build(t, account, borrower, o).Graph.Up(t.Context()); err != nil {
				t.Fatalf("%d: %v", n, err)
			}
			if have := placesOf(t, account); !slices.Equal(have, []string{c.place}) {
				t.Errorf("%d: the agent is in %q, want %q", n, have, c.place)
			}
		}
	})
}

// TestLenderTakes: before up takes a way out from a VPC, it names the environments that use the VPC, too.
func TestLenderTakes(t *testing.T) {
	const nat, endpoint = "\nnat = \"single\"", "\nendpoints = [\"s3\"]"
	for _, c := range []struct {
		before, after string
		want          string // the begin of the id of what goes
		lent          bool
	}{
		{nat, "", "nat-", true}, {endpoint, "", "vpce-", true}, {nat + endpoint, nat, "vpce-", true},
		{nat, "", "", false}, {"", nat, "", true},
	} {
		t.Run(fmt.Sprintf("%q to %q", c.before, c.after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := func(lines string) string {
					return "environment \"shared\" {\nnetwork {\nvpc = \"new\"" + lines + "\n}\n}"
				}
				account := sandbox.New()
				up(t, account, shared(c.before))
				if c.lent {
					up(t, account, borrower)
				}
				s := build(t, account, shared(c.after), noPrefect)
				p, err := s.Graph.Plan(t.Context())
				if err != nil || p.Err() != nil {
					t.Fatal(err, p.Err())
				}
				var have []string
				for _, a := range p.Actions {
					for _, n := range a.Notes {
						if n.Severity == provision.Warn && strings.HasPrefix(n.Text, "environment ") {
							have = append(have, n.Text)
						}
					}
				}
				text := strings.Join(have, "\n")
				if len(have) > 1 || (text == "") != (c.want == "") || !strings.Contains(text, c.want) ||
					c.want != "" && (!strings.HasPrefix(text, "environment dev uses vpc-") || !strings.HasSuffix(text, " → run `flowbed up -e dev` afterwards")) {
					t.Errorf("the plan warns %q, want %q", have, c.want)
				}
				up(t, account, shared(c.after))
			})
		})
	}
}

// TestNoVPCFrom: what can be wrong with the other environment stops up before it writes.
func TestNoVPCFrom(t *testing.T) {
	vpcOfShared := func(t *testing.T, account *sandbox.Account) {
		t.Helper()
		_, err := ec2.NewFromConfig(account.Config(region)).CreateVpc(t.Context(), &ec2.CreateVpcInput{
			CidrBlock: aws.String("10.42.0.0/16"), TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpc, Tags: []types.Tag{
				{Key: aws.String("flowbed:managed-by"), Value: aws.String("flowbed")}, {Key: aws.String("flowbed:environment"), Value: aws.String("shared")},
				{Key: aws.String("flowbed:region"), Value: aws.String(region)},
			}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	up := func(text string) func(*testing.T, *sandbox.Account) {
		return func(t *testing.T, account *sandbox.Account) {
			t.Helper()
			if err := build(t, account, text, stack.Options{}).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		prepare func(*testing.T, *sandbox.Account)
		want    string
	}{
		"none":           {func(*testing.T, *sandbox.Account) {}, "the VPC of environment shared in " + region + " does not exist → build that environment first, with vpc = \"new\", or correct network.vpc_from"},
		"in the default": {up("environment \"shared\" {}"), "environment shared has no VPC of its own, it is in vpc-"},
		"half built":     {vpcOfShared, "of environment shared has no subnets with a route table yet → run `flowbed up -e shared` first"},
		"two":            {func(t *testing.T, account *sandbox.Account) { up(lender)(t, account); vpcOfShared(t, account) }, "environment shared has more than one VPC: vpc-"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				c.prepare(t, account)
				writes := len(account.Writes())
				p, err := build(t, account, borrower, stack.Options{NoPrefect: true}).Graph.Plan(t.Context())
				if err != nil || p.Err() == nil || !strings.Contains(p.Err().Error(), c.want) {
					t.Errorf("plan: %v, %v, want %q", err, p.Err(), c.want)
				}
				if absent := len(actions(p, provision.Missing)) == 1; absent != (name == "none") {
					t.Errorf("the plan: %+v", p.Actions)
				}
				err = build(t, account, borrower, stack.Options{NoPrefect: true}).Graph.Up(t.Context())
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("up: %v, want %q", err, c.want)
				}
				if made := account.Writes()[writes:]; len(made) > 0 {
					t.Errorf("up has written %v", made)
				}
			})
		})
	}
}
