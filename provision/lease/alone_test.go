package lease

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox"
)

// TestAlone checks that a read made together with a view of the lease is valid only if
// nothing has been written to the log since.
func TestAlone(t *testing.T) {
	down := func(t *testing.T, a *sandbox.Account) {
		h, _ := acquire(t, by(a, "down", time.Minute))
		releaseOf(t, h, true)
	}
	for _, c := range []struct {
		name    string
		before  func(*testing.T, *sandbox.Account) // what has been before
		between func(*testing.T, *sandbox.Account) // what another does after the view
		alone   bool
	}{
		{name: "the first ever", alone: true},
		{name: "after another", before: turn, alone: true},
		{name: "after one that died", before: func(t *testing.T, a *sandbox.Account) {
			h, _ := acquire(t, by(a, "dead", time.Minute))
			h.stop()
			<-h.done
			time.Sleep(DefaultTTL + time.Second)
		}, alone: true},
		{name: "another was quicker", between: turn},
		{name: "another was quicker, in an old log", before: turn, between: turn},
		{name: "a down was quicker", before: turn, between: down},
		{name: "a log of the same length took the place of the old one", before: turn,
			between: func(t *testing.T, a *sandbox.Account) { down(t, a); turn(t, a) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := sandbox.New()
				if c.before != nil {
					c.before(t, a)
				}
				l := by(a, "me", time.Minute)
				seen, err := l.Look(t.Context())
				if err != nil || seen.Held() != nil || seen.Fresh() != (c.before == nil) {
					t.Fatalf("the view is held by %v, fresh %v, %v", seen.Held(), seen.Fresh(), err)
				}
				if c.between != nil {
					c.between(t, a)
				}
				h, _, err := l.Acquire(t.Context(), seen)
				if err != nil {
					t.Fatal(err)
				}
				if h.Alone() != c.alone {
					t.Errorf("alone %v, want %v", h.Alone(), c.alone)
				}
				releaseOf(t, h, true)
			})
		})
	}
}

// TestQuiet: a view is quiet if whoever wrote last had ended before it began.
func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		l := by(a, "me", time.Minute)
		look := func() *View {
			t.Helper()
			v, err := l.Look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if v := look(); v.Quiet() || !v.Fresh() {
			t.Error("of a lease that never was, nothing is known")
		}
		h, _ := acquire(t, by(a, "other", time.Minute))
		if v := look(); v.Quiet() || v.Held() == nil {
			t.Error("quiet while another holds it")
		}
		releaseOf(t, h, false)
		if v := look(); v.Quiet() || v.Held() != nil {
			t.Error("quiet right after another has ended")
		}
		time.Sleep(quiet + time.Second)
		if v := look(); !v.Quiet() || v.Fresh() {
			t.Error("not quiet long after another has ended")
		}
	})
}

// turn is a run of another from its beginning to its end.
func turn(t *testing.T, a *sandbox.Account) {
	h, _ := acquire(t, by(a, "other", time.Minute))
	releaseOf(t, h, false)
}
