//go:build unix

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestShownWorkflowsRun runs what the workflows of docs/ci.md have the action do, in the sandbox.
func TestShownWorkflowsRun(t *testing.T) {
	archive := packed(t)
	r := newRunner(t, release(t, archive, fmt.Sprintf("%x", sha256.Sum256(archive))))
	config := `variable "api_key" { sensitive = true }
defaults {
  region = "eu-central-1"
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = var.api_key
  }
}
environment "dev" {}
environment "prod" {}
environment "pr-*" { ttl = "8h" }
`
	if err := os.WriteFile(filepath.Join(r.dir, "config.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("${{ github.event.number }}", "17", "${{ secrets.PREFECT_API_KEY }}", "pnu_0123456789").Replace
	ran := 0
	for _, w := range shownWorkflows(t) {
		for _, name := range []string{"plan", "up", "down", "sweep"} { // as GitHub would, one after the other
			for _, s := range w.Jobs[name].Steps {
				if !strings.HasPrefix(s.Uses, "flowbed/flowbed@") {
					continue
				}
				ran++
				r.env = []string{"AWS_REGION=eu-central-1"} // from the step before
				for _, env := range []map[string]string{w.Env, s.Env} {
					for k, v := range env {
						r.env = append(r.env, k+"="+fill(v))
					}
				}
				code, log, outputs, _ := r.run(s.With["command"], s.With["environment"], firstOf(s.With["version"], "latest"))
				if code != 0 {
					t.Fatalf("%s: %s: exit code %d\n%s", w.Name, s.With["command"], code, log)
				}
				checkOutputs(t, name, outputs)
			}
		}
	}
	if ran != 6 {
		t.Errorf("%d steps ran", ran)
	}
}

// checkOutputs checks the outputs of a step that later ones use.
func checkOutputs(t *testing.T, job string, outputs map[string]string) {
	t.Helper()
	switch job {
	case "plan":
		if outputs["changes"] != "true" {
			t.Errorf("plan: outputs %q", outputs)
		}
	case "up":
		var doc struct{ Outputs map[string]any }
		if err := json.Unmarshal([]byte(outputs["outputs"]), &doc); err != nil || doc.Outputs["bucket"] == nil {
			t.Errorf("up: outputs %q: %v", outputs, err)
		}
	}
}
