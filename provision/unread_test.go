package provision_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// A removal that is stopped while it reads again does not claim that nothing is left: each
// object is still planned for deletion, or unknown.
func TestDownStoppedWhileReading(t *testing.T) {
	stop := errors.New("interrupted")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 20 * time.Millisecond
		g, _ := house(w, "a")
		mustUp(t, g)
		g, _ = house(w, "a")
		planned := mustPlan(t, g.PlanDown)
		time.Sleep(time.Minute) // the user thinks, and the plan becomes old
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		time.AfterFunc(w.delay/2, func() { cancel(stop) })
		left, err := g.Down(ctx)
		if !errors.Is(err, stop) {
			t.Fatalf("have %v, want %v", err, stop)
		}
		if have, want := len(left.Actions), len(planned.Actions); have != want || want == 0 {
			t.Fatalf("%d objects are left or unknown, want %d", have, want)
		}
		for _, a := range left.Actions {
			if a.Err == nil && a.Op != provision.Delete {
				t.Errorf("%s counts as gone", a.Step)
			}
		}
	})
}
