package resource_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/lifecycle"
)

var (
	throttled = &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}
	broken    = &smithy.GenericAPIError{Code: "InternalFailure", Message: "try again", Fault: smithy.FaultServer}
)

// inAccount takes a case up and down in an account, and checks that both arrive
// and that nothing is left.
func inAccount(t *testing.T, what string, a *sandbox.Account, c lifecycle.Case) {
	t.Helper()
	w := lifecycle.NewWorld(a.Config("us-east-1"), sandbox.DefaultAccount)
	graph := func() *provision.Graph {
		g := &provision.Graph{Owner: w.ID.Owner(), Retry: awserr.Retry}
		c.Add(w, g)
		return g
	}
	before := a.Inventory()
	if err := graph().Up(t.Context()); err != nil {
		t.Errorf("%s: up: %v", what, err)
		return
	}
	time.Sleep(time.Minute) // whatever lag there is
	p, err := graph().Plan(t.Context())
	if err != nil || p.Err() != nil || !p.Empty() {
		t.Errorf("%s: after up the plan is %+v, %v", what, p, err)
	}
	if left, err := graph().Down(t.Context()); err != nil || !left.Empty() {
		t.Errorf("%s: down: %v; left: %+v", what, err, left)
	}
	time.Sleep(time.Minute)
	if d := cmp.Diff(before, a.Inventory()); d != "" {
		t.Errorf("%s: the account is not what it was (-before +after):\n%s", what, d)
	}
}

// Each writing call of up and of down goes wrong once, in each way.
func TestFaultAtEachWrite(t *testing.T) {
	for _, c := range lifecycle.Cases {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clean := sandbox.New()
				inAccount(t, "no fault", clean, c)
				for n := range clean.Writes() {
					for name, fault := range map[string]sandbox.Fault{
						"reply lost": {Lose: true}, "throttled": {Refuse: throttled}, "broken": {Refuse: broken},
					} {
						a := sandbox.New()
						a.Fault = func(call sandbox.Call) sandbox.Fault {
							if call.WriteNo == n+1 {
								return fault
							}
							return sandbox.Fault{}
						}
						inAccount(t, fmt.Sprintf("%s at %s (%d)", name, clean.Writes()[n], n+1), a, c)
					}
				}
			})
		})
	}
}

// What is made or deleted stays invisible for a while, and the calls that are
// made meanwhile are not many.
func TestLag(t *testing.T) {
	for _, c := range lifecycle.Cases {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clean, a := sandbox.New(), sandbox.New()
				inAccount(t, "no lag", clean, c)
				a.Lag = 10 * time.Second
				inAccount(t, "lag", a, c)
				if have, want := len(a.Writes()), len(clean.Writes()); have != want {
					t.Logf("writes with lag: %v", a.Writes())
					t.Errorf("%d writing calls with lag, %d without", have, want)
				}
				slow := sandbox.New()
				slow.Lag, slow.ProfileLag, slow.BootTime = 10*time.Second, 20*time.Second, 30*time.Second
				inAccount(t, "lag everywhere", slow, c)
				if have, most := len(a.Calls()), 12*len(clean.Calls()); have > most {
					t.Errorf("%d calls with lag, want at most %d", have, most)
				}
			})
		})
	}
}
