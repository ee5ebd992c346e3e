package resource_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// slow is an account that behaves as AWS does at its worst.
func slow() *sandbox.Account {
	a := sandbox.New()
	a.Lag, a.ProfileLag, a.BootTime = 10*time.Second, 20*time.Second, 15*time.Second
	return a
}

var errKilled = errors.New("the process was killed")

// writesOfUp is how many writing calls an undisturbed up makes.
func writesOfUp(t *testing.T) (n int) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(slow())
		e.up(t)
		n = len(e.account.Writes())
	})
	return n
}

// A run that ends between any two of its calls, and the next one that begins
// while nothing that it did is visible yet, make one instance together.
func TestKilledRunsMakeOneInstance(t *testing.T) {
	for n := range writesOfUp(t) {
		t.Run(fmt.Sprint("after write ", n+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(slow())
				dead := false
				e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
					if dead {
						f.Refuse = errKilled
					}
					dead = dead || c.WriteNo == n+1
					return f
				}
				g, _ := e.graph()
				if err := g.Up(t.Context()); err == nil {
					t.Fatal("up has not noticed its end")
				}
				e.account.Fault = nil
				e.up(t)
				e.wantInstances(t, 1, 0)
				e.down(t)
				e.wantInstances(t, 0, 1)
			})
		})
	}
}

func TestLostRepliesMakeOneInstance(t *testing.T) {
	for n := range writesOfUp(t) {
		t.Run(fmt.Sprint("of write ", n+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(slow())
				e.account.Fault = func(c sandbox.Call) sandbox.Fault { return sandbox.Fault{Lose: c.WriteNo == n+1} }
				e.up(t)
				e.wantInstances(t, 1, 0)
			})
		})
	}
}

func TestTwoRunsAtOnceMakeOneInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(slow())
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				g, _ := e.graph()
				errs <- g.Up(t.Context())
			}()
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Errorf("up: %v", err)
			}
		}
		e.wantInstances(t, 1, 0)
	})
}

// The client token of a terminated instance cannot be reused.
func TestDownThenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(slow())
		for n := range 4 {
			e.up(t)
			e.wantInstances(t, 1, n)
			e.down(t)
			e.wantInstances(t, 0, n+1)
			if n == 2 {
				time.Sleep(2 * time.Hour) // EC2 shows them no longer, but knows their tokens
				e.wantInstances(t, 0, 0)
				e.up(t)
				e.wantInstances(t, 1, 0)
				return
			}
		}
	})
}

// An up right after a down that did not wait for the end of the instance.
func TestUpWhileShuttingDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(slow())
		e.account.BootTime = time.Minute
		s := e.up(t)
		if _, err := e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{s.ID}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		if a := e.plan(t); a.Op == provision.None || len(a.Changes) == 0 {
			t.Errorf("while the instance shuts down the plan says %v", a.Op)
		}
		if now := e.up(t); now.ID == s.ID {
			t.Error("up was content with an instance that shuts down")
		}
		e.wantInstances(t, 1, 1)
	})
}

func TestProtectedInstance(t *testing.T) {
	for attribute, in := range map[string]*ec2.ModifyInstanceAttributeInput{
		"disableApiTermination": {DisableApiTermination: &types.AttributeBooleanValue{Value: aws.Bool(true)}},
		"disableApiStop":        {DisableApiStop: &types.AttributeBooleanValue{Value: aws.Bool(true)}},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newAgent(sandbox.New())
			s := e.up(t)
			in.InstanceId = &s.ID
			if _, err := e.ec2().ModifyInstanceAttribute(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			before := len(e.account.Writes())
			g, _ := e.graph()
			_, err := g.Down(t.Context())
			if err == nil || !strings.Contains(err.Error(), attribute) || !strings.Contains(err.Error(), s.ID) {
				t.Errorf("down says %v, want %s of %s", err, attribute, s.ID)
			}
			if n := len(e.account.Writes()); n > before {
				t.Errorf("down has written before it stopped: %v", e.account.Writes()[before:])
			}
		})
	}
}

// The instance is terminated first, and the group is deleted as soon as it is gone, with one call.
func TestDownTerminatesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		e.account.BootTime = time.Minute
		e.up(t)
		before := len(e.account.Writes())
		at := map[string]time.Time{}
		e.account.Fault = func(c sandbox.Call) sandbox.Fault {
			at[c.Operation] = time.Now()
			return sandbox.Fault{}
		}
		e.down(t)
		var calls []string
		for _, c := range e.account.Writes()[before:] {
			calls = append(calls, c.Operation)
		}
		count := func(call string) (n int) {
			for _, c := range calls {
				if c == call {
					n++
				}
			}
			return n
		}
		if calls[0] != "TerminateInstances" || count("TerminateInstances") != 1 || count("DeleteSecurityGroup") != 1 || count("ModifyNetworkInterfaceAttribute") != 0 {
			t.Errorf("down makes %v", calls)
		}
		if d := at["DeleteSecurityGroup"].Sub(at["TerminateInstances"]); d < time.Minute || d > time.Minute+6*time.Second {
			t.Errorf("the group went %v after the call that terminates the instance", d)
		}
		e.wantInstances(t, 0, 1)
	})
}
