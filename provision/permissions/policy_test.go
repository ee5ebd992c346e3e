package permissions_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/e2e/able"
)

var update = flag.Bool("update", false, "write the golden files")

const keyOne = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtrA6bFuLpRHCEArr5R5S0EJzbf6zp2z9AhbhlNqEIl"

// full has a bit of everything, under the default names.
const full = `
	task_role {
		policies = ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]
		dask = true
	}
	prefect {
		api_url = "http://prefect.example/api"
		auth_string = "flow:bed-of-flows"
	}
	agent {
		instance_type = "t3.small"
		ssh { public_key = "` + keyOne + `" }
	}`

func golden(t *testing.T, name, have string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), have); d != "" {
		t.Errorf("%s (-want +have):\n%s", file, d)
	}
}

// needs are what a verb needs in the environment of a text.
func needs(t *testing.T, text string, id resource.Identity, v permissions.Verb, o stack.Options) []permissions.Needs {
	t.Helper()
	list, err := stack.Permissions(v, environment(t, text, id.Region, v == permissions.Down), id, o)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func policyOf(t *testing.T, text string, id resource.Identity, v permissions.Verb, o stack.Options) permissions.Policy {
	t.Helper()
	return permissions.NewPolicy(needs(t, text, id, v, o))
}

// plain is an environment without an agent, and with objects of others.
const plain = `bucket { ownership = "external" }
	cluster { name = "flows" }
	network { subnets = ["subnet-0a1b2c3d"] }`

func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		name, text string
		most       int // characters: all kinds together need more than one managed policy has
	}{{"full", full, permissions.InlineSize}, {"service", inService, permissions.InlineSize}, {"plain", plain, permissions.ManagedSize}} {
		for _, v := range permissions.Verbs {
			if v == permissions.Hello && !strings.Contains(c.text, "prefect") {
				continue // hello needs an API
			}
			p := policyOf(t, c.text, identity, v, stack.Options{})
			golden(t, c.name+"-"+string(v)+".json", p.String())
			if p.Size() > c.most {
				t.Errorf("%s, %s: %d characters, and the policy may have %d", c.name, v, p.Size(), c.most)
			}
		}
	}
}

// meant are findings of the linter, by a part of their text, that are as they
// should be.
var meant = []string{
	// It wants all kinds of resources of a call in one statement; they stand under
	// different conditions, and so in several.
	"'ec2:RunInstances'", "'ec2:CreateSecurityGroup'", "'ec2:ModifyNetworkInterfaceAttribute'",
	"'ssm:SendCommand'",
	// A condition, not the resource, binds it to the cluster.
	"'ecs:ListTasks'",
	// AWS's own parameters belong to no account, so there is none in the name.
	"'ssm:GetParameter'",
	// The same is true of AWS's own managed policies.
	"'arn:aws:iam::aws:policy/",
	// The action is younger than its list.
	"Unknown action freetier:GetAccountPlanState",
	// Who may give the bucket its policy and its lifecycle could write others.
	"s3:PutBucketPolicy", "s3:PutLifecycleConfiguration",
}

func TestMain(m *testing.M) { able.Main(m) }

// TestLint has a linter of others judge the policies.
func TestLint(t *testing.T) {
	parliament := able.Tool(t, "parliament")
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), parliament)
			cmd.Stdin = bytes.NewReader(text)
			out, err := cmd.Output() // what it finds ends it with 1
			if _, exited := errors.AsType[*exec.ExitError](err); err != nil && (!exited || len(out) == 0) {
				t.Fatalf("parliament: %v", err)
			}
			for line := range strings.Lines(string(out)) {
				if !slices.ContainsFunc(meant, func(m string) bool { return strings.Contains(line, m) }) {
					t.Errorf("parliament: %s", line)
				}
			}
		})
	}
}

// Nothing but reading is allowed on everything, but for what AWS binds to nothing.
func TestNoStarForWriting(t *testing.T) {
	for _, v := range permissions.Verbs {
		list := policyOf(t, full, identity, v, stack.Options{ForceDestroy: true}).Statements
		for _, s := range append(list, policyOf(t, inService, identity, v, stack.Options{ForceDestroy: true}).Statements...) {
			if !slices.Contains(s.Resources, "*") {
				continue
			}
			for _, a := range s.Actions {
				if a == "ecs:DeregisterTaskDefinition" {
					continue // AWS binds it to nothing
				}
				// These read, and AWS offers no scope for them:
				// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
				// https://docs.aws.amazon.com/service-authorization/latest/reference/list_freetier.html
				// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonresourcegrouptaggingapi.html
				// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
				if a == "ssm:GetCommandInvocation" || a == "freetier:GetAccountPlanState" || a == "tag:GetResources" || a == "ec2:GetEbsDefaultKmsKeyId" {
					continue
				}
				if _, op, _ := strings.Cut(a, ":"); !strings.HasPrefix(op, "Describe") && !strings.HasPrefix(op, "List") {
					t.Errorf("%s allows %s on everything", v, a)
				}
			}
		}
	}
}

