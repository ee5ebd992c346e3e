package provision_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// slowly is a thing that usually takes some time.
type slowly struct{ thing }

var _ provision.Usual = slowly{}

func (slowly) Usually() string { return "4–6 minutes" }

// TestUsually: while up waits for an object, events say how long that usually takes. A deletion
// takes a time of its own.
func TestUsually(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.lag = time.Minute
		w.slow["a"] = time.Minute
		g, j := graph("a")
		provision.Add(g, "a", provision.Own, slowly{thing{w: w, Name: "a", Me: "a", Value: "x"}})
		if err := g.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		waited := 0
		for _, e := range j.events {
			if want := map[bool]string{true: "4–6 minutes"}[e.Kind == provision.Waiting]; e.Usually != want {
				t.Errorf("%s: usually %q, want %q", e.Kind, e.Usually, want)
			}
			if e.Kind == provision.Waiting {
				waited++
			}
		}
		if waited == 0 {
			t.Error("up has not waited")
		}
		j.events = nil
		if _, err := g.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(j.events, func(e provision.Event) bool { return e.Kind == provision.Waiting }) {
			t.Error("down has not waited")
		}
		for _, e := range j.events {
			if e.Usually != "" {
				t.Errorf("down: usually %q", e.Usually)
			}
		}
	})
}

// TestReading: whoever wants to know hears of each step that has been read, and of no more.
func TestReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := house(newWorld(), "a")
		provision.OnDemand(g, "asked by nobody", lookup{Name: "x"})
		var mu sync.Mutex
		var heard []int
		steps := 0
		g.Reading = func(done, total int) {
			mu.Lock()
			defer mu.Unlock()
			heard, steps = append(heard, done), total
		}
		p := mustPlan(t, g.Plan)
		slices.Sort(heard)
		if steps < len(p.Actions) || len(heard) != steps || heard[0] != 1 || heard[steps-1] != steps {
			t.Errorf("heard %v of %d steps; the plan has %d", heard, steps, len(p.Actions))
		}
	})
}
