//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// packed is an archive as a release has it, with the test's own binary, which is the program.
func packed(t *testing.T) []byte {
	t.Helper()
	program, err := exec.LookPath("flowbed")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for name, text := range map[string][]byte{"LICENSE": []byte("free"), "flowbed": text} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// runner is GitHub's runner, as far as the action uses it.
type runner struct {
	*testing.T
	dir, releases string
	env           []string
}

func newRunner(t *testing.T, releases string) *runner {
	r := &runner{T: t, dir: t.TempDir(), releases: releases}
	if err := os.WriteFile(filepath.Join(r.dir, "config.hcl"), []byte(`environment "dev" { region = "us-east-1" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs the action, and returns its exit code, its log, its outputs and its summary.
func (r *runner) run(command, environment, version string) (code int, log string, outputs map[string]string, summary string) {
	r.Helper()
	script, err := filepath.Abs("../../.github/action.sh")
	if err != nil {
		r.Fatal(err)
	}
	work := r.TempDir()
	c := exec.CommandContext(r.Context(), "bash", script)
	c.Dir = r.dir
	c.Env = append([]string{
		"PATH=" + withoutProgram(), "HOME=" + work, "FLOWBED_SANDBOX=1", "CI=true", "RUNNER_TEMP=" + work,
		"RUNNER_OS=" + map[string]string{"linux": "Linux", "darwin": "macOS"}[runtime.GOOS],
		"RUNNER_ARCH=" + map[string]string{"amd64": "X64", "arm64": "ARM64"}[runtime.GOARCH],
		"GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=" + filepath.Dir(r.dir), "GITHUB_OUTPUT=" + filepath.Join(work, "output"), "GITHUB_STEP_SUMMARY=" + filepath.Join(work, "summary"), "GITHUB_PATH=" + filepath.Join(work, "path"),
		"FLOWBED_ACTION_COMMAND=" + command, "FLOWBED_ACTION_ENVIRONMENT=" + environment, "FLOWBED_ACTION_VERSION=" + version,
		"FLOWBED_ACTION_RELEASES=" + r.releases,
	}, r.env...)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		r.Fatal(err)
	}
	if added, err := os.ReadFile(filepath.Join(work, "path")); err == nil && strings.TrimSpace(string(added)) != filepath.Join(work, "flowbed") {
		r.Errorf("added to the PATH: %s", added)
	}
	text, _ := os.ReadFile(filepath.Join(work, "summary")) // there is none if nothing was printed
	return c.ProcessState.ExitCode(), string(out), outputsOf(r.T, filepath.Join(work, "output")), string(text)
}

// withoutProgram is the PATH without the folder of the test's own program.
func withoutProgram() string {
	var kept []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "flowbed")); err != nil {
			kept = append(kept, dir)
		}
	}
	return strings.Join(kept, string(filepath.ListSeparator))
}

// outputsOf reads a file of outputs as GitHub does: name<<end, lines, end.
func outputsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	outputs := map[string]string{}
	text, err := os.ReadFile(path)
	if err != nil {
		return outputs // the action has failed before it set one
	}
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines) && lines[i] != ""; i++ {
		name, end, ok := strings.Cut(lines[i], "<<")
		if !ok {
			t.Fatalf("no output: %q", lines[i])
		}
		var value []string
		for i++; lines[i] != end; i++ {
			value = append(value, lines[i])
		}
		outputs[name] = strings.Join(value, "\n")
	}
	return outputs
}

// release serves a release at the paths that GitHub has. sum is the checksum of its archive.
func release(t *testing.T, archive []byte, sum string) string {
	t.Helper()
	name := fmt.Sprintf("flowbed_0.3.0_%s_%s.tar.gz", runtime.GOOS, runtime.GOARCH)
	sums := fmt.Sprintf("%s  %s\n%s  %s.sbom.json\n%[1]s  flowbed_0.3.0_plan9_mips.tar.gz\n", sum, name, sum, name)
	mux := http.NewServeMux()
	for _, at := range []string{"/latest/download/", "/download/v0.3.0/"} {
		mux.HandleFunc(at+"checksums.txt", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, sums) })
		mux.HandleFunc(at+name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestAction runs the action's script, with a server that plays GitHub's releases, and the
// real program in the sandbox.
func TestAction(t *testing.T) {
	archive := packed(t)
	r := newRunner(t, release(t, archive, fmt.Sprintf("%x", sha256.Sum256(archive))))

	code, log, outputs, summary := r.run("plan", "", "latest")
	if code != 0 || outputs["changes"] != "true" || outputs["exit-code"] != "2" || outputs["version"] != "dev" {
		t.Fatalf("plan: exit code %d, outputs %q\n%s", code, outputs, log)
	}
	if !strings.HasPrefix(summary, "### flowbed plan: dev\n\n```text\n") || !strings.Contains(summary, "+ create    bucket") || !strings.HasSuffix(summary, "\n```\n\n") {
		t.Errorf("plan: summary:\n%s", summary)
	}
	if !strings.Contains(log, "+ create    bucket") {
		t.Errorf("plan: log:\n%s", log)
	}

	code, log, outputs, summary = r.run("up", "dev", "v0.3.0")
	if code != 0 || outputs["exit-code"] != "0" || strings.Count(summary, "### flowbed up: dev\n") != 1 || !strings.Contains(summary, "\nUp: 6 created in ") {
		t.Fatalf("up: exit code %d, outputs %q\n%s", code, outputs, log)
	}
	if err := checkSchemas(outputs["outputs"]); err != nil {
		t.Error(err)
	}
	var doc struct{ Outputs map[string]any }
	if err := json.Unmarshal([]byte(outputs["outputs"]), &doc); err != nil || doc.Outputs["bucket"] == nil {
		t.Errorf("up: outputs %q: %v", outputs, err)
	}
	if code, log, outputs, _ = r.run("plan --down", "dev", "0.3.0"); code != 0 || outputs["changes"] != "true" {
		t.Errorf("plan --down: exit code %d, outputs %q\n%s", code, outputs, log)
	}
	if code, log, outputs, _ = r.run("plan", "dev", "0.3.0"); code != 0 || outputs["changes"] != "false" {
		t.Errorf("plan without changes: exit code %d, outputs %q\n%s", code, outputs, log)
	}
	if code, log, _, _ = r.run("down", "dev", "latest"); code != 0 || !strings.Contains(log, "0 left") {
		t.Errorf("down: exit code %d\n%s", code, log)
	}
	if code, log, outputs, summary = r.run("", "", "latest"); code != 0 || summary != "" || outputs["version"] != "dev" || len(outputs) != 1 {
		t.Errorf("no command: exit code %d, outputs %q, summary %q\n%s", code, outputs, summary, log)
	}
	code, log, outputs, _ = r.run("plan", "prod", "latest")
	if code != exitUsage || outputs["exit-code"] != "3" || !strings.Contains(log, "prod") ||
		!strings.Contains(log, "\n::error file="+filepath.Base(r.dir)+"/config.hcl,line=1,") {
		t.Errorf("an unknown environment: exit code %d, outputs %q\n%s", code, outputs, log)
	}

	// A plan that contains a fence stays inside of its own.
	if err := os.WriteFile(filepath.Join(r.dir, "config.hcl"), []byte("environment \"dev\" {\n  region = \"us-east-1\"\n  task_role {\n    statement {\n      actions = [\"sqs:SendMessage\"]\n      resources = [\"arn:aws:sqs:us-east-1:123456789012:```\"]\n    }\n  }\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, log, _, summary = r.run("list", "", "latest"); !strings.HasPrefix(summary, "### flowbed list\n\n```text\n") {
		t.Errorf("list: summary:\n%s\nlog:\n%s", summary, log)
	}
	if _, log, _, summary = r.run("plan -v", "", "latest"); !strings.HasPrefix(summary, "### flowbed plan: dev\n\n````text\n") || !strings.HasSuffix(summary, "\n````\n\n") {
		t.Errorf("a fence: summary:\n%s\nlog:\n%s", summary, log)
	}
}

// TestActionRefuses: nothing runs that is not the release.
func TestActionRefuses(t *testing.T) {
	archive := []byte("not what was released")
	good := release(t, archive, fmt.Sprintf("%x", sha256.Sum256([]byte("what was released"))))
	for name, c := range map[string]struct {
		version string
		env     []string
		want    string
	}{
		"another archive": {"latest", nil, "the checksum of flowbed_0.3.0_"},
		"no release":      {"9.9.9", nil, "there is no release 9.9.9 at"},
		"no version":      {"$(id)", nil, "the version '$(id)' is not a version"},
		"a path":          {"../../evil", nil, "is not a version"},
		"another machine": {"latest", []string{"RUNNER_ARCH=X86"}, "there is no release for X86"},
		"another system":  {"latest", []string{"RUNNER_OS=Plan9"}, "there is no release for Plan9"},
		"no archive":      {"latest", []string{"RUNNER_OS=Windows"}, "has nothing for windows"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, good)
			r.env = c.env
			code, log, outputs, summary := r.run("plan", "", c.version)
			if code != 1 || !strings.Contains(log, "::error::flowbed: ") || !strings.Contains(log, c.want) || len(outputs) > 0 || summary != "" {
				t.Errorf("exit code %d, outputs %q, summary %q:\n%s", code, outputs, summary, log)
			}
		})
	}
}
