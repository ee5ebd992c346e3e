package stack_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

// lives are the environments whose whole life is lived in the sandbox, with the
// policies and the user data that they bring about.
var lives = []struct{ name, text string }{
	{"no_agent", ``},
	{"new_vpc", "network {\nvpc = \"new\"\nzones = 3\n}\n" + fmt.Sprintf(agent3, "https://prefect.example.com")},
	{"nat", "network {\nvpc = \"new\"\nnat = \"single\"\n}\n" + fmt.Sprintf(agent3, "https://prefect.example.com")},
	{"nat_per_zone", "network {\nvpc = \"new\"\nnat = \"per-zone\"\n}"},
	{"dask", `task_role { dask = true }`},
	{"worker3", fmt.Sprintf(agent3, "https://prefect.example.com")},
	{"worker2", "agent {}\nprefect {\nversion = \"2.20.25\"\napi_key = \"pnu_0123456789\"\napi_url = \"https://prefect.example.com/api\"\n}"},
	{"elsewhere", "deletion_protection = true\nflows {\nspot = true\n}\nprefect {\napi_key = \"pnu_0123456789\"\napi_url = \"https://prefect.example.com/api\"\n}"},
	{"queues", "agent {\nwork_queues = [\"etl\", \"it's a $x \\\"queue\\\"\"]\n}\nprefect {\napi_url = \"https://prefect.example.com/api\"\n}"},
	{"agent1", fmt.Sprintf(agent1, "http://prefect.example.com:4200")},
	{"agent014", "agent {}\nprefect {\nversion = \"0.14.6\"\napi_key = \"tok_0123456789\"\napi_url = \"http://prefect.example.com:4200\"\n}"},
}

// TestLife builds each environment, finds nothing to do, and removes it, after
// which the account is as it was.
func TestLife(t *testing.T) {
	for _, c := range lives {
		t.Run(c.name, func(t *testing.T) {
			text := "environment \"dev\" {\n" + c.text + "\n}"
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				account.BootTime, account.SetupTime = 10*time.Second, 40*time.Second
				up, down := stack.Options{Transport: sandbox.Prefect(account)}, stack.Options{Transport: sandbox.Prefect(account), Destroy: true}
				before := account.Inventory()
				s := build(t, account, text, up)
				if err := s.Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				golden(t, c.name+".policies", policies(t, account))
				if u := userData(t, account); u != "" {
					golden(t, c.name+".sh", u)
				}
				p, err := build(t, account, text, up).Graph.Plan(t.Context())
				if err != nil || p.Err() != nil || !p.Empty() {
					t.Errorf("the second plan: %v, %v, %+v", err, p.Err(), p.Actions)
				}
				sameCosts(t, account, s)
				ordered(t, account.Writes())
				left, err := build(t, account, text, down).Graph.Down(t.Context())
				if err != nil || !left.Empty() {
					t.Errorf("down: %v, left %+v", err, left.Actions)
				}
				if have := account.Inventory(); len(have) != len(before) {
					t.Errorf("left behind: %v", have)
				}
			})
		})
	}
}

// ordered: the instance starts what uses all the rest, so it comes last.
func ordered(t *testing.T, writes []sandbox.Call) {
	t.Helper()
	run := slices.IndexFunc(writes, func(c sandbox.Call) bool { return c.Operation == "RunInstances" })
	for _, c := range writes[max(run, 0)+1:] {
		if run >= 0 && strings.HasPrefix(c.Operation, "Create") {
			t.Errorf("%s comes after RunInstances", c)
		}
	}
}

// policies are the inline policies of all roles, by role.
func policies(t *testing.T, account *sandbox.Account) string {
	t.Helper()
	api, ctx := iam.NewFromConfig(account.Config(region)), context.Background()
	var b strings.Builder
	for _, role := range []string{"flowbed-dev-agent", "flowbed-dev-task", "ecsTaskExecutionRole"} {
		list, err := api.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &role})
		if err != nil && !errors.As(err, new(interface{ ErrorCode() string })) {
			t.Fatal(err)
		} else if err != nil {
			continue
		}
		for _, name := range list.PolicyNames {
			out, err := api.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
			if err != nil {
				t.Fatal(err)
			}
			text, err := url.QueryUnescape(aws.ToString(out.PolicyDocument))
			if err != nil {
				t.Fatal(err)
			}
			var doc struct{ Statement []json.RawMessage }
			if err := json.Unmarshal([]byte(text), &doc); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s, %s:\n", role, name)
			for _, st := range doc.Statement {
				fmt.Fprintf(&b, "  %s\n", st)
			}
		}
	}
	return b.String()
}

