package templates

import (
	"errors"
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

var apiKey = Secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY"}

// input holds the arguments that describe an agent under test.
type input struct {
	Common
	Worker
	labels []string
	Tasks
}

func worker() input {
	s := apiKey
	return input{
		Common: Common{
			Env: "dev", Region: "eu-central-1", Prefect: "3.9.1",
			APIURL: "https://api.prefect.cloud/api/accounts/0f6e/workspaces/9d1c", Secret: &s,
		},
		Worker: Worker{PrefectAWS: "0.7.12", Before: "2026-10-31T00:00:00Z", WorkPool: "flowbed-dev", PoolExists: true},
	}
}

func (i input) worker() (string, error) { return UserData(Prefect3Agent(i.Common, i.Worker)) }

// agent1 returns the input for a Prefect 1 agent. From 1.0 on it has a key.
func agent1(version string) input {
	i := input{
		Common: Common{Env: "dev", Region: "eu-central-1", Prefect: version, APIURL: "http://10.0.0.5:4200"},
		labels: []string{"fargate-dev", "s3-flow-storage"},
		Tasks: Tasks{
			ClusterARN: cluster, TaskRole: roles[0], ExecutionRole: roles[1],
			Subnets: []string{"subnet-1", "subnet-2"}, Groups: []string{"sg-1"}, PublicIP: true,
		},
	}
	if strings.HasPrefix(version, "1.") {
		i.labels = append(i.labels, `it's 100% "odd"`)
		i.Tags = map[string]string{"cost-center": "42", "größe: x": ""}
		i.Extra, i.Install = []Setting{{"PREFECT__LOGGING__LEVEL", "DEBUG"}}, []string{"s3fs"}
		i.Secret, i.CA = &Secret{Parameter: apiKey.Parameter, Variable: "PREFECT__CLOUD__API_KEY"}, ca
	}
	return i
}

func (i input) agent1() (string, error) {
	a, err := Prefect1Agent(i.Common, i.labels, i.Tasks)
	if err != nil {
		return "", err
	}
	return UserData(a)
}

// agents are the scripts under test.
func agents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	add := func(name string, script string, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = script
	}
	for name, edit := range map[string]func(*input){
		"worker-cloud": func(*input) {},
		"worker-server": func(i *input) {
			i.APIURL, i.Secret.Variable, i.CA = "https://prefect.example.org:4200/api", "PREFECT_API_AUTH_STRING", ca
		},
		"worker-open": func(i *input) {
			i.APIURL, i.Secret, i.PoolExists, i.Before = "http://10.0.0.5:4200/api", nil, false, ""
		},
		"worker-odd": func(i *input) {
			i.APIURL = `http://h/api?a="b"&c=$HOME'%n` + "`id`" + `\`
			i.WorkPool, i.Env, i.Queues = `p'o"o%l $x`, "it's", []string{"etl", `a "queue" of $5`}
		},
		"worker-env": func(i *input) {
			i.Extra = []Setting{{"PREFECT_LOGGING_LEVEL", "DEBUG"}, {"GREETING", "it's 100% \"odd\":\n\t$HOME `id` \\ 日本\n"}}
			i.Install = []string{"s3fs==2024.1.0", "pandas[parquet]>=2,<3"}
		},
		"worker-proxy": func(i *input) {
			i.Proxy = &Proxy{URL: "http://proxy.example.com:3128", Except: []string{".internal", "localhost"}}
			i.Extra, i.Index = i.Proxy.Settings(), "https://packages.example.com/simple/%7Eteam"
		},
		"worker-setup": func(i *input) { i.Setup = ownScript },
		"worker-secret": func(i *input) {
			i.Secret = &Secret{Variable: "PREFECT_API_KEY", From: existing("arn:aws:secretsmanager:us-east-1:123456789012:secret:prefect-AbCdEf:key:AWSPREVIOUS:")}
		},
		"worker-parameter": func(i *input) {
			i.Secret = &Secret{Variable: "PREFECT_API_KEY", From: existing("arn:aws:ssm:eu-central-1:123456789012:parameter/team/prefect")}
		},
		"worker-events": func(i *input) { i.Events = "flowbed-dev-events" },
		"worker-ttl":    func(i *input) { i.TTL = 90 * time.Minute },
	} {
		i := worker()
		edit(&i)
		script, err := i.worker()
		add(name, script, err)
	}
	for name, version := range map[string]string{"agent-server": "0.14.22", "agent-key": "1.4.1"} {
		script, err := agent1(version).agent1()
		add(name, script, err)
	}
	return all
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

// written runs the part of a script that writes files, inside a temporary
// directory, and returns that directory.
func written(t *testing.T, s string) string {
	t.Helper()
	root := t.TempDir()
	_, s, ok := strings.Cut(s, "begin 'files'\n")
	if !ok {
		t.Fatal("the script has no part that writes files")
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
		t.Errorf("Python cannot parse fetch-secret: %v\n%s", err, out)
	}
}

// TestUserDataKeepsOddValues reads the environment file back with a shell, which
// removes quotes the same way systemd does.
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

// TestRunTask reads the agent's run-task file as YAML.
func TestRunTask(t *testing.T) {
	root := written(t, agents(t)["agent-server"])
	program := "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1])), sort_keys=True))"
	out, err := exec.CommandContext(t.Context(), tool(t, "python"), "-c", program, root+runTaskFile).CombinedOutput()
	if err != nil {
		t.Fatalf("read the file as YAML: %v\n%s", err, out)
	}
	want := `{"networkConfiguration": {"awsvpcConfiguration": {"assignPublicIp": "ENABLED", "securityGroups": ["sg-1"], "subnets": ["subnet-1", "subnet-2"]}}}`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTagFiles reads the files of an agent with tags as YAML.
func TestTagFiles(t *testing.T) {
	root := written(t, agents(t)["agent-key"])
	program := "import json, sys, yaml; print(json.dumps([[f.get('tags'), f.get('propagateTags'), f.get('containerDefinitions')] for f in map(yaml.safe_load, map(open, sys.argv[1:]))], ensure_ascii=False))"
	out, err := exec.CommandContext(t.Context(), tool(t, "python"), "-c", program, root+runTaskFile, root+definitionFile).CombinedOutput()
	if err != nil {
		t.Fatalf("read the files as YAML: %v\n%s", err, out)
	}
	tags := `[{"key": "cost-center", "value": "42"}, {"key": "größe: x", "value": ""}]`
	want := `[[` + tags + `, "TASK_DEFINITION", null], [` + tags + `, null, [{"name": "flow"}]]]`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPrefect1AgentRejects(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*input)
		want string
	}{
		"a line break in a label":   {func(i *input) { i.labels = []string{"a\nb"} }, "--label: "},
		"a line break in the API":   {func(i *input) { i.APIURL = "http://h\nx" }, "--api: "},
		"a line break in a cluster": {func(i *input) { i.ClusterARN += "\n" }, "--cluster: "},
		"a line break in a role":    {func(i *input) { i.TaskRole += "\n" }, "--task-role-arn: "},
		"a line break in a subnet":  {func(i *input) { i.Subnets = []string{"a\nb"} }, "subnet: "},
		"a line break in a group":   {func(i *input) { i.Groups = []string{"a\nb"} }, "security group: "},
		"another version":           {func(i *input) { i.Prefect = "3.9.1" }, "not a version of Prefect 1"},
		"no version":                {func(i *input) { i.Prefect = "" }, "not a version of Prefect 1"},
	} {
		t.Run(name, func(t *testing.T) {
			i := agent1("1.4.1")
			c.edit(&i)
			if _, err := i.agent1(); err == nil || !strings.Contains(err.Error(), c.want) {
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
			t.Errorf("%s: got mode %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestPrefect3AgentRejects(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*input)
		want string
	}{
		"too long":            {func(i *input) { i.CA = ca + strings.Repeat("x", MaxUserData) }, "EC2 takes 16384 at most"},
		"a private key":       {func(i *input) { i.CA = ca + "-----BEGIN RSA PRIVATE KEY-----" }, "nothing else"},
		"no certificate":      {func(i *input) { i.CA = "hello" }, "certificates in PEM"},
		"a heredoc's end":     {func(i *input) { i.CA = ca + "FLOWBED_END\nrm -rf /" }, "cannot be written"},
		"a zero byte":         {func(i *input) { i.CA = ca + "\x00" }, "cannot be written"},
		"no variable":         {func(i *input) { i.Secret.Variable = "" }, "a secret needs a variable, and either a parameter or another secret"},
		"no parameter":        {func(i *input) { i.Secret.Parameter = "" }, "a secret needs a variable, and either a parameter or another secret"},
		"an odd parameter":    {func(i *input) { i.Secret.Parameter = "/a\nb" }, "parameter: "},
		"an odd API":          {func(i *input) { i.APIURL = "http://h\nExecStart=/bin/sh" }, "PREFECT_API_URL: "},
		"an odd region":       {func(i *input) { i.Region = "a\nb" }, "AWS_DEFAULT_REGION: "},
		"an odd environment":  {func(i *input) { i.Env = "a\nb" }, "environment: "},
		"an odd pool":         {func(i *input) { i.WorkPool = "a\x7fb" }, "--pool: "},
		"an odd queue":        {func(i *input) { i.Queues = []string{"a\nb"} }, "--work-queue: "},
		"an odd version":      {func(i *input) { i.Prefect = "3\n" }, "package: "},
		"an odd prefect-aws":  {func(i *input) { i.PrefectAWS = "\xff" }, "package: "},
		"an odd index":        {func(i *input) { i.Index = "https://a\nb" }, "package index: "},
		"an odd release date": {func(i *input) { i.Before = "2026\n" }, "release date: "},
	} {
		t.Run(name, func(t *testing.T) {
			i := worker()
			c.edit(&i)
			if _, err := i.worker(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestUserDataRejects covers Agents that neither Prefect1Agent nor Prefect3Agent
// returns.
func TestUserDataRejects(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*Agent)
		want string
	}{
		"another Python":                {func(a *Agent) { a.Python = "2.7" }, "python2.7.sh"},
		"two constraints":               {func(a *Agent) { a.Packages.Constraints = "click==8.1.3" }, "not both"},
		"a heredoc's end":               {func(a *Agent) { a.Packages = Packages{Constraints: "FLOWBED_END\nid"} }, "constraints.txt cannot be written"},
		"a variable's name":             {func(a *Agent) { a.Extra = []Setting{{"A B", "c"}} }, `variable name "A B"`},
		"a variable's value":            {func(a *Agent) { a.Extra = []Setting{{"A", "b\rc"}} }, "control character"},
		"a heredoc's end in a script":   {func(a *Agent) { a.Setup = "id\nFLOWBED_END\n" }, "setup cannot be written"},
		"a heredoc's end in a variable": {func(a *Agent) { a.Extra = []Setting{{"A", "b\nFLOWBED_END\n"}} }, "cannot be written"},
		"a proxy":                       {func(a *Agent) { a.Proxy = &Proxy{URL: "http://a\nb"} }, "HTTP_PROXY: "},
		"a setting's name":              {func(a *Agent) { a.Settings = []Setting{{"A B", "c"}} }, `variable name "A B"`},
		"a secret's name":               {func(a *Agent) { a.Secret.Variable = "A-B" }, `variable name "A-B"`},
		"a CA's name":                   {func(a *Agent) { a.CA = &CA{PEM: ca} }, `variable name ""`},
		"a relative path":               {func(a *Agent) { a.Files = []File{{"a", 0o644, ""}} }, "not absolute"},
		"a newline in a path":           {func(a *Agent) { a.Files = []File{{"/a\nb", 0o644, ""}} }, "file: "},
		"an odd flag":                   {func(a *Agent) { a.Command = Command{{Literal, "a\tb"}} }, "command: "},
	} {
		t.Run(name, func(t *testing.T) {
			i := worker()
			a := Prefect3Agent(i.Common, i.Worker)
			c.edit(&a)
			if _, err := UserData(a); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestFailedUserData(t *testing.T) {
	s := strings.ReplaceAll(FailedUserData(errors.New("it's $HOME\n`id`")), "/dev/console", "/dev/stdout")
	out, err := exec.CommandContext(t.Context(), "sh", "-c", s).Output()
	if want := "FLOWBED: FAILED: its $HOME\n`id`\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
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
		{"a", map[string]string{"x": "1"}, "", "no placeholder for x"},
		{"a {{ x }}", nil, "", "a brace is left over"},
	} {
		got, err := fill(c.text, c.values)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%s: got %q, %v, want %q", c.text, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: got %v, want %q", c.text, err, c.err)
		}
	}
}
