package provision_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// faults are what can go wrong with the nth writing call.
var faults = map[string]func(nth int) func(n int, call string) (before, after error){
	"refused once": func(nth int) func(int, string) (error, error) {
		return func(n int, _ string) (before, after error) {
			if n == nth {
				before = errAgain
			}
			return before, nil
		}
	},
	"refused for good": func(nth int) func(int, string) (error, error) {
		return func(n int, _ string) (before, after error) {
			if n == nth {
				before = errFatal
			}
			return before, nil
		}
	},
	"applied, and the reply is lost": func(nth int) func(int, string) (error, error) {
		return func(n int, _ string) (before, after error) {
			if n == nth {
				after = errAgain
			}
			return nil, after
		}
	},
	"applied, and an error": func(nth int) func(int, string) (error, error) {
		return func(n int, _ string) (before, after error) {
			if n == nth {
				after = errFatal
			}
			return nil, after
		}
	},
}

// Whatever goes wrong at whichever call: what can be repaired at once is, and
// the next run repairs the rest.
func TestFaultAtEveryWrite(t *testing.T) {
	for name, fault := range faults {
		for _, lag := range []time.Duration{0, 20 * time.Second} {
			t.Run(fmt.Sprintf("%s/lag %s", name, lag), func(t *testing.T) {
				writes := 12 // at least as many as up makes
				for n := 1; n <= writes; n++ {
					synctest.Test(t, func(t *testing.T) { upAndDownWith(t, n, lag, fault) })
				}
			})
		}
	}
}

func upAndDownWith(t *testing.T, n int, lag time.Duration, fault func(int) func(int, string) (error, error)) {
	w := newWorld()
	w.lag = lag
	run := func(what string, f func() error) {
		t.Helper()
		w.writes, w.fault = nil, fault(n)
		if err := f(); err != nil {
			if !errors.Is(err, errFatal) {
				t.Fatalf("%s, fault at %d: %v", what, n, err)
			}
			time.Sleep(w.lag + 1)
			w.fault = nil
			if err := f(); err != nil {
				t.Fatalf("%s after the fault at %d: %v", what, n, err)
			}
		}
	}
	run("up", func() error {
		g, _ := house(w, "a")
		return g.Up(t.Context())
	})
	if d := cmp.Diff(built("a"), w.snapshot()); d != "" {
		t.Fatalf("up, fault at %d: %s", n, d)
	}
	time.Sleep(w.lag + 1)
	run("down", func() error {
		g, _ := house(w, "a")
		_, err := g.Down(t.Context())
		return err
	})
	if d := cmp.Diff(map[string]object{}, w.snapshot()); d != "" {
		t.Fatalf("down, fault at %d: %s", n, d)
	}
}

// The reply to a call does not decide. The engine repeats a failing call with growing
// pauses, and gives up when there has been no progress for as long as its patience.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fault = func(_ int, call string) (before, after error) {
			if call == "set a-base value" {
				before = errAgain
			}
			return before, nil
		}
		g, j := house(w, "a")
		g.Patience = time.Minute
		begun := time.Now()
		err := g.Up(t.Context())
		e, ok := errors.AsType[*provision.StepError](err)
		if !ok || e.Step != "base" || e.Doing != "change value" || !errors.Is(err, errAgain) {
			t.Errorf("error: %v", err)
		}
		if took := time.Since(begun); took < time.Minute || took > time.Minute+6*time.Second {
			t.Errorf("took %s", took)
		}
		if n := w.carriedOut("set a-base value"); n < 12 || n > 25 {
			t.Errorf("tried %d times", n)
		}
		for _, e := range j.events {
			if e.Kind == provision.Waiting && !errors.Is(e.Err, errAgain) {
				t.Errorf("waits without its reason: %+v", e)
			}
		}
	})
}

// A failed step stops the steps that depend on it, and no others.
func TestSkipping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fault = refuse("create a-left")
		g, j := house(w, "a")
		err := g.Up(t.Context())
		want := "left: create: out of the question"
		if err == nil || err.Error() != want {
			t.Errorf("error: %v; want: %s", err, want)
		}
		if d := cmp.Diff([]string{"base", "hut", "right", "well"}, j.steps(provision.Done)); d != "" {
			t.Error("done:", d)
		}
		if d := cmp.Diff([]string{"roof"}, j.steps(provision.Skipped)); d != "" {
			t.Error("skipped:", d)
		}

		w.fault = nil
		g, _ = house(w, "a")
		mustUp(t, g)
		w.fault = refuse("delete a-right")
		g, j = house(w, "a")
		left, err := g.Down(t.Context())
		if !errors.Is(err, errFatal) || left.Count(provision.Delete) != 2 {
			t.Errorf("down: %v; left: %v", err, ops(left))
		}
		if d := cmp.Diff([]string{"hut", "left", "roof", "well"}, j.steps(provision.Done)); d != "" {
			t.Error("done:", d)
		}
		if d := cmp.Diff([]string{"base"}, j.steps(provision.Skipped)); d != "" {
			t.Error("skipped:", d)
		}
	})
}

func refuse(call string) func(int, string) (before, after error) {
	return func(_ int, c string) (before, after error) {
		if c == call {
			before = errFatal
		}
		return before, nil
	}
}

// After a creation the owner may become visible later than the object.
func TestLateOwner(t *testing.T) {
	for _, own := range []provision.Ownership{provision.Own, provision.Share} {
		for _, late := range []time.Duration{10 * time.Second, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				begun := time.Now()
				g, _ := graph("a")
				provision.Add(g, "it", own, shy{thing{w: w, Name: "it", Me: "a", Value: "new"}, begun.Add(late)})
				err := g.Up(t.Context())
				if late > time.Minute {
					if err == nil || err.Error() != "it: wait: timed out after 2m0s, waiting for its tags" {
						t.Errorf("%v, late by %s: %v", own, late, err)
					}
					return
				}
				if d := cmp.Diff(map[string]object{"it": {By: "a", Value: "new"}}, w.snapshot()); d != "" || err != nil {
					t.Errorf("%v: %v %s", own, err, d)
				}
			})
		}
	}
}

// shy does not show its owner until later.
type shy struct {
	thing
	Later time.Time
}

func (s shy) Read(ctx context.Context) (state, error) {
	have, err := s.thing.Read(ctx)
	if time.Now().Before(s.Later) {
		have.By, have.Claims = "", nil
	}
	return have, err
}

// What is waited for in vain is named with its value, whether it was to come or
// to go.
func TestWaitingInVain(t *testing.T) {
	for want, value := range map[string][2]string{
		"it: wait: timed out after 2m0s, waiting for value new":       {"old", "new"},
		"it: wait: timed out after 2m0s, waiting for value old to go": {"old", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.objects["it"] = object{By: "a", Value: value[0]}
			w.lag = time.Hour
			g, _ := graph("a")
			provision.Add(g, "it", provision.Own, thing{w: w, Name: "it", Me: "a", Value: value[1]})
			if err := g.Up(t.Context()); err == nil || err.Error() != want {
				t.Errorf("%v; want %s", err, want)
			}
		})
	}
}
