package templates

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowbed/flowbed/test/e2e/able"
)

const ca = `-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIUQ0E
-----END CERTIFICATE-----
`

func worker() Agent {
	return Agent{
		Place: dev, Prefect: "3.9.1", PrefectAWS: "0.7.12", Before: "2026-10-31T00:00:00Z",
		APIURL:   "https://api.prefect.cloud/api/accounts/0f6e/workspaces/9d1c",
		WorkPool: "flowbed-dev", PoolExists: true, Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY",
	}
}

// agents are the scripts under test.
func agents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	add := func(name string, edit func(*Agent)) {
		a := worker()
		edit(&a)
		s, err := UserData(a)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = s
	}
	add("worker-cloud", func(*Agent) {})
	add("worker-server", func(a *Agent) {
		a.APIURL, a.Variable, a.CA = "https://prefect.example.org:4200/api", "PREFECT_API_AUTH_STRING", ca
	})
	add("worker-open", func(a *Agent) {
		a.APIURL, a.Parameter, a.Variable = "http://10.0.0.5:4200/api", "", ""
		a.PoolExists, a.Before = false, ""
	})
	add("worker-odd", func(a *Agent) {
		a.APIURL = `http://h/api?a="b"&c=$HOME'%n` + "`id`" + `\`
		a.WorkPool, a.Env = `p'o"o%l $x`, "it's"
	})
	add("worker-ttl", func(a *Agent) { a.TTL = 90 * time.Minute })
	for name, version := range map[string]string{"agent-server": "0.14.22", "agent-key": "1.4.1"} {
		s, err := UserData1(agent1(version))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = s
	}
	return all
}

// agent1 is an agent of Prefect 1; from 1.0 on it has a key.
func agent1(version string) Agent1 {
	a := Agent1{
		Place: dev, Prefect: version, APIURL: "http://10.0.0.5:4200", Labels: []string{"fargate-dev", "s3-flow-storage"},
		ClusterARN: cluster, TaskRole: roles[0], ExecutionRole: roles[1], LaunchType: "FARGATE",
		Subnets: []string{"subnet-1", "subnet-2"}, Groups: []string{"sg-1"}, PublicIP: true,
	}
	if strings.HasPrefix(version, "1.") {
		a.Labels = append(a.Labels, `it's 100% "odd"`)
		a.Parameter, a.Variable, a.CA = "/flowbed/dev/prefect-api-key", "PREFECT__CLOUD__API_KEY", ca
	}
	return a
}

func TestUserData(t *testing.T) {
	for name, s := range agents(t) {
		t.Run(name, func(t *testing.T) { golden(t, name+".sh", s) })
	}
}

func TestUserDataIsShell(t *testing.T) {
	shellcheck := tool(t, "shellcheck")
	for name, s := range agents(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{{"bash", "-n"}, {shellcheck, "--shell=bash", "-"}} {
				cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
				cmd.Stdin = strings.NewReader(s)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", args[0], err, out)
				}
			}
		})
	}
}

// written runs the part of a script that writes files, below a directory, and
// returns that directory: what a shell makes of the text is what counts.
func written(t *testing.T, s string) string {
	t.Helper()
	root := t.TempDir()
	_, s, ok := strings.Cut(s, "begin 'files'\n")
	if !ok {
		t.Fatal("the script writes no files")
	}
	s, _, _ = strings.Cut(s, "begin 'start'\n")
	for _, dir := range []string{"/etc/flowbed", "/opt/flowbed/bin", "/opt/flowbed/venv/bin", "/etc/systemd/system"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"prefect", "python"} {
		if err := os.WriteFile(root+"/opt/flowbed/venv/bin/"+program, []byte("#!/bin/sh\necho /dev/null\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s = strings.NewReplacer("/etc/", root+"/etc/", "/opt/", root+"/opt/").Replace(s)
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", "name=dev-i-0abc\n"+s)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("write files: %v\n%s", err, out)
	}
	return root
}

func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		able.Without(t, "systemd-analyze is missing: it comes with the package systemd")
	}
	for name, s := range agents(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unit := written(t, s) + "/etc/systemd/system/flowbed-agent.service"
			out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput()
			var ours []string
			for l := range strings.Lines(string(out)) {
				if strings.Contains(l, "flowbed-agent") || err != nil {
					ours = append(ours, l)
				}
			}
			if len(ours) > 0 {
				t.Errorf("systemd-analyze: %v\n%s", err, strings.Join(ours, ""))
			}
		})
	}
}

