package lease

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// TestWindowByEachClock: the deletion of a shared object that is being retried stops as soon
// as one clock says that its window is over. The lease is still in force, so other calls pass.
func TestWindowByEachClock(t *testing.T) {
	const length = 26 * time.Second
	for name, c := range map[string]struct {
		steady, wall, server time.Duration // at each attempt
		want                 int           // attempts
	}{
		"all stand still": {0, 0, 0, 8},
		"monotonic":       {length / 2, 0, 0, 2},
		"wall":            {0, length / 2, 0, 2},
		"AWS's date":      {0, 0, length / 2, 2},
		"in one go":       {0, length, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			clocks := &clocks{begun, begun.Round(0)}
			f := held(clocks, func(err error) { t.Errorf("lost the lease: %v", err) })
			f.server = time.Time{}
			attempts, date := 0, start
			onTheWire, still := false, false
			api := guarded(f, func(string) (int, string, time.Time) {
				attempts++
				if !still {
					clocks.add(c.steady, c.wall)
					date = date.Add(c.server)
				}
				onTheWire = errors.Is(f.Over(), provision.ErrWindow)
				return 500, `{"__type": "InternalServerError"}`, date
			})
			ctx, cancel := provision.Window{From: begun, Length: length, Until: start.Add(length)}.In(t.Context())
			defer cancel()
			err := put(ctx, api)
			over := c.want < 8
			if attempts != c.want || errors.Is(err, provision.ErrWindow) != over {
				t.Errorf("have %d attempts, want %d: %v", attempts, c.want, err)
			}
			if want := over && c.server == 0; onTheWire != want { // the date is in the reply
				t.Errorf("during the last attempt the wire is closed: %t, want %t", onTheWire, want)
			}
			if f.Over() != nil {
				t.Errorf("after the call: %v", f.Over())
			}
			attempts, still = 0, true
			if _ = put(context.Background(), api); attempts == 0 {
				t.Error("a call without a window did not pass")
			}
		})
	}
}
