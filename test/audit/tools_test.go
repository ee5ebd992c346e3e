package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/audit"
	"github.com/flowbed/flowbed/test/e2e/able"
)

func TestMain(m *testing.M) { able.Main(m) }

// tool returns the path of a program in .venv.
func tool(t *testing.T, name string) string {
	t.Helper()
	return able.Tool(t, name)
}

// inherent lists the cloudsplaining findings that every environment has.
var inherent = []struct{ severity, kind, action, why string }{
	{"high", "CredentialsExposure", "ecr:GetAuthorizationToken",
		"The action has no resource. Its token grants only what the role may pull anyway. `task_role { ecr = \"none\" }` removes it: ECS pulls a task's own image with the execution role."},
	{"low", "InfrastructureModification", "ecs:RegisterTaskDefinition",
		"A family that is not registered yet has no ARN. A registered definition runs only in the environment's cluster and only with its two roles (PassRole)."},
}

// opened are environments whose config file grants a whole service. The tools must
// find that service, and no other.
var opened = []struct{ name, text, service string }{
	{"s3 = full", "task_role { s3 = \"full\" }\n" + agent("3.9.1", ""), "s3"},
	{"ecr = full", "task_role { ecr = \"full\" }\n" + agent("3.9.1", ""), "ecr"},
}

// openedBy returns the service that a role of this name has full access to, or "".
func openedBy(role string) string {
	for _, o := range opened {
		if strings.Contains(role, "-task of "+o.name) {
			return o.service
		}
	}
	return ""
}

func findings() string {
	var b strings.Builder
	b.WriteString("| severity | finding | action | why we accept it |\n|---|---|---|---|\n")
	for _, m := range inherent {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", m.severity, m.kind, m.action, m.why)
	}
	return b.String()
}

// details returns the roles of all environments in the format of `aws iam
// get-account-authorization-details`.
func details(t *testing.T) []byte {
	t.Helper()
	var roles []map[string]any
	all := slices.Clone(environments)
	for _, o := range opened {
		all = append(all, struct{ name, text string }{o.name, o.text})
	}
	for i, e := range all {
		var a *audit.Account
		synctest.Test(t, func(t *testing.T) { a = up(t, sandbox.New(), e.text) })
		for _, r := range a.Roles {
			name := fmt.Sprintf("%s of %s", r.Name, e.name)
			policies := []map[string]any{}
			for policy, p := range r.Inline {
				policies = append(policies, map[string]any{"PolicyName": name + ", " + policy, "PolicyDocument": json.RawMessage(p.Text)})
			}
			roles = append(roles, map[string]any{
				"Path": "/", "RoleName": name, "RoleId": fmt.Sprintf("AROA%d%s", i, r.Name),
				"Arn": fmt.Sprintf("arn:aws:iam::%s:role/%d/%s", a.Number, i, r.Name), "CreateDate": "2026-01-01T00:00:00+00:00",
				"AssumeRolePolicyDocument": json.RawMessage(r.Trust.Text), "RolePolicyList": policies,
				"InstanceProfileList": []any{}, "AttachedManagedPolicies": []any{}, "Tags": []any{},
			})
		}
	}
	raw, err := json.Marshal(map[string]any{"UserDetailList": []any{}, "GroupDetailList": []any{}, "Policies": []any{}, "RoleDetailList": roles})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestCloudsplaining runs a third-party tool that looks for excess privileges in all
// roles of all environments.
func TestCloudsplaining(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range scan(t) {
		seen[f.kind+" "+f.action] = true
		i := slices.IndexFunc(inherent, func(m struct{ severity, kind, action, why string }) bool {
			return m.kind == f.kind && m.action == f.action && m.severity == f.severity
		})
		service, _, _ := strings.Cut(f.action, ":")
		if i < 0 && (service != openedBy(f.policy) || f.kind == "PrivilegeEscalation") {
			t.Errorf("%s: unexpected finding: %s %s %s", f.policy, f.severity, f.kind, f.action)
		}
	}
	for _, m := range inherent {
		if !seen[m.kind+" "+m.action] {
			t.Errorf("cloudsplaining no longer finds %s %s: remove it from inherent", m.kind, m.action)
		}
	}
	for _, o := range opened {
		if !seen["ServiceWildcard "+o.service] {
			t.Errorf("cloudsplaining does not find full access to %s", o.service)
		}
	}
}

type finding struct{ policy, severity, kind, action string }

// scan returns all findings of cloudsplaining.
func scan(t *testing.T) (list []finding) {
	t.Helper()
	dir := t.TempDir()
	in := filepath.Join(dir, "account.json")
	if err := os.WriteFile(in, details(t), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "cloudsplaining"), "scan", "--input-file", in, "--output", dir, "--skip-open-report")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cloudsplaining: %v\n%s", err, out)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "iam-results-account.json"))
	if err != nil {
		t.Fatal(err)
	}
	var results struct {
		Policies map[string]map[string]json.RawMessage `json:"inline_policies"`
	}
	if err := json.Unmarshal(raw, &results); err != nil {
		t.Fatal(err)
	}
	if len(results.Policies) < 10 {
		t.Fatalf("cloudsplaining checked only %d policies", len(results.Policies))
	}
	for _, p := range results.Policies {
		for kind, raw := range p {
			var found struct {
				Severity string
				Findings []any
			}
			if json.Unmarshal(raw, &found) != nil || found.Severity == "" {
				continue // the policy's name and text, not a kind of finding
			}
			for _, f := range found.Findings {
				list = append(list, finding{string(p["PolicyName"]), found.Severity, kind, fmt.Sprint(f)})
			}
		}
	}
	return list
}

// TestParliament runs another third-party tool on the same policies.
func TestParliament(t *testing.T) {
	parliament := tool(t, "parliament")
	var account struct {
		RoleDetailList []struct {
			RolePolicyList []struct {
				PolicyName     string
				PolicyDocument json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(details(t), &account); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range account.RoleDetailList {
		for _, p := range r.RolePolicyList {
			if seen[string(p.PolicyDocument)] {
				continue
			}
			seen[string(p.PolicyDocument)] = true
			t.Run(p.PolicyName, func(t *testing.T) {
				t.Parallel()
				cmd := exec.CommandContext(t.Context(), parliament, "--json")
				cmd.Stdin = bytes.NewReader(p.PolicyDocument)
				out, err := cmd.Output()
				if _, exited := errors.AsType[*exec.ExitError](err); err != nil && (!exited || len(out) == 0) {
					t.Fatal(err)
				}
				for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
					var found struct {
						Issue, Severity string
						Detail          any
					}
					if err := d.Decode(&found); err != nil {
						t.Fatalf("decode the output of parliament: %v\n%s", err, out)
					}
					what := fmt.Sprint(found.Issue, " ", found.Detail)
					wide := openedBy(p.PolicyName)
					if what != "RESOURCE_STAR [ecs:RegisterTaskDefinition]" && (wide == "" || !strings.HasPrefix(what, "RESOURCE_STAR ["+wide+":")) {
						t.Errorf("unexpected finding: %s: %s", found.Severity, what)
					}
				}
			})
		}
	}
}
