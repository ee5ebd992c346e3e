package faultmatrix_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/test/faultmatrix"
)

// leased runs up or down under the lease, as the commands do.
func (p *process) leased(ctx context.Context, command string) error {
	p.fence = &lease.Fence{Clock: p.clock}
	l := &lease.Lease{API: ssm.NewFromConfig(p.config()), ID: p.identity(), Command: command, Wait: 10 * time.Minute, Fence: p.fence}
	held, ctx, err := l.Acquire(ctx, nil)
	if err != nil {
		return err
	}
	run := p.up
	if command == "down" {
		run = p.down
	}
	err = run(ctx)
	return errors.Join(err, held.Release(command == "down" && err == nil))
}

// TestTwoUnderTheLease runs two commands at once. One waits for the other. Whichever
// comes first, both succeed, and nothing is half built.
func TestTwoUnderTheLease(t *testing.T) {
	for _, commands := range [][2]string{{"up", "down"}, {"down", "up"}, {"up", "up"}, {"down", "down"}} {
		for _, built := range []bool{false, true} {
			bubble(t, func(w *world) {
				before := w.account.Inventory()
				if built {
					if err := w.process("dev").leased(w.Context(), "up"); err != nil {
						w.Fatal(err)
					}
				}
				run := func(command string) func(context.Context) error {
					return func(ctx context.Context) error { return w.process("dev").leased(ctx, command) }
				}
				if err1, err2 := together(w.Context(), run(commands[0]), run(commands[1])); err1 != nil || err2 != nil {
					w.Errorf("%v at once, environment existed: %t: have %v, want no error", commands, built, errors.Join(err1, err2))
				}
				if err := w.process("dev").leased(w.Context(), "up"); err != nil {
					w.Errorf("up after %v: %v", commands, err)
				}
				w.settle()
				w.wantComplete("after two at once", nil)
				if err := w.process("dev").leased(w.Context(), "down"); err != nil {
					w.Errorf("down after %v: %v", commands, err)
				}
				w.clear("after two at once", before)
			})
		}
	}
}

// TestKilledHolder checks that a run waits for a killed holder until its lease expires.
func TestKilledHolder(t *testing.T) {
	for verb, key := range map[string]string{"up": "iam:CreateRole flowbed-dev-task", "down": "iam:DeleteRole flowbed-dev-task"} {
		for _, f := range []faultmatrix.Fault{faultmatrix.KilledBefore, faultmatrix.KilledAfter} {
			bubble(t, func(w *world) {
				before := w.account.Inventory()
				if verb == "down" {
					if err := w.process("dev").leased(w.Context(), "up"); err != nil {
						w.Fatal(err)
					}
				}
				p := w.process("dev")
				p.alter = (&once{key: key, fault: f}).alter
				if err := p.leased(w.Context(), verb); !errors.Is(err, errKilled) {
					w.Fatalf("the killed %s: %v", verb, err)
				}
				begun := time.Now()
				if err := w.process("dev").leased(w.Context(), "up"); err != nil {
					w.Errorf("up after a killed %s: %v", verb, err)
				}
				if took := time.Since(begun); took > lease.DefaultTTL+2*time.Minute {
					w.Errorf("up took %s, want at most %s", took, lease.DefaultTTL+2*time.Minute)
				}
				w.wantComplete("after a killed "+verb, nil)
				if err := w.process("dev").leased(w.Context(), "down"); err != nil {
					w.Error(err)
				}
				w.clear("after a killed "+verb, before)
			})
		}
	}
}