// wholeUserData is that of the instance; empty if there is none.
func wholeUserData(t *testing.T, account *sandbox.Account) string {
	t.Helper()
	api, ctx := ec2.NewFromConfig(account.Config(region)), context.Background()
	list, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{
		{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Reservations) == 0 {
		return ""
	}
	id := list.Reservations[0].Instances[0].InstanceId
	for _, r := range list.Reservations {
		if i := r.Instances[0]; i.State.Name == types.InstanceStateNamePending || i.State.Name == types.InstanceStateNameRunning {
			id = i.InstanceId
		}
	}
	out, err := api.DescribeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{InstanceId: id, Attribute: types.InstanceAttributeNameUserData})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(out.UserData.Value))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// userData is that of the instance, without the parts that do not depend on the
// spec: what is tested here is what the stack fills in.
func userData(t *testing.T, account *sandbox.Account) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(wholeUserData(t, account)) {
		for _, word := range []string{"ExecStart=", "PREFECT_", "PREFECT__", "PARAMETER, VARIABLE", "subnets:", "securityGroups:", "assignPublicIp:", "'prefect[aws]"} {
			if strings.Contains(line, word) {
				b.WriteString(line)
				break
			}
		}
	}
	return anyID.ReplaceAllString(b.String(), "sg-…")
}

// anyID is the id of a security group, which depends on the order of calls that
// run at the same time.
var anyID = regexp.MustCompile(`sg-[0-9a-f]{17}`)

// TestDask: tasks of the group can talk to each other only with dask.
func TestDask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		api := ec2.NewFromConfig(account.Config(region))
		for dask, want := range map[bool]int{true: 1, false: 0} {
			s := build(t, account, fmt.Sprintf("environment \"dev\" {\ntask_role { dask = %t }\n}", dask), stack.Options{})
			if err := s.Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			out, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{
				Filters: []types.Filter{{Name: aws.String("group-name"), Values: []string{"flowbed-dev-tasks"}}}})
			if err != nil {
				t.Fatal(err)
			}
			g := out.SecurityGroups[0]
			if len(g.IpPermissions) != want {
				t.Fatalf("dask = %t: have %+v", dask, g.IpPermissions)
			}
			if want == 1 && aws.ToString(g.IpPermissions[0].UserIdGroupPairs[0].GroupId) != aws.ToString(g.GroupId) {
				t.Errorf("have %+v, want the group itself", g.IpPermissions[0])
			}
			p, err := build(t, account, fmt.Sprintf("environment \"dev\" {\ntask_role { dask = %t }\n}", dask), stack.Options{}).Graph.Plan(t.Context())
			if err != nil || !p.Empty() {
				t.Errorf("dask = %t: the second plan: %v, %+v", dask, err, p.Actions)
			}
		}
	})
}

var tooMany = regexp.MustCompile(`which is ([0-9]+) too many`)

// TestTooLong: a chain of authorities makes the user data longer than EC2 takes,
// or a setup script does. Both are said before anything is called.
func TestTooLong(t *testing.T) {
	pem, err := os.ReadFile("../spec/testdata/home/.ssh/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, n := range map[string]int{"few.pem": 2, "many.pem": 40} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat(string(pem), n)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"3.9.1", "1.4.1"} {
		text := "environment \"dev\" {\n  prefect {\n    version = \"" + version + "\"\n    api_url = \"https://prefect.example.com:4200\"\n    ca_file = file(\"few.pem\")\n  }\n  agent {}\n}\n"
		path := filepath.Join(dir, "config.hcl")
		load := func(text string) error {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := spec.Load(path, spec.Options{Check: stack.Check})
			return err
		}
		if err := load(text); err != nil {
			t.Errorf("%s with two: %v", version, err)
		}
		e, ok := errors.AsType[*spec.Error](load(strings.Replace(text, "few", "many", 1)))
		if !ok {
			t.Fatalf("%s: the long one passes", version)
		}
		d := e.Diags[0]
		if d.Subject.Start.Line != 5 || !strings.Contains(d.Detail, "EC2 takes 16384 at most") {
			t.Errorf("have %v at %v", d, d.Subject)
		}
		script := strings.Repeat("# 16 characters\n", 1000)
		if err := os.WriteFile(filepath.Join(dir, "setup.sh"), []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		e, ok = errors.AsType[*spec.Error](load(strings.Replace(text, "agent {}", "agent {\n setup = file(\"setup.sh\")\n}", 1)))
		if !ok {
			t.Fatalf("%s: the long script passes", version)
		}
		m := tooMany.FindStringSubmatch(e.Diags[0].Detail)
		if m == nil || e.Diags[0].Subject.Start.Line != 8 || !strings.Contains(e.Diags[0].Detail, "the setup script, which has 16000 of them") {
			t.Fatalf("have %v at %v", e.Diags[0], e.Diags[0].Subject)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		for cut, want := range map[int]bool{n: true, n - 1: false} { // exactly as many as the error says
			err := os.WriteFile(filepath.Join(dir, "setup.sh"), []byte("#"+script[cut+1:]), 0o644)
			if err = errors.Join(err, load(strings.Replace(text, "agent {}", "agent {\n setup = file(\"setup.sh\")\n}", 1))); (err == nil) != want {
				t.Errorf("%s: with %d characters less: have %v", version, cut, err)
			}
		}
	}
}
