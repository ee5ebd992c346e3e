package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/e2e/moto"
	"github.com/flowbed/flowbed/provision/prefect/prefecttest"
)

// everything is a spec that asks for all that an environment can have.
const everything = `
environment "dev" {
  region = "us-east-1"
  tags   = { team = "data" }
  agent {
    ssh {
      cidr       = "203.0.113.7/32"
      public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dM8zQ2n8gk1d6zB1mG7p9v8kO2T0c4l5aYxJr6q7S test"
    }
    prefect {
      api_url = "%s/api"
      api_key = "pnu_a_secret_of_the_test"
    }
  }
}
`

const mostCalls = 36 // of a plan that finds nothing to do

// build builds the program, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "flowbed-e2e-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "flowbed")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-buildvcs=false", "-o", binary, "github.com/flowbed/flowbed/cmd/flowbed").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build flowbed: %w\n%s", err, out)
	}
	return binary, nil
})

// session runs the program in a directory, against an account.
type session struct {
	*testing.T
	binary, dir string
	front       *moto.Front
}

func newSession(t *testing.T, spec string) session {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	s := session{t, binary, t.TempDir(), account(t)}
	if err := os.WriteFile(filepath.Join(s.dir, "config.hcl"), []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs the program, which must end with the exit code, and returns its
// results.
func (s session) run(code int, args ...string) (results string) {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), s.binary, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{
		"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1",
		"AWS_ENDPOINT_URL=" + s.front.URL, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
	}
	var out, progress strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &progress
	err := cmd.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || cmd.ProcessState.ExitCode() != code {
		s.Fatalf("flowbed %s: %v, %v; want exit code %d\n%s%s", strings.Join(args, " "), err, ended, code, &out, &progress)
	}
	if said := out.String() + progress.String(); strings.Contains(said, "pnu_a_secret") {
		s.Errorf("flowbed %s: shows the secret:\n%s", strings.Join(args, " "), said)
	}
	return out.String()
}

// wantNoWrites fails for writing calls since the last time, but for those that
// are allowed.
func (s session) wantNoWrites(doing string, but ...string) {
	s.Helper()
	for _, c := range s.front.Calls() {
		if call := c.Service + "." + c.Operation; !c.Reads() && !slices.Contains(but, call) {
			s.Errorf("%s made the writing call %s", doing, call)
		}
	}
	s.front.Reset()
}

// The lease is a parameter, which comes and goes with each run that may change
// something.
var lease = []string{"ssm.PutParameter", "ssm.DeleteParameter"}

func TestBinary(t *testing.T) {
	t.Parallel()
	api := prefecttest.New()
	prefect := httptest.NewServer(api)
	defer prefect.Close()
	s := newSession(t, fmt.Sprintf(everything, prefect.URL))
	before := inventory(t, s.front)
	s.front.Reset()

	s.run(2, "plan", "--detailed-exitcode")
	s.wantNoWrites("plan of everything")
	s.run(3, "up")
	s.wantNoWrites("up without a terminal")
	s.run(0, "up", "--yes", "--no-wait")
	var shown struct {
		Outputs struct {
			Instance string `json:"instance_id"`
			Bucket   string `json:"bucket"`
		} `json:"outputs"`
	}
	out := s.run(0, "outputs", "--format", "json")
	if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.Outputs.Instance == "" || shown.Outputs.Bucket == "" {
		t.Fatalf("outputs: %v\n%s", err, out)
	}
	api.Heartbeat("flowbed-dev", "dev-"+shown.Outputs.Instance, time.Now(), true)
	s.front.Reset()

	s.run(0, "plan", "--detailed-exitcode")
	if n := len(s.front.Calls()); n > mostCalls {
		t.Errorf("a plan without changes made %d calls, want %d at most", n, mostCalls)
	}
	s.wantNoWrites("plan without changes")

	s.run(0, "down", "--yes")
	if diff := cmp.Diff(before, inventory(t, s.front)); diff != "" {
		t.Errorf("the account after down differs from that before up (-before +after):\n%s", diff)
	}
	s.front.Reset()
	s.run(0, "down", "--yes")
	s.wantNoWrites("down of nothing", lease...)
}