// What is written to in EC2, where names are not unique, carries the owner tag.
func TestEC2IsBoundToTheOwner(t *testing.T) {
	free := []string{
		// These calls use objects that flowbed cannot own.
		"ec2:CreateSecurityGroup on arn:aws:ec2:eu-central-1:123456789012:vpc/*",
		"ec2:RunInstances on arn:aws:ec2:eu-central-1::image/*",
		"ec2:RunInstances on arn:aws:ec2:eu-central-1:123456789012:key-pair/flowbed-dev-agent",
		"ec2:RunInstances on arn:aws:ec2:eu-central-1:123456789012:subnet/*",
		"ec2:ModifyNetworkInterfaceAttribute on arn:aws:ec2:eu-central-1:123456789012:security-group/*",
	}
	for _, v := range permissions.Verbs {
		for _, s := range policyOf(t, full, identity, v, stack.Options{}).Statements {
			for _, a := range s.Actions {
				for _, r := range s.Resources {
					bound := s.Condition["StringEquals"]["aws:RequestTag/flowbed:environment"] != nil ||
						s.Condition["StringEquals"]["aws:ResourceTag/flowbed:environment"] != nil
					if r != "*" && strings.HasPrefix(a, "ec2:") && !bound && !slices.Contains(free, a+" on "+r) {
						t.Errorf("%s allows %s on %s without a condition", v, a, r)
					}
				}
			}
		}
	}
}

func TestPassRoleIsNarrow(t *testing.T) {
	china := identity
	china.Partition, china.Region = "aws-cn", "cn-north-1"
	for services, id := range map[string]resource.Identity{
		"ec2.amazonaws.com": identity, "ec2.amazonaws.com ec2.amazonaws.com.cn": china,
	} {
		found := false
		for _, s := range policyOf(t, full, id, permissions.Up, stack.Options{}).Statements {
			if slices.Contains(s.Actions, "iam:PassRole") {
				found = true
				want := permissions.Statement{Actions: []string{"iam:PassRole"}, Resources: []string{"arn:" + id.Partition + ":iam::123456789012:role/flowbed-dev-agent"},
					Condition: resource.Condition{"StringEquals": {"iam:PassedToService": strings.Fields(services)}}}
				if d := cmp.Diff(want, s); d != "" {
					t.Error(d)
				}
			}
		}
		if !found {
			t.Error("up may not pass the agent's role")
		}
	}
}

// Down of a bucket that must be empty may not empty it, plan writes nothing, and
// the partition is that of the region.
func TestPoliciesAreSmall(t *testing.T) {
	down := permissions.Actions(needs(t, full, identity, permissions.Down, stack.Options{}))
	if slices.Contains(down, "s3:DeleteObject") {
		t.Error("down may delete objects although nothing says so")
	}
	for _, a := range permissions.Actions(needs(t, full, identity, permissions.Plan, stack.Options{})) {
		_, op, _ := strings.Cut(a, ":")
		if !slices.ContainsFunc([]string{"Get", "List", "Describe"}, func(p string) bool { return strings.HasPrefix(op, p) }) {
			t.Errorf("plan may %s", a)
		}
	}
	china := identity
	china.Partition, china.Region = "aws-cn", "cn-north-1"
	p := policyOf(t, strings.ReplaceAll(full, "arn:aws:", "arn:aws-cn:"), china, permissions.Up, stack.Options{})
	for _, s := range p.Statements {
		for _, r := range s.Resources {
			if r != "*" && !strings.HasPrefix(r, "arn:aws-cn:") {
				t.Errorf("in China: %s", r)
			}
		}
	}
	var doc struct{ Version string }
	if err := json.Unmarshal([]byte(p.String()), &doc); err != nil || doc.Version != "2012-10-17" {
		t.Errorf("not a policy: %v, %v", doc, err)
	}
}

func TestTrust(t *testing.T) {
	for _, c := range []struct{ of, subject string }{
		{"github:flow-bed/flows", "repo:flow-bed/flows:*"},
		{"github:ada/flows.py:main", "repo:ada/flows.py:ref:refs/heads/main"},
		{"github:ada/flows:release/*", "repo:ada/flows:ref:refs/heads/release/*"},
		{"github:ada/flows:ref:refs/tags/v1", "repo:ada/flows:ref:refs/tags/v1"},
		{"github:ada/flows:environment:prod eu", "repo:ada/flows:environment:prod eu"},
		{"github:ada/flows:pull_request", "repo:ada/flows:pull_request"},
		{"gitlab:ada/flows", ""}, {"github:ada", ""}, {"github:*/flows", ""}, {"github:ada/*", ""}, {"github:ada/flows:", ""},
		{"github:ada/flows:ref:main", ""}, {"github:ada/flows:environment:", ""}, {`github:ada/flows:a"b`, ""}, {"github:ada/flows:tag:v1", ""},
	} {
		w, err := permissions.ParseWorkflow(c.of)
		if (err != nil) != (c.subject == "") || err == nil && w.Subject != c.subject {
			t.Errorf("%s: %q, %v, want %q", c.of, w.Subject, err, c.subject)
		}
	}
	w, err := permissions.ParseWorkflow("github:ada/flows")
	if err != nil || !w.Open() {
		t.Fatal(w, err)
	}
	golden(t, "trust-any.txt", w.Trust("aws", identity.Account))
	if w, err = permissions.ParseWorkflow("github:ada/flows:main"); err != nil || w.Open() {
		t.Fatal(w, err)
	}
	golden(t, "trust-main.txt", w.Trust("aws-cn", identity.Account))
}

// TestSplit: the parts are within the limit, and have each statement once.
func TestSplit(t *testing.T) {
	whole := policyOf(t, byDefault(t, everything(t)), here, permissions.Up, stack.Options{})
	for _, most := range []int{permissions.ManagedSize, 3000, 1} {
		var have []permissions.Statement
		for _, p := range whole.Split(most) {
			if p.Size() > most && len(p.Statements) > 1 {
				t.Errorf("a part has %d characters, want at most %d", p.Size(), most)
			}
			have = append(have, p.Statements...)
		}
		order := func(a, b permissions.Statement) int {
			return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
		}
		slices.SortFunc(have, order)
		if diff := cmp.Diff(slices.SortedFunc(slices.Values(whole.Statements), order), have); diff != "" {
			t.Errorf("at most %d characters (-whole +parts):\n%s", most, diff)
		}
	}
}
