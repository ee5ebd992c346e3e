package templates

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// launch runs a container's command with the real Python. In place of prefect is a program that
// prints its arguments, its settings and its file.
func launch(t *testing.T, c Container, more ...string) (out string, err error) {
	t.Helper()
	python := tool(t, "python")
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v4/one/task" {
			_, _ = w.Write([]byte(`{"Cluster": "flows", "TaskARN": "arn:aws:ecs:eu-central-1:123456789012:task/flows/0123456789abcdef0123456789abcdef"}`))
		}
	}))
	defer metadata.Close()
	dir := t.TempDir()
	prefect := "#!/bin/sh\nprintf '%s\\n' \"$@\"\nprintf 'pid %s\\n' \"$$\"\nenv | grep -c FLOWBED_AGENT || true\n"
	if err := os.WriteFile(filepath.Join(dir, "prefect"), []byte(prefect), 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, c.Command[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "ECS_CONTAINER_METADATA_URI_V4="+metadata.URL+"/v4/one")
	for _, e := range c.Environment {
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	cmd.Env = append(cmd.Env, more...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func container(t *testing.T, a Agent, s Service) Container {
	t.Helper()
	c, err := ContainerOf(a, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var inContainer = Common{Env: "dev", Region: "eu-central-1", Prefect: "3.9.1", APIURL: "https://h/api?a=\"b\"&c=$HOME",
	Secret: &Secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY"}}

// TestLauncher: the agent replaces the launcher, so that it gets SIGTERM, and has the name of
// its task.
func TestLauncher(t *testing.T) {
	a := Prefect3Agent(inContainer, Worker{PrefectAWS: "0.7.12", WorkPool: "it's a pool", PoolExists: true})
	c := container(t, a, Service{})
	out, err := launch(t, c)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "FLOWBED: starts dev-0123456789abcdef0123456789abcdef\nworker\nstart\n--pool\nit's a pool\n--type\necs\n" +
		"--name\ndev-0123456789abcdef0123456789abcdef\n--install-policy\nnever\n--with-healthcheck\n--no-create-pool-if-not-found\n"
	if !strings.HasPrefix(out, want) {
		t.Errorf("have\n%s\nwant\n%s", out, want)
	}
	if !strings.HasSuffix(out, "\n0\n") {
		t.Errorf("the launcher's settings reach the agent:\n%s", out)
	}
	if c.Secret == nil || strings.Contains(strings.Join(c.Command, " "), c.Secret.Parameter) {
		t.Errorf("the secret is %+v, the command %q", c.Secret, c.Command[3:])
	}
	if i := slices.Index(c.Health, "CMD"); i != 0 || !strings.Contains(c.Health[3], "127.0.0.1:8080/health") {
		t.Errorf("the health check is %q", c.Health)
	}
}

// TestLauncherWritesFiles: an agent of Prefect 1 reads its network from a file, and a worker a CA.
func TestLauncherWritesFiles(t *testing.T) {
	dir := t.TempDir()
	c := container(t, Agent{
		Env: "dev", Command: Command{}.literals("agent ecs start").name(),
		Files: []File{{filepath.Join(dir, "a", "run-task.yaml"), 0o644, "subnets: [\"a\"]\n"}},
	}, Service{})
	if out, err := launch(t, c); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a", "run-task.yaml")); err != nil || string(b) != "subnets: [\"a\"]\n" {
		t.Errorf("have %q, %v", b, err)
	}
	if !strings.Contains(c.Health[3], "/api/health") {
		t.Errorf("the health check is %q", c.Health)
	}
	a := Prefect3Agent(inContainer, Worker{WorkPool: "p"})
	a.CA = &CA{PEM: "-----BEGIN CERTIFICATE-----\nx\n", Variable: "SSL_CERT_FILE"}
	c = container(t, a, Service{})
	var l launched
	if err := json.Unmarshal([]byte(c.Environment[len(c.Environment)-1].Value), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Files) != 1 || l.Files[0].Content != a.CA.PEM || !slices.Contains(c.Environment, Setting{"SSL_CERT_FILE", caFile}) {
		t.Errorf("have the files %+v and the settings %+v", l.Files, c.Environment)
	}
}

// TestLauncherExpires: after the deadline the launcher scales the service to zero, and starts no
// agent. Before it, the agent runs.
func TestLauncherExpires(t *testing.T) {
	a := Prefect3Agent(inContainer, Worker{WorkPool: "p"})
	dir := t.TempDir()
	fake := `import os, time
class Client:
    def update_service(self, **kw):
        print("update_service", sorted(kw.items()), flush=True)
        os._exit(7)  # in place of ECS, which stops the task
def client(name):
    return Client()
`
	if err := os.WriteFile(filepath.Join(dir, "boto3.py"), []byte(fake), 0o600); err != nil {
		t.Fatal(err)
	}
	late := container(t, a, Service{Cluster: "flows", Name: "flowbed-dev-worker", Expires: time.Now().Add(-time.Minute)})
	out, err := launch(t, late, "PYTHONPATH="+dir)
	if err == nil || !strings.Contains(out, "update_service [('cluster', 'flows'), ('desiredCount', 0), ('service', 'flowbed-dev-worker')]") || strings.Contains(out, "worker\nstart") {
		t.Errorf("have %v\n%s", err, out)
	}
	soon := container(t, a, Service{Cluster: "flows", Name: "flowbed-dev-worker", Expires: time.Now().Add(2 * time.Second)})
	out, err = launch(t, soon, "PYTHONPATH="+dir)
	if err != nil || !strings.Contains(out, "worker\nstart") || !strings.Contains(out, "update_service") {
		t.Errorf("have %v\n%s", err, out)
	}
}

// TestContainerOptions: what the user sets reaches the container as environment variables, and
// Prefect's entrypoint installs the packages together with Prefect's own.
func TestContainerOptions(t *testing.T) {
	c := inContainer
	c.Proxy = &Proxy{URL: "http://proxy.example.com:3128"}
	c.Extra = append(c.Proxy.Settings(), Setting{"GREETING", "it's 100% \"odd\":\n$HOME"})
	c.Install, c.Index = []string{"s3fs==2024.1.0"}, "https://packages.example.com/simple"
	have := map[string]string{}
	for _, e := range container(t, Prefect3Agent(c, Worker{PrefectAWS: "0.7.12", WorkPool: "p"}), Service{}).Environment {
		have[e.Name] = e.Value
	}
	for name, want := range map[string]string{
		"GREETING": "it's 100% \"odd\":\n$HOME", "HTTPS_PROXY": "http://proxy.example.com:3128",
		"NO_PROXY":           "localhost,127.0.0.1,::1,169.254.169.254,fd00:ec2::254,169.254.170.2",
		"EXTRA_PIP_PACKAGES": "prefect[aws]==3.9.1 prefect-aws==0.7.12 s3fs==2024.1.0",
		"PIP_INDEX_URL":      "https://packages.example.com/simple", "UV_DEFAULT_INDEX": "https://packages.example.com/simple",
	} {
		if have[name] != want {
			t.Errorf("%s: have %q, want %q", name, have[name], want)
		}
	}
	for _, e := range container(t, Prefect3Agent(inContainer, Worker{PrefectAWS: "0.7.12", WorkPool: "p"}), Service{}).Environment {
		if e.Name == "EXTRA_PIP_PACKAGES" || e.Name == "UV_DEFAULT_INDEX" {
			t.Errorf("without packages: have %s=%s", e.Name, e.Value)
		}
	}
}

// TestContainerRefuses: what cannot be written safely is an error.
func TestContainerRefuses(t *testing.T) {
	a := Prefect3Agent(inContainer, Worker{WorkPool: "p\nq"})
	if _, err := ContainerOf(a, Service{}); err == nil || !strings.Contains(err.Error(), "--pool") {
		t.Errorf("have %v", err)
	}
}
