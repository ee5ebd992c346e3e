package stack_test

import (
	"fmt"
	"regexp"
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

// egressOf are the outbound rules of a security group, sorted. S3's prefix list has its name.
func egressOf(t *testing.T, account *sandbox.Account, name string) (rules []string) {
	t.Helper()
	api := ec2.NewFromConfig(account.Config(region))
	out, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: aws.String("group-name"), Values: []string{name}}}})
	if err != nil || len(out.SecurityGroups) != 1 {
		t.Fatal(len(out.SecurityGroups), err)
	}
	lists, err := api.DescribeManagedPrefixLists(t.Context(), &ec2.DescribeManagedPrefixListsInput{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{*out.SecurityGroups[0].GroupId: "itself"}
	for _, l := range lists.PrefixLists {
		names[*l.PrefixListId] = *l.PrefixListName
	}
	for _, p := range out.SecurityGroups[0].IpPermissionsEgress {
		add := func(peer string) {
			rules = append(rules, fmt.Sprint(*p.IpProtocol, " ", aws.ToInt32(p.FromPort), " ", peer))
		}
		for _, r := range p.IpRanges {
			add(*r.CidrIp)
		}
		for _, r := range p.PrefixListIds {
			add(names[*r.PrefixListId])
		}
		for _, r := range p.UserIdGroupPairs {
			add(names[*r.GroupId])
		}
	}
	slices.Sort(rules)
	return rules
}

// TestEgress narrows the groups of an environment, changes the rules, and widens them again. What
// somebody else has added stays while it lets out nothing more.
func TestEgress(t *testing.T) {
	const s3 = "tcp 443 com.amazonaws." + region + ".s3"
	wide := []string{"-1 0 0.0.0.0/0"}
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		empty := account.Inventory()
		o := stack.Options{NoPrefect: true}
		text := func(more string) string { return "environment \"dev\" {\n" + more + "\n" + workerOfPath + "}" }
		for n, c := range []struct {
			more         string
			tasks, agent []string
			changed      int
		}{
			{"", wide, wide, 0},
			{"network {\negress {\ncidrs = [\"10.0.0.0/8\"]\nports = [443, 5432]\n}\n}", []string{s3, "tcp 443 10.0.0.0/8", "tcp 5432 10.0.0.0/8"}, nil, 2},
			{"task_role { dask = true }\nnetwork {\negress { cidrs = [\"10.0.0.0/8\"] }\n}", []string{"-1 0 10.0.0.0/8", "-1 0 itself", s3}, []string{"-1 0 10.0.0.0/8", s3}, 3}, // and the role
			{"network {\negress { ports = [443] }\n}", []string{"tcp 443 0.0.0.0/0", s3}, nil, 3},
			{"", wide, wide, 2},
		} {
			if c.agent == nil {
				c.agent = c.tasks
			}
			s := build(t, account, text(c.more), o)
			p, err := s.Graph.Plan(t.Context())
			if err != nil || p.Err() != nil {
				t.Fatal(err, p.Err())
			}
			if changed := len(actions(p, provision.Update)); n > 0 && changed != c.changed {
				t.Errorf("%d: the plan changes %d objects, want %d", n, changed, c.changed)
			}
			if err := build(t, account, text(c.more), o).Graph.Up(t.Context()); err != nil {
				t.Fatalf("%d: %v", n, err)
			}
			slices.Sort(c.tasks)
			slices.Sort(c.agent)
			for name, want := range map[string][]string{"flowbed-dev-tasks": c.tasks, "flowbed-dev-agent": c.agent} {
				if d := cmp.Diff(want, egressOf(t, account, name)); d != "" {
					t.Errorf("%d: %s (-want +have):\n%s", n, name, d)
				}
			}
			if p, err := build(t, account, text(c.more), o).Graph.Plan(t.Context()); err != nil || !p.Empty() {
				t.Errorf("%d: the plan after up is not empty: %v", n, err)
			}
		}
		if left, err := build(t, account, text(""), stack.Options{NoPrefect: true, Destroy: true}).Graph.Down(t.Context()); err != nil || !left.Empty() {
			t.Fatal(err, left)
		}
		if d := cmp.Diff(empty, account.Inventory()); d != "" {
			t.Errorf("down left (-before +after):\n%s", d)
		}
	})
}

