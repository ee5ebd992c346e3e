package lease

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox"
)

// TestAlone: what is read from the call of Free on can be relied on only if
// nobody has written to the log since.
func TestAlone(t *testing.T) {
	for _, c := range []struct {
		name    string
		before  func(*testing.T, *sandbox.Account) // what has been before
		between func(*testing.T, *sandbox.Account) // what another does when Free is called
		alone   bool
	}{
		{name: "the first ever", alone: true},
		{name: "after another", before: turn, alone: true},
		{name: "another was quicker", between: turn},
		{name: "another was quicker, in an old log", before: turn, between: turn},
		{name: "a down was quicker", before: turn, between: func(t *testing.T, a *sandbox.Account) {
			h, _ := acquire(t, by(a, "down", time.Minute))
			releaseOf(t, h, true)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := sandbox.New()
				if c.before != nil {
					c.before(t, a)
				}
				calls := 0
				l := by(a, "me", time.Minute)
				l.Free = func() {
					calls++
					if c.between != nil {
						c.between(t, a)
					}
				}
				h, _ := acquire(t, l)
				if h.Alone() != c.alone || calls != 1 {
					t.Errorf("alone %v after %d calls of Free, want %v after 1", h.Alone(), calls, c.alone)
				}
				releaseOf(t, h, true)
			})
		})
	}
}

// turn is a run of another from its beginning to its end.
func turn(t *testing.T, a *sandbox.Account) {
	h, _ := acquire(t, by(a, "other", time.Minute))
	releaseOf(t, h, false)
}
