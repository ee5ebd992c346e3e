package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// folder is where several real processes use one sandbox.
type folder struct {
	*testing.T
	dir string
}

func newFolder(t *testing.T) folder {
	f := folder{t, t.TempDir()}
	var text strings.Builder
	for _, name := range []string{"a", "b"} {
		fmt.Fprintf(&text, "environment %q { region = \"us-east-1\" }\n", name)
	}
	fmt.Fprintf(&text, "environment \"c\" {\nregion = \"us-east-1\"\nprefect {\napi_url = \"http://prefect.example/api\"\n}\nagent {}\n}\n")
	if err := os.WriteFile(filepath.Join(f.dir, "config.hcl"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// command is "up a" or the like.
func (f folder) command(line string) *exec.Cmd {
	verb, env, _ := strings.Cut(line, " ")
	args := []string{verb, "-e", env}
	switch verb {
	case "up", "down":
		args = append(args, "--yes")
	case "plan":
		args = append(args, "--detailed-exitcode")
	}
	return program(f.T, f.dir, "flowbed", args...)
}

// run runs commands at the same time. Each has to succeed.
func (f folder) run(lines ...string) {
	f.Helper()
	var all sync.WaitGroup
	for _, line := range lines {
		all.Go(func() {
			if out, err := f.command(line).CombinedOutput(); err != nil {
				f.Errorf("%s, one of %q: %v: %s", line, lines, err, out)
			}
		})
	}
	all.Wait()
}

// built checks that these environments are complete.
func (f folder) built(envs ...string) {
	f.Helper()
	for _, e := range envs {
		f.run("plan " + e)
	}
}

// empty checks that nothing of any environment is left.
func (f folder) empty() {
	f.Helper()
	for _, e := range []string{"a", "b", "c"} {
		if out, err := program(f.T, f.dir, "flowbed", "plan", "--down", "-e", e, "--detailed-exitcode").CombinedOutput(); err != nil {
			f.Errorf("something is left: %v: %s", err, out)
		}
	}
}

// rounds is how often each test tries: what it looks for is a matter of chance.
const rounds = 4

// TestTogether: processes that use one sandbox at the same time lose nothing.
func TestTogether(t *testing.T) {
	for range rounds {
		f := newFolder(t)
		f.run("up a", "up b", "up c")
		f.built("a", "b", "c")
		f.run("up a", "plan b", "outputs c") // which change nothing
		f.run("down a", "up c", "plan b")
		f.built("b", "c")
		f.run("up a", "down b")
		f.built("a", "c")
		f.run("down a")
		f.run("down c")
		f.empty()
	}
}

// TestTogetherOnOne: the lock lets one run of an environment after the other.
func TestTogetherOnOne(t *testing.T) {
	for range rounds {
		f := newFolder(t)
		f.run("up a", "up a")
		f.built("a")
		f.run("down a")
		f.empty()
	}
	f := newFolder(t)
	f.run("up a")
	f.run("down a", "down a") // the second may wait until it believes that the lock is gone
	f.empty()
}

// TestTogetherKilled: a killed process holds up nobody, and its environment can be completed.
func TestTogetherKilled(t *testing.T) {
	for range 2 * rounds {
		f := newFolder(t)
		victim := f.command("up c")
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(rand.N(150*time.Millisecond), func() { _ = victim.Process.Kill() })
		f.run("up a", "up b")
		_ = victim.Wait()
		f.built("a", "b")
		f.run("up c", "plan a")
		f.built("c")
	}
}
