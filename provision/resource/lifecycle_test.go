package resource_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/lifecycle"
)

// Time is virtual here: the sandbox's instances take a while to start and stop, and the
// name of a deleted queue rests.
func inSandbox(t *testing.T, f func(context.Context, *testing.T, func() *lifecycle.World, lifecycle.Case)) {
	for _, c := range lifecycle.Cases {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f(t.Context(), t, func() *lifecycle.World {
					a := sandbox.New()
					a.QueueRest = time.Minute
					return lifecycle.NewWorld(a.Config("us-east-1"), sandbox.DefaultAccount)
				}, c)
			})
		})
	}
}

func TestLife(t *testing.T)         { inSandbox(t, lifecycle.Live) }
func TestIgnored(t *testing.T)      { inSandbox(t, lifecycle.Ignored) }
func TestIgnoredLater(t *testing.T) { inSandbox(t, lifecycle.IgnoredLater) }
func TestInterrupted(t *testing.T)  { inSandbox(t, lifecycle.Interrupted) }

// makeAll makes the calls of changes, as up does without the rest of the engine.
func makeAll(t *testing.T, list []provision.Change) {
	t.Helper()
	made := map[*provision.Joint]bool{}
	for _, c := range list {
		do := c.Do
		if j := c.Joint; j != nil {
			if made[j] {
				continue
			}
			made[j] = true
			var fields provision.Fields
			for _, other := range list {
				if other.Joint == j {
					fields = append(fields, other.Field)
				}
			}
			do = func(ctx context.Context) error { return j.Do(ctx, fields) }
		}
		if err := do(t.Context()); err != nil {
			t.Fatal(c.Field, err)
		}
	}
}
