package stack_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// protections counts the objects that the tag protects.
func protections(t *testing.T, a *sandbox.Account) int {
	t.Helper()
	b, err := json.Marshal(a.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), `"`+resource.KeyProtected+`":"on"`)
}

// protected reports whether down without the file would find the environment protected.
func protected(t *testing.T, a *sandbox.Account) bool {
	t.Helper()
	p, err := build(t, a, `environment "ci" {}`, stack.Options{NoPrefect: true, Destroy: true}).Graph.PlanDown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(p.Actions, func(a provision.Action) bool { return a.Owner.By == "ci@"+region && a.Owner.Protected })
}

// TestProtection: all objects of the environment alone carry the protection, one of them is
// enough, and nothing of it is left when the spec has none.
func TestProtection(t *testing.T) {
	const objects = 15 // those of TestTTL, without the role and the cluster of the whole account
	const on = "deletion_protection = true"
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up := func(line string) {
			t.Helper()
			if err := build(t, account, withTTL(line), stack.Options{NoPrefect: true}).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			p, err := build(t, account, withTTL(line), stack.Options{NoPrefect: true}).Graph.Plan(t.Context())
			if err != nil || p.Err() != nil || !p.Empty() {
				t.Fatalf("after up with %q: %v, %v, %+v", line, err, p.Err(), p)
			}
		}
		for _, c := range []struct {
			line string
			want int
		}{{on, objects}, {"", 0}, {on, objects}, {`ttl = "8h"`, 0}} {
			up(c.line)
			if have := protections(t, account); have != c.want || protected(t, account) != (c.want > 0) {
				t.Errorf("with %q: %d objects are protected, want %d", c.line, have, c.want)
			}
		}
	})
}

// TestProtectionOfAKilledRun: a run that ends after any of its writes leaves an environment
// that is protected, whether it was to begin with the protection or to end it.
func TestProtectionOfAKilledRun(t *testing.T) {
	const on = "deletion_protection = true"
	for _, c := range []struct{ name, first, then string }{{"new", "", on}, {"begin", "tags = {}", on}, {"end", on, "tags = {}"}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for n := 1; ; n++ {
					account := sandbox.New()
					if c.first != "" {
						if err := build(t, account, withTTL(c.first), stack.Options{NoPrefect: true}).Graph.Up(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					before, started := protections(t, account), len(account.Writes())
					cut := errors.New("killed")
					account.Fault = func(call sandbox.Call) sandbox.Fault {
						if call.Write && call.WriteNo-started > n {
							return sandbox.Fault{Refuse: cut}
						}
						return sandbox.Fault{}
					}
					err := build(t, account, withTTL(c.then), stack.Options{NoPrefect: true}).Graph.Up(t.Context())
					account.Fault = nil
					if err == nil {
						return // all writes were made
					}
					if now := protections(t, account); (now > 0) != protected(t, account) || now == 0 && before > 0 {
						t.Errorf("cut off after %d writes: %d objects carry the tag, protected %t", n, now, protected(t, account))
					}
				}
			})
		})
	}
}
