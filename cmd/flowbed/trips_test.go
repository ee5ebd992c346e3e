package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go/middleware"
)

// everything is an environment with all that costs calls.
const everything = `environment "bench" {
  region = "us-east-1"
  prefect {
    api_url = "http://prefect.example/api"
    api_key = "pnu_only_a_benchmark"
  }
  agent {
    ssh {
      cidr       = "203.0.113.7/32"
      public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dM8zQ2n8gk1d6zB1mG7p9v8kO2T0c4l5aYxJr6q7S bench"
    }
  }
}`

// trip is what one call to AWS takes here, in virtual time. Nothing else takes
// any, so the length of a run in trips is its longest chain of calls each of
// which had to wait for the one before.
const trip = 50 * time.Millisecond

// timeline notes when each call of a run began.
type timeline struct {
	mu    sync.Mutex
	begun time.Time
	calls []string
}

func (l *timeline) options() []func(*middleware.Stack) error {
	return []func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("flowbed:trip",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
				middleware.InitializeOutput, middleware.Metadata, error) {
				l.mu.Lock()
				l.calls = append(l.calls, fmt.Sprintf("%2d %s", 1+time.Since(l.begun)/trip, middleware.GetOperationName(ctx)))
				l.mu.Unlock()
				time.Sleep(trip)
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
	}}
}

// command runs a command line in the sandbox of the present folder.
func (l *timeline) command(t *testing.T, args ...string) (trips int) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	l.begun, l.calls = time.Now(), nil
	a := newApp(null, null, null)
	a.apiOptions = l.options()
	defer a.idle()
	c := a.command()
	c.SetArgs(append(args, "--sandbox"))
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("flowbed %s: %v", strings.Join(args, " "), err)
	}
	trips = int(time.Since(l.begun) / trip)
	t.Logf("flowbed %s: %d calls in %d trips:\n%s", strings.Join(args, " "), len(l.calls), trips, strings.Join(l.calls, "\n"))
	return trips
}

// TestTrips bounds the calls that a command makes, and how many of them have to
// wait for one another: that, and not our own work, is the time that it takes.
func TestTrips(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(defaultConfig, []byte(everything), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			args         string
			calls, trips int
			writes       bool
		}{
			{"plan", 43, 3, false},                // of a launch, which asks for the account's key for volumes
			{"up --yes --no-wait", 121, 16, true}, // the agent's setup takes its own time; ends with a look at what is shared
			{"plan", 42, 3, false},
			{"up --yes", 43, 3, false},
			{"down --yes", 135, 18, true}, // also looks for a VPC from an earlier file, and for what outlasts one
		} {
			time.Sleep(time.Minute) // no other run is near
			var l timeline
			trips := l.command(t, strings.Fields(c.args)...)
			if len(l.calls) > c.calls || trips > c.trips {
				t.Errorf("flowbed %s makes %d calls in %d trips, want %d in %d at most", c.args, len(l.calls), trips, c.calls, c.trips)
			}
			wrote := slices.ContainsFunc(l.calls, func(s string) bool {
				_, op, _ := strings.Cut(strings.TrimSpace(s), " ")
				return !strings.HasPrefix(op, "Get") && !strings.HasPrefix(op, "List") && !strings.HasPrefix(op, "Describe")
			})
			if wrote != c.writes {
				t.Errorf("flowbed %s: writes %v, want %v", c.args, wrote, c.writes)
			}
		}
	})
}
