package resource_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
)

func TestRollOver(t *testing.T) {
	const other = "#!/bin/sh\necho something else\n"
	for _, c := range []struct {
		field  string
		change func(*agent)
	}{
		{"instance type", func(e *agent) { e.kind = "t3.micro" }},
		{"image", func(e *agent) { e.image = "al2" }},
		{"volume", func(e *agent) { e.volume = 20 }},
		{"public key", func(e *agent) { e.key = anotherKey }},
		{"user data", func(e *agent) { e.userData = other }},
	} {
		t.Run(c.field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(slow())
				old := e.up(t)
				c.change(e)
				a := e.plan(t)
				if a.Op != provision.Replace || !slices.Equal(fields(a), []string{c.field}) || a.Changes[0].Why == "" {
					t.Errorf("the plan says %v of %q, want a replacement because of %q", a.Op, fields(a), c.field)
				}
				before := len(e.account.Calls())
				now := e.up(t)
				if now.ID == old.ID {
					t.Error("the old instance is still the agent")
				}
				if calls := e.account.Calls()[before:]; !started(calls) {
					t.Errorf("no new instance was started before the old one was terminated: %v", calls)
				}
				e.wantInstances(t, 1, 1)
				if a := e.plan(t); a.Op != provision.None {
					t.Errorf("after the roll-over the plan says %v of %q", a.Op, fields(a))
				}
			})
		})
	}
}

// started reports whether an instance was started before one was terminated.
func started(calls []sandbox.Call) bool {
	i := slices.IndexFunc(calls, func(c sandbox.Call) bool { return c.Operation == "RunInstances" || c.Operation == "TerminateInstances" })
	return i >= 0 && calls[i].Operation == "RunInstances"
}

// A run that is killed in a roll-over is finished by the next one.
func TestKilledRollOver(t *testing.T) {
	for n := range 3 {
		synctest.Test(t, func(t *testing.T) {
			e := newAgent(slow())
			e.up(t)
			e.kind = "t3.micro"
			begin, dead := len(e.account.Writes()), false
			e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
				if dead {
					f.Refuse = errKilled
				}
				dead = dead || c.WriteNo == begin+n
				return f
			}
			g, _ := e.graph()
			if err := g.Up(t.Context()); err == nil && n > 0 {
				t.Fatal("up has not noticed its end")
			}
			e.account.Fault = nil
			if s := e.up(t); s.Type != "t3.micro" {
				t.Errorf("the agent is a %s", s.Type)
			}
			e.wantInstances(t, 1, 1)
		})
	}
}

// Only a launch looks for public subnets. A running agent is not replaced because its
// subnet stops assigning addresses, or another one starts to. Only the config file moves
// it.
func TestSubnetOfAnAgentThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		s := e.up(t)
		if _, err := e.ec2().ModifySubnetAttribute(t.Context(), &ec2.ModifySubnetAttributeInput{
			SubnetId: &s.Subnet, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(false)},
		}); err != nil {
			t.Fatal(err)
		}
		if a := e.plan(t); a.Op != provision.None {
			t.Errorf("the plan says %v of %q", a.Op, fields(a))
		}
		e.subnets = []string{subnetOf(t, e, "us-east-1c")}
		if a := e.plan(t); a.Op != provision.Replace || !slices.Equal(fields(a), []string{"subnet"}) {
			t.Errorf("with a subnet in the spec, the plan says %v of %q", a.Op, fields(a))
		}
	})
}
