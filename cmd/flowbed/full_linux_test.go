package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestFull: a result that cannot be written is a failure, and stderr says why. Without anybody
// to tell, the exit code is all there is.
func TestFull(t *testing.T) {
	dir := configured(t, waitingConfig)
	if out, err := program(t, dir, "flowbed", "up", "--yes").CombinedOutput(); err != nil {
		t.Fatalf("up: %v: %s", err, out)
	}
	for _, line := range []string{
		"plan", "plan --json", "plan --detailed-exitcode", "plan --down --detailed-exitcode", "validate", "version", "list", "list --json",
		"outputs", "outputs --format env", "outputs --json", "doctor", "doctor --json", "policy --for up", "unlock", "agent logs", "sweep", "sweep --json",
		"--help", "up --help", "help exit-codes", "help flags", "completion bash", "up --yes", "up --yes --json",
	} {
		full := open(t, "/dev/full", os.O_WRONLY)
		c := program(t, dir, "flowbed", strings.Fields(line)...)
		var errs strings.Builder
		c.Stdout, c.Stderr = full, &errs
		_ = c.Run()
		if have := c.ProcessState.ExitCode(); have != exitFailed || strings.Count(errs.String(), "no space left on device") != 1 {
			t.Errorf("%s: exit code %d, said %q", line, have, &errs)
		}
	}
}

// TestFullErrors: stderr that is full changes no exit code, and neither do streams that are
// closed.
func TestFullErrors(t *testing.T) {
	dir := configured(t, waitingConfig)
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		code int
	}{
		{"plan", exitOK}, {"plan --detailed-exitcode", exitChanges}, {"plan --nonsense", exitUsage}, {"outputs --format x", exitUsage},
		{"--help", exitOK}, {"validate", exitOK}, {"doctor --json", exitOK}, {"unlock", exitOK},
	} {
		for _, streams := range []string{"2>/dev/full", "2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"} {
			p := program(t, dir, "flowbed", strings.Fields(c.line)...)
			p.Args = append([]string{"sh", "-c", `exec "$0" "$@" ` + streams, named(t, p)}, p.Args[1:]...)
			p.Path = sh
			out, _ := p.CombinedOutput()
			if have := p.ProcessState.ExitCode(); have != c.code || strings.Contains(string(out), "panic") {
				t.Errorf("%s %s: exit code %d, want %d: %s", c.line, streams, have, c.code, out)
			}
		}
	}
}

func open(t *testing.T, path string, how int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, how, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
