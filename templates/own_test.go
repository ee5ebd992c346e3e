package templates

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ownScript is a setup script of a user, with what is special in a shell. It notes each run,
// and ends with the code in the file code.
const ownScript = `echo "it's $((1 + 1)) \\ %n ${HOME}"
echo 'No space left on device' >&2
cat # of an empty standard input
echo >>"$RUNS/runs"
exit "$(cat "$RUNS/code")"`

// TestOwnScript runs the beginning of a setup several times: the user's script runs until it
// has ended well once. If it fails, the console has its last words, and the second failure is
// one for good.
func TestOwnScript(t *testing.T) {
	head, _, ok := strings.Cut(agents(t)["worker-setup"], "begin 'swap'\n")
	if !ok {
		t.Fatal("the script does not begin with swap")
	}
	dir := t.TempDir()
	program(t, dir, "systemd-run", "")
	program(t, dir, "df", "Avail\n5000000")
	log, console := filepath.Join(dir, "log"), filepath.Join(dir, "console")
	script := strings.NewReplacer("/var/log/flowbed-setup.log", log, "/dev/console", console, "/etc/flowbed", dir+"/etc",
		"/run/flowbed-setup-failed", dir+"/failed").Replace(head) + "begin 'swap'\n"
	for i, c := range []struct{ code, runs, want, kind string }{
		{"3", "1", "step: setup\nFLOWBED: FAILED: setup: exit status 3\nFLOWBED: | it's 2 \\ %n /root\nFLOWBED: | No space left on device\nFLOWBED: again in 2 minutes\n", ""},
		{"4", "2", "FAILED: setup: exit status 4\n", "setup: exit status 4"},
		{"0", "3", "step: setup\nFLOWBED: step: swap\n", ""},
		{"5", "3", "step: setup\nFLOWBED: step: swap\n", ""},
	} {
		if err := os.WriteFile(filepath.Join(dir, "code"), []byte(c.code), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(console)
		cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "RUNS="+dir)
		_ = cmd.Run() // the console tells
		raw, err := os.ReadFile(console)
		if err != nil {
			t.Fatal(err)
		}
		said := string(raw)
		runs, err := os.ReadFile(filepath.Join(dir, "runs"))
		if err != nil || len(runs) != int(c.runs[0]-'0') || !strings.Contains(said, c.want) {
			t.Errorf("run %d: have %d runs (%v), and on the console:\n%s\nwant %s, and:\n%s", i+1, len(runs), err, said, c.runs, c.want)
		}
		if mark := "FATAL: " + c.kind + ": no retry will help ("; strings.Contains(said, "FATAL") != (c.kind != "") || c.kind != "" && !strings.Contains(said, mark) {
			t.Errorf("run %d: want the mark %q:\n%s", i+1, mark, said)
		}
	}
	have, err := os.ReadFile(filepath.Join(dir, "etc", "setup"))
	if want := "#!/bin/bash\n" + ownScript + "\n"; err != nil || string(have) != want {
		t.Errorf("the script on the instance: have %q (%v), want %q", have, err, want)
	}
}

// TestOwnInterpreter keeps the first line of a script that names its interpreter.
func TestOwnInterpreter(t *testing.T) {
	i := worker()
	i.Setup = "#!/usr/bin/env python3\nprint('hello')\n"
	if s, err := i.worker(); err != nil || !strings.Contains(s, "<<'FLOWBED_END'\n#!/usr/bin/env python3\nprint('hello')\nFLOWBED_END\n") {
		t.Errorf("have %v:\n%s", err, s)
	}
}
