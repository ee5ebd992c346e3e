//go:build linux

package e2e

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/hypervisor"
	"github.com/flowbed/flowbed/test/e2e/moto"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
	"github.com/flowbed/flowbed/test/e2e/venv"
)

// prefectVersion returns the version in requirements-prefect.txt.
func prefectVersion(t *testing.T) prefect.Version {
	t.Helper()
	raw, err := os.ReadFile("requirements-prefect.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if s, ok := strings.CutPrefix(strings.TrimSpace(line), "prefect=="); ok {
			v, err := prefect.ParseVersion(s)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatal("requirements-prefect.txt does not pin prefect")
	return prefect.Version{}
}

// TestPinnedVersion checks that the tests run the version that flowbed installs by default.
func TestPinnedVersion(t *testing.T) {
	if v := prefectVersion(t).String(); v != spec.DefaultPrefectVersion {
		t.Errorf("requirements-prefect.txt pins Prefect %s, and flowbed's default is %s", v, spec.DefaultPrefectVersion)
	}
}

func prefectServer(t *testing.T, o prefectserver.Options) *prefectserver.Server {
	t.Helper()
	s, err := prefectserver.Start(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// needMachine skips or fails a test that boots a machine if that is not possible.
func needMachine(t *testing.T) {
	t.Helper()
	able.Slow(t)
	if os.Geteuid() != 0 {
		able.Without(t, "this test makes namespaces, and needs to be root")
	}
	if _, err := os.Stat("/lib/systemd/systemd-socket-proxyd"); err != nil {
		able.Without(t, "this test boots a machine, and needs systemd: "+err.Error())
	}
}

// boot starts a machine that reaches an account and a Prefect server.
func boot(t *testing.T, id, userData string, f *moto.Front, s *prefectserver.Server) *hypervisor.Machine {
	t.Helper()
	dir, err := venv.Prefect()
	if err != nil {
		t.Fatal(err)
	}
	return bootFrom(t, filepath.Join(dir, "wheels"), id, userData, f, s)
}

// bootFrom does the same with another directory of wheels.
func bootFrom(t *testing.T, wheels, id, userData string, f *moto.Front, s *prefectserver.Server) *hypervisor.Machine {
	t.Helper()
	dir, err := venv.Prefect()
	if err != nil {
		t.Fatal(err)
	}
	return bootPython(t, filepath.Join(dir, "bin", "python"), wheels,
		hypervisor.Config{ID: id, UserData: userData, Doors: []int{s.Port}}, f)
}

// bootPython starts a machine that reaches an account. Its package manager installs the
// Python of a virtual environment.
func bootPython(t *testing.T, python, wheels string, c hypervisor.Config, f *moto.Front) *hypervisor.Machine {
	t.Helper()
	base, err := exec.CommandContext(t.Context(), python, "-c", "import os, sys; print(os.path.realpath(sys._base_executable))").Output()
	if err != nil {
		t.Fatal(err)
	}
	door, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(door.Port())
	if err != nil {
		t.Fatal(err)
	}
	c.Role, c.Keys = "agent", hypervisor.Keys{ID: workerKey, Secret: "secret", Token: "token"}
	c.Doors = append(c.Doors, port)
	c.Environ = []string{"AWS_ENDPOINT_URL=" + f.URL}
	c.Python, c.Wheels = strings.TrimSpace(string(base)), wheels
	m, err := hypervisor.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-m.Ended():
			t.Error("the machine ended by itself")
		case <-stop:
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-watched
		if t.Failed() {
			t.Log(m.Report())
		}
		m.Stop()
	})
	return m
}

// workerKey is the id of the machine's AWS access key.
const workerKey = "ASIAWORKER"

// eventually polls until yes returns true, or the test has failed: then what it waits for
// may never happen. How long that takes depends on the machine, so the only limit is go
// test's own, less one minute for the report.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		<-tick.C
		if t.Failed() {
			t.Fatalf("%s: did not happen before the test failed", what)
		}
		if end, ok := t.Deadline(); ok && time.Until(end) < time.Minute {
			t.Fatalf("%s: did not happen before go test's -timeout", what)
		}
	}
}

func workerUserData(t *testing.T, s *prefectserver.Server) string {
	t.Helper()
	v := prefectVersion(t)
	script, err := templates.UserData(templates.Prefect3Agent(templates.Common{
		Env: "dev", Region: "us-east-1", Prefect: v.String(), APIURL: s.API,
		Secret: &templates.Secret{Parameter: secretParameter, Variable: "PREFECT_API_AUTH_STRING"},
	}, templates.Worker{PrefectAWS: v.AWS(), Before: v.Before(), WorkPool: "pool"}))
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// secretParameter is the parameter with the secret of an environment named dev.
const secretParameter = "/flowbed/dev/prefect-api-key"

func putSecret(t *testing.T, f *moto.Front, parameter, value string) {
	t.Helper()
	if _, err := ssm.NewFromConfig(f.Config("us-east-1")).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: &parameter, Value: &value, Type: ssmtypes.ParameterTypeSecureString, Overwrite: aws.Bool(true),
	}); err != nil {
		t.Fatal(err)
	}
}

// TestWorkerReports runs the user data on a machine. The worker's first secret is wrong,
// and the console shows that. The next one is right.
func TestWorkerReports(t *testing.T) {
	needMachine(t)
	t.Parallel()
	s := prefectServer(t, prefectserver.Options{Auth: `us er:hunter2$a"s\s`, CSRF: true})
	f := account(t)
	putSecret(t, f, secretParameter, "user:wrong")
	m := boot(t, "i-0123456789abcdef0", workerUserData(t, s), f, s)

	eventually(t, "a wrong secret shows on the console", func() bool {
		return strings.Contains(m.Console(), "FLOWBED: | An exception occurred.")
	})
	steps := []string{"step: swap", "step: name", "step: python", "step: prefect", "step: files", "step: start",
		"done: dev-i-0123456789abcdef0 starts", "FAILED: the agent ended (exit-code 1)"}
	if got := m.Console(); !strings.HasPrefix(got, "FLOWBED: "+strings.Join(steps, "\nFLOWBED: ")+"\n") ||
		!strings.Contains(got, "Client error '401 Unauthorized'") {
		t.Errorf("the console lacks the steps or the worker's own error:\n%s", got)
	}

	// A rotated secret needs only a restart, and systemd restarts the worker by itself.
	putSecret(t, f, secretParameter, s.Auth)
	eventually(t, "the worker reports", func() bool {
		list, err := s.Workers(t.Context(), "pool")
		return err == nil && len(list) == 1 && list[0].Name == "dev-i-0123456789abcdef0" && list[0].Status == "ONLINE"
	})
	for command, want := range map[string]string{
		"stat -c '%a %U' /run/flowbed/secret.env":                                     "600 root\n",
		"systemctl is-enabled flowbed-agent":                                          "enabled\n",
		"stat -c %U /proc/$(systemctl show -P MainPID flowbed-agent)":                 "prefect\n",
		"curl -fsS http://127.0.0.1:8080/health":                                      `{"message":"OK"}`,
		"curl -sS http://169.254.169.254/latest/meta-data/instance-id":                "no token\n",
		"grep -rlF hunter2 /etc /opt/flowbed/bin /var/log/*.log /dev/console || true": "",
		"journalctl --output cat | grep -cF hunter2 || true":                          "0\n",
	} {
		if got, err := m.Run(t.Context(), "bash", "-c", command); err != nil || got != want {
			t.Errorf("%s: have %q, %v, want %q", command, got, err, want)
		}
	}
}
