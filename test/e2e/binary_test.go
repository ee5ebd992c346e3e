package e2e

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/prefecttest"
)

// everything is a config file with all that an environment can have.
const everything = `
environment "dev" {
  region = "us-east-1"
  tags   = { team = "data" }
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

const maxCalls = 42 // for a plan without changes

// The lease is a parameter. Each run that may change something creates and deletes it.
var lease = []string{"ssm.PutParameter", "ssm.DeleteParameter"}

func TestBinary(t *testing.T) {
	t.Parallel()
	api := prefecttest.New()
	prefect := httptest.NewServer(api)
	defer prefect.Close()
	s := newSession(t, fmt.Sprintf(everything, prefect.URL), "pnu_a_secret_of_the_test")
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
	if n := len(s.front.Calls()); n > maxCalls {
		t.Errorf("a plan without changes made %d calls, want at most %d", n, maxCalls)
	}
	s.wantNoWrites("plan without changes")

	s.run(0, "down", "--yes")
	if diff := cmp.Diff(before, inventory(t, s.front)); diff != "" {
		t.Errorf("the account has changed (-before up +after down):\n%s", diff)
	}
	s.front.Reset()
	s.run(0, "down", "--yes")
	s.wantNoWrites("down of nothing", lease...)
}
