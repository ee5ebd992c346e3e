package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/faultproxy"
	"github.com/flowbed/flowbed/test/e2e/moto"
	"github.com/flowbed/flowbed/test/faultmatrix"
	"github.com/flowbed/flowbed/test/prefecttest"
)

// outside lists the faults that can be injected from outside the program.
var outside = []faultmatrix.Fault{
	faultmatrix.KilledBefore, faultmatrix.KilledAfter, faultmatrix.ReplyLost, faultmatrix.Throttled, faultmatrix.Broken, faultmatrix.Reset,
	faultmatrix.Stopped,
}

// `make matrix` sets update to write the document. The matrix must be complete.
var update = flag.Bool("update", false, "write docs/fault-matrix.md; needs FLOWBED_TESTS=all")

// sample says how many calls get a fault unless the whole matrix runs: one out of
// sample. The faults take turns.
const sample = 2

// atOnce is how many faults are tried at a time. A program that waits for AWS needs no
// processor, and moto has more to do for each fault than the program.
const atOnce = 6

const crashSpec = `
environment "dev" {
  region = "us-east-1"
  prefect {
    api_url = "%s/api"
    api_key = "pnu_a_secret_of_the_test"
  }
  agent {
    ssh {
      cidr       = "203.0.113.7/32"
      public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dM8zQ2n8gk1d6zB1mG7p9v8kO2T0c4l5aYxJr6q7S test"
    }
  }
}
`

// victim is the program in its own account, behind the proxy.
type victim struct {
	*testing.T
	what   string
	binary string
	dir    string
	front  *moto.Front
	proxy  *faultproxy.Proxy
	api    *prefecttest.Server
	names  *faultmatrix.Names
	before map[string][]string
	stops  bool // the fault stops the program instead of killing it
}

