package provision_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// Environments that share an object converge, and the last one removes it.
func TestShared(t *testing.T) {
	for first := range 2 {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.delay = 10 * time.Millisecond
				for _, me := range []string{"a", "b"} {
					g, _ := house(w, me)
					mustUp(t, g)
				}
				if d := cmp.Diff([]string{"a", "b"}, w.objects["well"].Claims); d != "" {
					t.Error(d)
				}
				order := []string{"a", "b"}
				g, _ := house(w, order[first])
				mustDown(t, g)
				if _, ok := w.snapshot()["well"]; !ok {
					t.Fatal("the well is gone while another uses it")
				}
				g, _ = house(w, order[1-first])
				mustDown(t, g)
				if d := cmp.Diff(map[string]object{}, w.snapshot()); d != "" {
					t.Error(d)
				}
			})
		})
	}
	t.Run("both leave at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.delay = 10 * time.Millisecond
			var wg sync.WaitGroup
			for _, me := range []string{"a", "b"} {
				g, _ := house(w, me)
				mustUp(t, g)
			}
			for _, me := range []string{"a", "b"} {
				wg.Go(func() {
					g, _ := house(w, me)
					if _, err := g.Down(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if d := cmp.Diff(map[string]object{}, w.snapshot()); d != "" {
				t.Error(d)
			}
		})
	})
}

// The last one who leaves an object that another made may be cut off between
// its mark and the deletion: whoever comes by after the mark's end finishes it.
func TestLastClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["it"] = object{ID: "x", By: "b", Claims: []string{"a"}}
		w.fault = refuse("delete it")
		down := func(me string) (string, error) {
			g, _ := graph(me)
			provision.Add(g, "it", provision.Share, thing{w: w, Name: "it", Me: me, Shared: true})
			p := mustPlan(t, g.PlanDown)
			_, err := g.Down(t.Context())
			return p.Actions[0].Op.String(), err
		}
		if op, err := down("a"); op != "delete" || err == nil {
			t.Error(op, err)
		}
		w.fault = nil
		if op, err := down("c"); op != "skip" || err != nil {
			t.Error("while a may still delete it:", op, err)
		}
		time.Sleep(time.Minute)
		if op, err := down("c"); op != "delete" || err != nil || len(w.snapshot()) > 0 {
			t.Error(op, err, w.snapshot())
		}
	})
}
