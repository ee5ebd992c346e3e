//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/hypervisor"
	"github.com/flowbed/flowbed/test/e2e/venv"
)

// agents1 lists the two Prefect 1 agents that differ most: the last version, which has
// a key, and an old one that reports to a Prefect Server without a key.
var agents1 = []struct{ version, key, want string }{
	{"1.4.1", "pcu_0123456789", `PREFECT__BACKEND=cloud
PREFECT__CLOUD__API_KEY=pcu_0123456789`},
	{"0.14.22", "", `PREFECT__BACKEND=server`},
}

// TestAgent1 goes through the life of an environment with a Prefect 1 agent.
func TestAgent1(t *testing.T) {
	needMachine(t)
	t.Parallel()
	for _, c := range agents1 {
		t.Run(c.version, func(t *testing.T) {
			t.Parallel()
			server := newServer1(t, c.key)
			s := newSession(t, fmt.Sprintf(`
environment "dev" {
  region = "us-east-1"
  prefect {
    version = %q
    api_url = %q
    api_key = %q
  }
  agent {
    labels = ["fargate-dev", "it's 100%% \"odd\""]
  }
}
`, c.version, server.URL, c.key), c.key)
			before := inventory(t, s.front)
			s.front.Reset()
			up := s.start("up", "--yes", "--timeout", bootTimeout)
			id, userData := launched(t, up)
			m := bootPython(t, filepath.Join(prefect1(t), "bin", "python"), filepath.Join(prefect1(t), "wheels-"+c.version), hypervisor.Config{
				ID: id, UserData: userData, Doors: []int{server.Port}}, s.front)
			up.wait(0)
			s.wantAgent(m, server, "dev-"+id, c.version)
			s.wantCommand(m, "dev-"+id, server.URL, c.want)
			s.wantFlow1(server, c.key)
			s.end1(before, server)
		})
	}
}

// prefect1 returns the directory with Prefect 1's Python and wheels.
func prefect1(t *testing.T) string {
	t.Helper()
	dir, err := venv.Prefect1()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (s session) wantAgent(m *hypervisor.Machine, server *server1, name, version string) {
	s.Helper()
	list := server.seen()
	if len(list) != 1 {
		s.Fatalf("after up: have agents %v, want one", list)
	}
	have := []any{list[0].Name, list[0].Type, list[0].Version, list[0].Queried.IsZero(), strings.Join(list[0].Labels, "|")}
	if diff := cmp.Diff([]any{name, "ECSAgent", version, false, `fargate-dev|it's 100% "odd"`}, have); diff != "" {
		s.Errorf("the agent (-want +have):\n%s", diff)
	}
	if got, err := m.Run(s.Context(), "curl", "-fsS", "http://127.0.0.1:8080/api/health"); err != nil || strings.TrimSpace(got) != "{}" {
		s.Errorf("the agent's health: have %q, %v, want {}", got, err)
	}
}

// found returns what flowbed outputs shows now.
func (s session) found() (o struct {
	Cluster   string   `json:"cluster_arn"`
	Task      string   `json:"task_role_arn"`
	Execution string   `json:"execution_role_arn"`
	Subnets   []string `json:"subnets"`
	Groups    []string `json:"security_groups"`
}) {
	s.Helper()
	out := s.run(0, "outputs", "--format", "json")
	all := struct{ Outputs any }{&o}
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(o.Subnets) == 0 || len(o.Groups) != 1 {
		s.Fatalf("outputs: %v: %s", err, out)
	}
	return o
}

// wantCommand checks the arguments and the environment of the agent's process.
func (s session) wantCommand(m *hypervisor.Machine, name, api, env string) {
	s.Helper()
	read := func(command string) string {
		s.Helper()
		out, err := m.Run(s.Context(), "bash", "-c", "pid=$(systemctl show -P MainPID flowbed-agent); "+command)
		if err != nil {
			s.Errorf("%s: %v", command, err)
		}
		return strings.TrimSpace(out)
	}
	o := s.found()
	want := []string{"agent", "ecs", "start", "--name", name, "--api", api, "--agent-address", "http://127.0.0.1:8080",
		"--cluster", o.Cluster, "--launch-type", "FARGATE", "--task-role-arn", o.Task, "--execution-role-arn", o.Execution,
		"--run-task-kwargs", "/etc/flowbed/run-task.yaml", "--label", "fargate-dev", "--label", `it's 100% "odd"`}
	if diff := cmp.Diff(want, strings.Split(read(`tail -z -n +3 /proc/$pid/cmdline | tr '\0' '\n'`), "\n")); diff != "" {
		s.Errorf("the agent's arguments (-want +have):\n%s", diff)
	}
	if got := read(`tr '\0' '\n' </proc/$pid/environ | grep ^PREFECT__ | sort`); got != env {
		s.Errorf("the agent's environment is\n%s\nwant\n%s", got, env)
	}
	file := read("cat /etc/flowbed/run-task.yaml")
	for _, part := range append(o.Subnets, o.Groups[0], "assignPublicIp: ENABLED") {
		if !strings.Contains(file, part) {
			s.Errorf("run-task.yaml lacks %s:\n%s", part, file)
		}
	}
}
