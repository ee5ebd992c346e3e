//go:build linux

package e2e

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/test/e2e/hypervisor"
	"github.com/flowbed/flowbed/test/e2e/venv"
)

// agentOptions is an agent block with what changes the setup of its machine.
const agentOptions = `agent {
    work_queues  = ["etl"]
    pip_packages = ["flowbed-probe == 1.0", "six==1.17.0"]
    setup        = "echo \"$(id -un) in $HOME\" >/root/own\n"
    env = {
      PREFECT_LOGGING_LEVEL = "DEBUG"
      ODD                   = "it's 100% \"odd\":\n\t$HOME $${HOME} %n ` + "`id`" + ` \\n\\ 日本 \n"
    }
  }`

// oddValue is the value of ODD, as HCL reads it.
const oddValue = "it's 100% \"odd\":\n\t$HOME ${HOME} %n `id` \\n\\ 日本 \n"

// withProbe is a directory with all wheels of the tests, and with one that Prefect does not
// need.
func withProbe(t *testing.T) string {
	t.Helper()
	prefect, err := venv.Prefect()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(prefect, "wheels"))); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "flowbed_probe-1.0-py3-none-any.whl"))
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, file := range []struct{ name, content string }{
		{"flowbed_probe.py", "there = 'the probe is there'\n"},
		{"flowbed_probe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: flowbed-probe\nVersion: 1.0\n"},
		{"flowbed_probe-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{"flowbed_probe-1.0.dist-info/RECORD", "flowbed_probe.py,,\nflowbed_probe-1.0.dist-info/METADATA,,\nflowbed_probe-1.0.dist-info/WHEEL,,\nflowbed_probe-1.0.dist-info/RECORD,,\n"},
	} {
		w, err := z.Create(file.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(file.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantOptions looks for what agentOptions says on a machine whose worker is online.
func wantOptions(t *testing.T, m *hypervisor.Machine) {
	t.Helper()
	run := func(script string) string {
		t.Helper()
		out, err := m.Run(t.Context(), "bash", "-c", script)
		if err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
		return out
	}
	if have := run("cat /root/own"); have != "root in /root\n" {
		t.Errorf("the setup script left %q", have)
	}
	if have := run("/opt/flowbed/venv/bin/python -c 'import flowbed_probe, six; print(flowbed_probe.there, six.__version__)'"); have != "the probe is there 1.17.0\n" {
		t.Errorf("have the packages %q", have)
	}
	environ := run("cat /proc/$(systemctl show --property MainPID --value flowbed-agent.service)/environ")
	for _, want := range []string{"PREFECT_LOGGING_LEVEL=DEBUG\x00", "\x00ODD=" + oddValue + "\x00"} {
		if !strings.Contains("\x00"+environ, want) {
			t.Errorf("the worker does not have %q:\n%q", want, environ)
		}
	}
}
