package stack_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const ofTTL = `environment "ci" {
  %s
  bucket { name = "flows-${account}-${region}-an" }
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = "pnu_0123456789abcdef"
  }
  agent {
    ssh {
      cidr       = "203.0.113.0/24"
      public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtrA6bFuLpRHCEArr5R5S0EJzbf6zp2z9AhbhlNqEIl"
    }
  }
}`

func withTTL(line string) string { return strings.Replace(ofTTL, "%s", line, 1) }

// expiries counts the times at which objects expire, by their tags.
func expiries(t *testing.T, a *sandbox.Account) map[string]int {
	t.Helper()
	b, err := json.Marshal(a.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, part := range strings.Split(string(b), `"`+resource.KeyExpires+`":"`)[1:] {
		at, _, _ := strings.Cut(part, `"`)
		n[at]++
	}
	return n
}

// TestTTL: one expiry for all, which stays where it is until the ttl is another
// one, or it has passed; and no trace of it when the spec has none.
func TestTTL(t *testing.T) {
	// Bucket, log group, token, task role, execution role, cluster, agent role and
	// profile, two groups, key pair, and the instance with its volume and interface. An
	// environment with a ttl uses nothing that belongs to the whole account.
	const objects = 17
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up := func(ttl string) {
			t.Helper()
			s := build(t, account, withTTL(ttl), stack.Options{NoPrefect: true})
			if err := s.Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			p, err := build(t, account, withTTL(ttl), stack.Options{NoPrefect: true}).Graph.Plan(t.Context())
			if err != nil || p.Err() != nil || !p.Empty() {
				t.Fatalf("after up with %q: %v, %v, %+v", ttl, err, p.Err(), p)
			}
		}
		expect := func(at time.Time) {
			t.Helper()
			have := expiries(t, account)
			if len(have) != 1 || have[at.UTC().Format(time.RFC3339)] != objects {
				t.Errorf("%s: have %v, want %d objects that expire at %s", time.Now().UTC(), have, objects, at.UTC())
			}
		}
		first := time.Now()
		up(`ttl = "8h"`)
		expect(first.Add(8 * time.Hour))

		time.Sleep(3 * time.Hour)
		up(`ttl = "8h"`)
		expect(first.Add(8 * time.Hour))

		second := time.Now()
		up(`ttl = "2h"`)
		expect(second.Add(2 * time.Hour))

		time.Sleep(3 * time.Hour)
		third := time.Now()
		up(`ttl = "2h"`)
		expect(third.Add(2 * time.Hour))

		up("")
		if have := expiries(t, account); len(have) != 0 {
			t.Errorf("without a ttl: %v", have)
		}
		up(`ttl = "90m"`)
		expect(time.Now().Add(90 * time.Minute))
	})
}

// TestTTLOfAKilledRun: what a run that was cut off has made before the log group
// expires with the rest.
func TestTTLOfAKilledRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.Fault = func(c sandbox.Call) sandbox.Fault {
			if c.Operation == "CreateLogGroup" {
				return sandbox.Fault{Refuse: errors.New("refused")}
			}
			return sandbox.Fault{}
		}
		if err := build(t, account, withTTL(`ttl = "8h"`), stack.Options{NoPrefect: true}).Graph.Up(t.Context()); err == nil {
			t.Fatal("the log group was made after all")
		}
		account.Fault = nil
		time.Sleep(time.Minute)
		s := build(t, account, withTTL(`ttl = "8h"`), stack.Options{NoPrefect: true})
		now := time.Now()
		if err := s.Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have := expiries(t, account); len(have) != 1 || have[now.Add(8*time.Hour).UTC().Format(time.RFC3339)] == 0 {
			t.Errorf("have %v", have)
		}
	})
}

// TestTTLEndsTheInstance: an instance that shuts itself down is gone, and says
// nothing of a moment in what it was launched with.
func TestTTLEndsTheInstance(t *testing.T) {
	for ttl, want := range map[string]string{`ttl = "8h"`: "terminate", "": "stop"} {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			if err := build(t, account, withTTL(ttl), stack.Options{NoPrefect: true}).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(account.Inventory())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(b), `"shutdown_behavior":"`+want+`"`) {
				t.Errorf("%q: no instance with the shutdown behaviour %s in\n%s", ttl, want, b)
			}
		})
	}
}

// TestStartOfALifetime: the expiry of a saved plan does not depend on when it is carried out, unless
// it would have passed.
func TestStartOfALifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		planned := time.Now()
		for _, c := range []struct {
			wait time.Duration
			want time.Time
		}{{time.Hour, planned.Add(8 * time.Hour)}, {8 * time.Hour, planned.Add(17 * time.Hour)}} {
			time.Sleep(c.wait)
			account := sandbox.New()
			if err := build(t, account, withTTL(`ttl = "8h"`), stack.Options{NoPrefect: true, Start: planned}).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if have := expiries(t, account); len(have) != 1 || have[c.want.UTC().Format(time.RFC3339)] == 0 {
				t.Errorf("after %v: %v, want %v", c.wait, have, c.want)
			}
		}
	})
}
