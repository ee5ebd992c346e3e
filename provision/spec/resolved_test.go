package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const resolvable = `
variable "key" { sensitive = true }
variable "size" { default = "t3.small" }
locals { team = "data" }
defaults {
  region = "us-east-1"
  tags   = { team = local.team }
}
environment "pr-*" {
  tags = { stage = env_name }
  bucket { versioning = false }
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = var.key
  }
  agent { instance_type = var.size }
  task_role {
    statement {
      actions   = ["sqs:SendMessage", "sqs:ReceiveMessage"]
      resources = ["arn:aws:sqs:us-east-1:${account}:work"]
    }
  }
}
`

func resolvedOf(t *testing.T, text string, vars map[string]string) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path, Options{Env: "pr-7", Vars: vars})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Environment(Place{Account: "123456789012", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return e.Resolved()
}

func TestResolved(t *testing.T) {
	have := resolvedOf(t, resolvable, map[string]string{"key": "pnu_sentinel"})
	for name, want := range map[string]string{
		"name": "pr-7", "region": "us-east-1", "tags.team": "data", "tags.stage": "pr-7",
		"bucket.versioning": "false", "bucket.name": "flowbed-pr-7-123456789012-us-east-1-an",
		"prefect.api_key": "(secret)", "prefect.api_url": "https://prefect.example.com/api",
		"agent.instance_type":            "t3.small",
		"task_role.statement[0].actions": `["sqs:SendMessage","sqs:ReceiveMessage"]`, "task_role.statement[0].resources": `["arn:aws:sqs:us-east-1:123456789012:work"]`,
	} {
		if have[name] != want {
			t.Errorf("%s is %q, want %q", name, have[name], want)
		}
	}
	for name, value := range have {
		if strings.Contains(value, "sentinel") {
			t.Errorf("%s has the secret: %s", name, value)
		}
	}
	if _, ok := have["agent.setup"]; ok {
		t.Error("an attribute without a value has an entry")
	}
}

// TestResolvedMoves: what a variable changes is seen; the value of a secret is not.
func TestResolvedMoves(t *testing.T) {
	one := resolvedOf(t, resolvable, map[string]string{"key": "one"})
	if d := cmp.Diff(one, resolvedOf(t, resolvable, map[string]string{"key": "another"})); d != "" {
		t.Errorf("the value of a secret is seen:\n%s", d)
	}
	two := resolvedOf(t, resolvable, map[string]string{"key": "one", "size": "t3.large"})
	if d := cmp.Diff(map[string]string{"agent.instance_type": "t3.small"}, without(one, two)); d != "" {
		t.Errorf("what differs (-want +have):\n%s", d)
	}
}

func without(a, b map[string]string) map[string]string {
	rest := map[string]string{}
	for k, v := range a {
		if b[k] != v {
			rest[k] = v
		}
	}
	return rest
}