// TestEgressOfOthers: a rule of somebody else goes if the file narrows the egress, and stays if the
// group lets everything out anyway.
func TestEgressOfOthers(t *testing.T) {
	for more, stays := range map[string]bool{"": true, "network {\negress { ports = [443] }\n}": false} {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			text, o := "environment \"dev\" {\n"+more+"\n}", stack.Options{}
			if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			api := ec2.NewFromConfig(account.Config(region))
			out, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: aws.String("group-name"), Values: []string{"flowbed-dev-tasks"}}}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = api.AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: out.SecurityGroups[0].GroupId,
				IpPermissions: []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(25), ToPort: aws.Int32(25), IpRanges: []types.IpRange{{CidrIp: aws.String("192.0.2.0/24")}}}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if have := slices.Contains(egressOf(t, account, "flowbed-dev-tasks"), "tcp 25 192.0.2.0/24"); have != stays {
				t.Errorf("%q: the rule of somebody else is there: %v, want %v", more, have, stays)
			}
		})
	}
}

var aVPC = regexp.MustCompile(`vpc-\w+`)

// TestCutOff: the plan tells what a narrowed egress cuts off, each thing once.
func TestCutOff(t *testing.T) {
	const (
		cloud  = "prefect {\napi_key = \"pnu_0123456789\"\napi_url = \"https://api.prefect.cloud/api/accounts/00000000-0000-0000-0000-000000000000/workspaces/00000000-0000-0000-0000-000000000000\"\n}\n"
		server = "prefect { api_url = \"http://prefect.corp.example:4200/api\" }\n"
		at10   = "prefect { api_url = \"https://10.1.2.3/api\" }\n"
	)
	narrow := func(inner string) string { return "network {\negress {\n" + inner + "\n}\n}\n" }
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"everything":                     {cloud + "agent {}", nil},
		"all addresses, the usual ports": {narrow("ports = [443]") + cloud + "agent {}", nil},
		"private addresses": {narrow(`cidrs = ["10.0.0.0/8"]`) + cloud + "agent {}", []string{
			"warning: network.egress cuts the tasks and the agent off from Prefect's API (api.prefect.cloud, port 443) → add its addresses to cidrs in the egress block, or use a Prefect server in reach from the VPC",
			"warning: network.egress cuts the tasks off from the registry of the image prefecthq/prefect:3.9.1-python3.12 (registry-1.docker.io, port 443) → add its addresses to cidrs in the egress block, or set flows.image to an image in ECR, or add a repository block",
			"warning: network.egress cuts the agent off from the package index (pypi.org, port 443) → add its addresses to cidrs in the egress block, or set agent.pip_index_url or agent.proxy",
			"warning: network.egress lets the tasks and the agent reach these APIs of AWS only through interface endpoints with addresses in 10.0.0.0/8, but those in the VPC have addresses in 172.31.0.0/18: ec2, ecs, logs, sqs, ssm, ssmmessages → add 172.31.0.0/18 to cidrs in the egress block and check that the VPC has the endpoints, or add 0.0.0.0/0 to cidrs in the egress block",
		}},
		"a server at a name, another port": {narrow("cidrs = [\"10.0.0.0/8\"]\nports = [443]") + server, []string{
			"warning: network.egress cuts the tasks off from Prefect's API (prefect.corp.example, port 4200) → add 4200 to ports in the egress block",
			"warning: network.egress cuts the tasks off from the registry of the image prefecthq/prefect:3.9.1-python3.12 (registry-1.docker.io, port 443) → add its addresses to cidrs in the egress block, or set flows.image to an image in ECR, or add a repository block",
			"warning: network.egress lets the tasks reach these APIs of AWS only through interface endpoints with addresses in 10.0.0.0/8, but those in the VPC have addresses in 172.31.0.0/18: logs → add 172.31.0.0/18 to cidrs in the egress block and check that the VPC has the endpoints, or add 0.0.0.0/0 to cidrs in the egress block",
		}},
		"a server at a name, an image in ECR": {narrow(`cidrs = ["10.0.0.0/8"]`) + server + "repository {}", []string{
			"info: network.egress lets the tasks reach Prefect's API (prefect.corp.example, port 4200) only if its address is in 10.0.0.0/8",
			"warning: network.egress lets the tasks reach these APIs of AWS only through interface endpoints with addresses in 10.0.0.0/8, but those in the VPC have addresses in 172.31.0.0/18: ecr.api, ecr.dkr, logs → add 172.31.0.0/18 to cidrs in the egress block and check that the VPC has the endpoints, or add 0.0.0.0/0 to cidrs in the egress block",
		}},
		"a server at an address": {narrow("cidrs = [\"10.0.0.0/8\", \"0.0.0.0/0\"]\nports = [443]") + at10, nil},
		"an address outside": {narrow(`cidrs = ["192.168.0.0/16"]`) + at10 + "repository {}", []string{
			"warning: network.egress cuts the tasks off from Prefect's API (10.1.2.3, port 443) → add its addresses to cidrs in the egress block",
			"warning: network.egress lets the tasks reach these APIs of AWS only through interface endpoints with addresses in 192.168.0.0/16, but those in the VPC have addresses in 172.31.0.0/18: ecr.api, ecr.dkr, logs → add 172.31.0.0/18 to cidrs in the egress block and check that the VPC has the endpoints, or add 0.0.0.0/0 to cidrs in the egress block",
		}},
		"an agent behind a proxy": {narrow("cidrs = [\"10.0.0.0/8\"]\nports = [443]") + at10 + "repository {}\nagent { proxy = \"http://10.0.0.9:3128\" }", []string{
			"warning: network.egress cuts the agent off from the proxy (10.0.0.9, port 3128) → add 3128 to ports in the egress block",
			"warning: network.egress lets the tasks reach these APIs of AWS only through interface endpoints with addresses in 10.0.0.0/8, but those in the VPC have addresses in 172.31.0.0/18: ecr.api, ecr.dkr, logs → add 172.31.0.0/18 to cidrs in the egress block and check that the VPC has the endpoints, or add 0.0.0.0/0 to cidrs in the egress block",
		}},
		"an agent with an exception": {narrow("cidrs = [\"10.0.0.9/32\", \"172.31.0.0/16\"]") + "repository {}\nagent {\nproxy = \"http://10.0.0.9:3128\"\nenv = { NO_PROXY = \"10.1.2.3\" }\n}\nflows {\nenv = { HTTPS_PROXY = \"http://10.0.0.9:3128\" }\n}\n" + at10, []string{
			"warning: network.egress cuts the agent off from Prefect's API (10.1.2.3, port 443) → add its addresses to cidrs in the egress block",
			"warning: network.egress lets the tasks reach these APIs of AWS only through interface endpoints with addresses in 10.0.0.9/32, 172.31.0.0/16: ecr.api, ecr.dkr, logs → check that the VPC has them, or add 0.0.0.0/0 to cidrs in the egress block",
		}},
		"the VPC's own addresses": {narrow(`cidrs = ["172.31.0.0/16"]`) + at10 + "repository {}", []string{
			"warning: network.egress cuts the tasks off from Prefect's API (10.1.2.3, port 443) → add its addresses to cidrs in the egress block",
			"warning: network.egress lets the tasks reach these APIs of AWS only through interface endpoints with addresses in 172.31.0.0/16: ecr.api, ecr.dkr, logs → check that the VPC has them, or add 0.0.0.0/0 to cidrs in the egress block",
		}},
		"a new VPC without endpoints": {"network {\nvpc = \"new\"\negress { cidrs = [\"10.0.0.0/8\"] }\n}\n" + at10 + "repository {}", []string{
			"warning: network.egress cuts the tasks off from these APIs of AWS, for which the VPC has no VPC endpoints: ecr.api, ecr.dkr, logs → add them to network.endpoints, or add 0.0.0.0/0 to cidrs in the egress block",
		}},
		"a new VPC with endpoints": {"network {\nvpc = \"new\"\nprivate = true\negress { cidrs = [\"10.0.0.0/8\"] }\n}\n" + at10 + "repository {}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			account := sandbox.New()
			p, err := build(t, account, "environment \"dev\" {\n"+c.text+"\n}", stack.Options{NoPrefect: true}).Graph.Plan(t.Context())
			if err != nil || p.Err() != nil {
				t.Fatal(err, p.Err())
			}
			var have []string
			for _, a := range p.Actions {
				for _, n := range a.Notes {
					if strings.HasPrefix(n.Text, "network.egress") {
						have = append(have, n.Severity.String()+": "+aVPC.ReplaceAllString(n.Text, "the VPC"))
					}
				}
			}
			if d := cmp.Diff(c.want, have); d != "" {
				t.Errorf("(-want +have):\n%s", d)
			}
		})
	}
}