func TestFetchSecretIsPython(t *testing.T) {
	root := written(t, agents(t)["worker-odd"])
	program := "import ast, sys; ast.parse(open(sys.argv[1]).read())"
	out, err := exec.CommandContext(t.Context(), tool(t, "python"), "-c", program, root+"/opt/flowbed/bin/fetch-secret").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestUserDataKeepsOddValues reads the environment back as a shell: systemd
// undoes the quotes in the same way.
func TestUserDataKeepsOddValues(t *testing.T) {
	root := written(t, agents(t)["worker-odd"])
	out, err := exec.CommandContext(t.Context(), "bash", "-c", `. "$0"; printf '%s\n%s\n' "$PREFECT_API_URL" "$FLOWBED_NAME"`,
		root+"/etc/flowbed/agent.env").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), `http://h/api?a="b"&c=$HOME'%n`+"`id`\\\ndev-i-0abc\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRunTask reads the agent's file as YAML.
func TestRunTask(t *testing.T) {
	root := written(t, agents(t)["agent-server"])
	program := "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1])), sort_keys=True))"
	out, err := exec.CommandContext(t.Context(), tool(t, "python"), "-c", program, root+runTaskFile).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := `{"networkConfiguration": {"awsvpcConfiguration": {"assignPublicIp": "ENABLED", "securityGroups": ["sg-1"], "subnets": ["subnet-1", "subnet-2"]}}}`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestUserData1Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*Agent1)
		want string
	}{
		"a line break":    {func(a *Agent1) { a.Labels = []string{"a\nb"} }, "label: "},
		"another version": {func(a *Agent1) { a.Prefect = "3.9.1" }, "no version of Prefect 1"},
		"no version":      {func(a *Agent1) { a.Prefect = "" }, "no version of Prefect 1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := agent1("1.4.1")
			c.edit(&a)
			if _, err := UserData1(a); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestUserDataModes(t *testing.T) {
	root := written(t, agents(t)["worker-cloud"])
	for path, want := range map[string]os.FileMode{
		"/opt/flowbed/bin/fetch-secret": 0o755, "/opt/flowbed/bin/report": 0o755,
		"/etc/flowbed/agent.env": 0o644, "/etc/systemd/system/flowbed-agent.service": 0o644,
	} {
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s: %v", path, info.Mode())
		}
	}
}

func TestUserDataRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*Agent)
		want string
	}{
		"too long":       {func(a *Agent) { a.CA = ca + strings.Repeat("x", MaxUserData) }, "and EC2 takes 16384 at most"},
		"a line break":   {func(a *Agent) { a.APIURL = "http://h\nExecStart=/bin/sh" }, "API: "},
		"a private key":  {func(a *Agent) { a.CA = ca + "-----BEGIN RSA PRIVATE KEY-----" }, "nothing else"},
		"no certificate": {func(a *Agent) { a.CA = "hello" }, "certificates in PEM"},
		"the end":        {func(a *Agent) { a.CA = ca + "FLOWBED_END\nrm -rf /" }, "cannot be written"},
		"no variable":    {func(a *Agent) { a.Variable = "" }, "belong together"},
	} {
		t.Run(name, func(t *testing.T) {
			a := worker()
			c.edit(&a)
			if _, err := UserData(a); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestFill(t *testing.T) {
	for _, c := range []struct {
		text   string
		values map[string]string
		want   string
		err    string
	}{
		{"a {{x}} b {{x}}", map[string]string{"x": "{{y}}"}, "a {{y}} b {{y}}", ""},
		{"a {{x}}", nil, "", "no value for x"},
		{"a", map[string]string{"x": "1"}, "", "no place for x"},
		{"a {{ x }}", nil, "", "a brace is left over"},
	} {
		got, err := fill(c.text, c.values)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%s: %q, %v", c.text, got, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %v", c.text, err)
		}
	}
}
