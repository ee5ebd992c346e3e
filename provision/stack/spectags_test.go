package stack_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// mentions counts how often the text is in the account.
func mentions(t *testing.T, a *sandbox.Account, text string) int {
	t.Helper()
	b, err := json.Marshal(a.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), text)
}

// TestTagsThatTheFileLost: a tag that is no longer in the file goes from all objects of the
// environment, also if the run that removes it is killed after any of its writes. Tags of
// others stay, and so do all tags of what environments share.
func TestTagsThatTheFileLost(t *testing.T) {
	const (
		two    = "ttl = \"8h\"\ntags = { team = \"ops\", \"cost center\" = \"42\", stage = \"test\" }"
		one    = "ttl = \"8h\"\ntags = { stage = \"prod\" }"
		none   = "ttl = \"8h\"\ntags = {}"
		gone   = `"team":"ops"`
		record = `"` + resource.KeySpecTags + `":`
	)
	for _, c := range []struct{ name, then string }{{"one", one}, {"none", none}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up := func(a *sandbox.Account, line string) error {
					return build(t, a, withTTL(line), stack.Options{NoPrefect: true}).Graph.Up(t.Context())
				}
				for n := 0; ; n++ {
					account := sandbox.New()
					if err := up(account, two); err != nil {
						t.Fatal(err)
					}
					before := mentions(t, account, gone)
					if before == 0 || before != mentions(t, account, record) {
						t.Fatalf("%d objects have the tag, %d the record", before, mentions(t, account, record))
					}
					started, cut := len(account.Writes()), errors.New("killed")
					account.Fault = func(call sandbox.Call) sandbox.Fault {
						if call.Write && call.WriteNo-started > n {
							return sandbox.Fault{Refuse: cut}
						}
						return sandbox.Fault{}
					}
					whole := up(account, c.then) == nil
					account.Fault = nil
					if err := up(account, c.then); err != nil {
						t.Fatal(err)
					}
					if have := mentions(t, account, gone); have != 0 {
						t.Errorf("cut off after %d writes: %d objects still have the tag", n, have)
					}
					if have := mentions(t, account, `"cost center":"42"`); have != before { // a key with a space is not recorded
						t.Errorf("%d objects have the tag that is not recorded, want %d", have, before)
					}
					if have, want := mentions(t, account, record), map[string]int{one: before}[c.then]; have != want {
						t.Errorf("%d objects have a record, want %d", have, want)
					}
					p, err := build(t, account, withTTL(c.then), stack.Options{NoPrefect: true}).Graph.Plan(t.Context())
					if err != nil || p.Err() != nil || !p.Empty() {
						t.Fatalf("after up: %v, %v, %+v", err, p.Err(), p)
					}
					if whole {
						return
					}
				}
			})
		})
	}
}
