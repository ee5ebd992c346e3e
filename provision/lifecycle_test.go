package provision_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flowbed/flowbed/provision"
)

// ops is a plan as step → op.
func ops(p provision.Plan) map[string]string {
	m := map[string]string{}
	for _, a := range p.Actions {
		m[a.Step] = a.Op.String()
	}
	return m
}

func all(op string) map[string]string {
	return map[string]string{"base": op, "left": op, "right": op, "well": op, "roof": op, "hut": op}
}

func TestLifecycle(t *testing.T) {
	for _, lag := range []time.Duration{0, 20 * time.Second, 45 * time.Second} {
		t.Run(lag.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { lifecycle(t, lag) })
		})
	}
}

func lifecycle(t *testing.T, lag time.Duration) {
	w := newWorld()
	w.lag, w.delay = lag, 10*time.Millisecond

	g, _ := house(w, "a")
	if d := cmp.Diff(all("create"), ops(mustPlan(t, g.Plan))); d != "" {
		t.Error("plan of nothing:", d)
	}
	if len(w.writes) > 0 {
		t.Error("a plan wrote:", w.writes)
	}
	mustUp(t, g)
	if d := cmp.Diff(built("a"), w.snapshot()); d != "" {
		t.Error("built:", d)
	}
	seen := map[string]bool{}
	for _, c := range w.writes {
		if seen[c] {
			t.Errorf("%q was repeated in %q", c, w.writes)
		}
		seen[c] = true
	}

	n := len(w.writes)
	g, _ = house(w, "a")
	if p := mustPlan(t, g.Plan); !p.Empty() || p.Err() != nil {
		t.Errorf("the second plan: %v, %v", ops(p), p.Err())
	}
	mustUp(t, g)
	if len(w.writes) != n {
		t.Error("the second up wrote:", w.writes[n:])
	}

	time.Sleep(time.Minute)
	g, _ = house(w, "a")
	if d := cmp.Diff(all("delete"), ops(mustPlan(t, g.PlanDown))); d != "" {
		t.Error("plan of down:", d)
	}
	mustDown(t, g)
	if d := cmp.Diff(map[string]object{}, w.snapshot()); d != "" {
		t.Error("down left:", d)
	}
	time.Sleep(time.Minute)
	n = len(w.writes)
	g, _ = house(w, "a")
	mustDown(t, g)
	if len(w.writes) != n {
		t.Error("the second down wrote:", w.writes[n:])
	}
}

func TestDriftIsNamedAndRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := house(w, "a")
		mustUp(t, g)
		o := w.objects["a-left"]
		o.Value = "paper"
		w.objects["a-left"] = o

		g, _ = house(w, "a")
		p := mustPlan(t, g.Plan)
		want := all("none")
		want["left"] = "change"
		if d := cmp.Diff(want, ops(p)); d != "" {
			t.Fatal(d)
		}
		c := p.Actions[1].Changes
		ignore := cmpopts.IgnoreFields(provision.Change{}, "Do")
		value := cmp.Comparer(func(a, b provision.Value) bool { return a == b })
		if d := cmp.Diff([]provision.Change{{Field: "value", From: provision.Text("paper"), To: provision.Text("wood")}}, c, ignore, value); d != "" {
			t.Error(d)
		}
		mustUp(t, g)
		if d := cmp.Diff(built("a"), w.snapshot()); d != "" {
			t.Error(d)
		}
	})
}

// A step whose users' deletion takes long is not given up on meanwhile, and
// they do not hold it up once they let go.
func TestDownLetsGoEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := house(w, "a")
		mustUp(t, g)
		w.slow["a-roof"] = 5 * time.Minute
		g, j := house(w, "a")
		mustDown(t, g)
		if d := cmp.Diff(map[string]object{}, w.snapshot()); d != "" {
			t.Error(d)
		}
		var started, gone time.Time
		for _, e := range j.events {
			switch {
			case e.Step == "left" && e.Kind == provision.Started:
				started = e.Time
			case e.Step == "roof" && e.Kind == provision.Done:
				gone = e.Time
			}
		}
		if !started.Before(gone.Add(-4 * time.Minute)) {
			t.Errorf("left started at %s, roof was gone at %s", started, gone)
		}
		if n := w.carriedOut("delete a-roof"); n > 2 { // again once it is seen to be dying
			t.Errorf("roof was deleted %d times", n)
		}
	})
}

// What a call that was under way elsewhere makes appear after the first round is
// found and removed as well.
func TestDownLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := house(w, "a")
		mustUp(t, g)
		w.fault = func(_ int, call string) (before, after error) {
			if call == "delete a-base" && w.carriedOut("delete a-base") == 1 {
				w.objects["a-hut"] = object{ID: "late", By: "a"}
			}
			return nil, nil
		}
		delete(w.objects, "a-hut")
		g, _ = house(w, "a")
		mustDown(t, g)
		if d := cmp.Diff(map[string]object{}, w.snapshot()); d != "" {
			t.Error(d)
		}
	})
}

func TestTwoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = 30 * time.Millisecond
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 7 * time.Millisecond)
				g, _ := house(w, "a")
				errs[i] = g.Up(t.Context())
			})
		}
		wg.Wait()
		if d := cmp.Diff(make([]error, 4), errs, cmpopts.EquateErrors()); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(built("a"), w.snapshot()); d != "" {
			t.Error(d)
		}
		for i := range errs {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 7 * time.Millisecond)
				g, _ := house(w, "a")
				_, errs[i] = g.Down(t.Context())
			})
		}
		wg.Wait()
		if d := cmp.Diff(make([]error, 4), errs, cmpopts.EquateErrors()); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]object{}, w.snapshot()); d != "" {
			t.Error(d)
		}
	})
}