func newVictim(t *testing.T, what string) *victim {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{T: t, what: what, binary: binary, dir: t.TempDir(), front: account(t), api: prefecttest.New(), names: &faultmatrix.Names{}}
	v.names.Set(v.front.Account, "ACCOUNT")
	v.proxy = faultproxy.New(v.front, v.names)
	t.Cleanup(v.proxy.Close)
	prefect := httptest.NewServer(v.api)
	t.Cleanup(prefect.Close)
	if err := os.WriteFile(filepath.Join(v.dir, "config.hcl"), fmt.Appendf(nil, crashSpec, prefect.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	v.before = inventory(t, v.front)
	return v
}

// command runs the program, with a fault if arm is set. It returns the exit code, which is
// -1 if the program was killed.
func (v *victim) command(arm func(kill func()), args ...string) (code int, said string) {
	v.Helper()
	cmd := exec.CommandContext(v.Context(), v.binary, args...)
	cmd.Dir = v.dir
	cmd.Env = []string{
		"HOME=" + v.dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1",
		"AWS_ENDPOINT_URL=" + v.proxy.URL, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
		"FLOWBED_SETTLE=0s", // moto is strongly consistent
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if args[0] == "outputs" {
		cmd.Stderr = nil // a busy server may make it say that it waits
	}
	begun := make(chan struct{})
	if arm != nil {
		arm(func() {
			<-begun
			if v.stops {
				v.stop(cmd.Process)
			} else {
				_ = cmd.Process.Kill()
			}
		})
	}
	if err := cmd.Start(); err != nil {
		v.Fatal(err)
	}
	close(begun)
	err := cmd.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		v.Fatalf("%s: flowbed %v: %v", v.what, args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// lockParameter ends the keys of the calls that take and give up the lock.
const lockParameter = " /flowbed/dev/lease"

// stop stops the program until its lock is over, forgets the writes so far, and wakes it up.
func (v *victim) stop(p *os.Process) {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		v.Error(err)
	}
	time.Sleep(stopTTL)
	v.proxy.Writes()
	if err := p.Signal(syscall.SIGCONT); err != nil {
		v.Error(err)
	}
}

// wantLost checks the end of a program that woke up after the end of its lock.
func (v *victim) wantLost(code int, said string) {
	v.Helper()
	if code != 1 || !strings.Contains(said, "lost the lock on environment dev: could not renew it in time") {
		v.Errorf("%s: exit code %d, want that the lock was lost:\n%s", v.what, code, said)
	}
	if late := v.proxy.Writes(); len(late) > 0 {
		v.Errorf("%s: after the end of its lock, the program made the writes %v", v.what, late)
	}
}

func (v *victim) must(args ...string) string {
	v.Helper()
	code, said := v.command(nil, args...)
	if code != 0 {
		v.Fatalf("%s: flowbed %v: exit code %d\n%s", v.what, args, code, said)
	}
	return said
}

// up builds the environment, and sends the worker's heartbeat.
func (v *victim) up() {
	v.Helper()
	v.must("up", "--yes", "--no-wait")
	var shown struct {
		Outputs struct {
			Instance string `json:"instance_id"`
		} `json:"outputs"`
	}
	_, out := v.command(nil, "outputs", "--format", "json")
	if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.Outputs.Instance == "" {
		v.Fatalf("%s: outputs: %v\n%s", v.what, err, out)
	}
	v.api.Heartbeat("flowbed-dev", "dev-"+shown.Outputs.Instance, time.Now(), true)
}

var awsID = regexp.MustCompile(`\b(i|vol)-[0-9a-f]{17}\b`)

// census returns the inventory without what differs between accounts.
func (v *victim) census() map[string][]string {
	all := inventory(v.T, v.front)
	for kind, names := range all {
		for i, n := range names {
			names[i] = awsID.ReplaceAllString(strings.ReplaceAll(n, v.front.Account, "ACCOUNT"), "$1")
		}
		slices.Sort(names)
		all[kind] = names
	}
	return all
}

// finish checks what must follow any fault: up completes, and down removes everything.
func (v *victim) finish(want map[string][]string) {
	v.Helper()
	v.up()
	v.must("plan", "--detailed-exitcode")
	if d := cmp.Diff(want, v.census()); d != "" {
		v.Errorf("%s: the objects after up (-want +have):\n%s", v.what, d)
	}
	v.must("down", "--yes")
	if d := cmp.Diff(v.before, inventory(v.T, v.front)); d != "" {
		v.Errorf("%s: the account has changed (-before +after):\n%s", v.what, d)
	}
}

// undisturbed runs without faults. It returns the objects after up, and the writes.
func undisturbed(t *testing.T) (want map[string][]string, calls map[string][]string) {
	t.Helper()
	v := newVictim(t, "undisturbed")
	calls = map[string][]string{}
	v.up()
	calls["up"] = v.stable(v.proxy.Writes())
	want = v.census()
	v.must("down", "--yes")
	calls["down"] = v.stable(v.proxy.Writes())
	if d := cmp.Diff(v.before, inventory(t, v.front)); d != "" {
		t.Fatalf("without a fault: the account has changed (-before +after):\n%s", d)
	}
	return want, calls
}

func (v *victim) stable(keys []string) []string {
	for i, k := range keys {
		keys[i] = strings.ReplaceAll(k, v.front.Account, "ACCOUNT")
	}
	return keys
}

// TestCrashes injects faults into the calls of the real program, one at a time: every
// fault at every call, or a sample of them.
func TestCrashes(t *testing.T) {
	t.Parallel()
	whole := able.All()
	if *update && !whole {
		t.Fatal("-update needs the whole matrix: set FLOWBED_TESTS=all")
	}
	want, calls := undisturbed(t)
	tables := map[string]faultmatrix.Table{"up": {}, "down": {}}
	var mu sync.Mutex
	t.Run("at", func(t *testing.T) {
		var cells errgroup.Group
		cells.SetLimit(atOnce)
		defer func() { _ = cells.Wait() }()
		for _, verb := range []string{"up", "down"} {
			for i, key := range calls[verb] {
				for j, f := range outside {
					if !whole && i%(sample*len(outside)) != sample*j {
						continue
					}
					cells.Go(func() error {
						t.Run(verb+" "+f.String()+" "+key, func(t *testing.T) {
							verdict := crash(t, verb, key, f, want)
							mu.Lock()
							defer mu.Unlock()
							tables[verb].Set(key, f, verdict)
						})
						return nil
					})
				}
			}
		}
	})
	if t.Failed() {
		return
	}
	for verb, found := range tables {
		wantInDocument(t, "program "+verb, calls[verb], found)
	}
}

func crash(t *testing.T, verb, key string, f faultmatrix.Fault, want map[string][]string) string {
	v := newVictim(t, fmt.Sprintf("%s: %s at %s", verb, f, key))
	args := []string{"up", "--yes", "--no-wait"}
	if verb == "down" {
		v.up()
		args = []string{"down", "--yes"}
	}
	key = strings.ReplaceAll(key, "ACCOUNT", v.front.Account)
	ordinary := v.binary
	if v.stops = f == faultmatrix.Stopped; v.stops {
		short, err := buildShort()
		if err != nil {
			t.Fatal(err)
		}
		v.binary = short
	}
	code, said := v.command(func(kill func()) { v.proxy.Arm(key, f, kill) }, args...)
	switch {
	case v.stops && !v.proxy.Armed() && strings.HasSuffix(key, lockParameter):
		// It was about to take the lock, and takes it anew; or it had just given it up.
	case v.stops && !v.proxy.Armed():
		v.wantLost(code, said)
	case v.proxy.Armed():
		t.Errorf("%s: the program did not make this call", v.what)
	case f.Kills() != (code == -1):
		t.Errorf("%s: exit code %d\n%s", v.what, code, said)
	}
	v.binary = ordinary // a lock of seconds would be lost while the server is busy
	v.finish(want)
	if code != 0 {
		return faultmatrix.NextRun
	}
	return faultmatrix.GoesOn
}

const faultDocument = "../../docs/fault-matrix.md"

// wantInDocument compares the rows and the tested cells with the published matrix, or
// writes them.
func wantInDocument(t *testing.T, part string, calls []string, found faultmatrix.Table) {
	t.Helper()
	if *update {
		if err := faultmatrix.Replace(faultDocument, part, found.Markdown(outside)); err != nil {
			t.Error(err)
		}
		return
	}
	text, err := faultmatrix.Part(faultDocument, part)
	if err != nil {
		t.Fatal(err)
	}
	published := faultmatrix.Parse(text, outside)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(published)), slices.Sorted(slices.Values(calls))); diff != "" {
		t.Errorf("%s: the calls are out of date (-published +have); run make matrix:\n%s", part, diff)
	}
	for key, row := range found {
		for f, verdict := range row {
			if have := published[key][f]; have != verdict {
				t.Errorf("%s: %s at %s: have %s, but %q is published; run make matrix", part, f, key, verdict, have)
			}
		}
	}
}
