package provision_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// After a fatal error no step makes another call, and one step tells of it.
func TestFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fault = refuse("create a-left")
		g, j := house(w, "a")
		g.Fatal = func(err error) bool { return errors.Is(err, errFatal) }
		err := g.Up(t.Context())
		if want := "left: create: out of the question"; err == nil || err.Error() != want {
			t.Errorf("error: %v; want: %s", err, want)
		}
		if d := cmp.Diff([]string{"left"}, j.steps(provision.Failed)); d != "" {
			t.Error("failed:", d)
		}
		if w.carriedOut("set a-roof value") > 0 {
			t.Error("the run went on")
		}
		for _, a := range g.Standing().Actions {
			switch {
			case a.Step == "left" && a.Err == nil:
				t.Error("what became of a creation that failed is said to be known")
			case a.Step == "base" && a.Op != provision.Delete:
				t.Errorf("what was made before is said to be %v", a.Op)
			}
		}
		w.fault = nil
		g, _ = house(w, "a")
		mustUp(t, g)
	})
}
