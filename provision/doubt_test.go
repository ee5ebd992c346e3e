package provision_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// herd is a resource of which there may be several: those that are certainly ours, and
// strays, of which that is not certain.
type herd struct {
	w     *world
	Me    string
	Field provision.Ref[state] // what the strays stand on
}

type herdState struct {
	Ours   bool
	Strays string
}

func (s herdState) Owner() (o provision.Owner) {
	switch {
	case s.Ours:
		o.By = "a"
	case s.Strays != "":
		o.Doubt = s.Strays + " are strays → catch them"
	}
	return o
}

func (s herdState) Label() string { return "herd" + s.Strays }

func (h herd) Read(ctx context.Context) (s herdState, err error) {
	_, err = h.w.read(ctx, "herd")
	s.Ours = err == nil
	if o, failed := h.w.read(ctx, "strays"); failed == nil {
		s.Strays = o.Value
	}
	return s, err
}

func (h herd) Create(ctx context.Context) (*herdState, error) {
	return nil, h.w.write(ctx, "create herd", func(m map[string]object) error {
		m["herd"] = object{By: h.Me}
		return nil
	})
}

func (herd) Changes(have herdState) []provision.Change { return nil }

func (h herd) Delete(ctx context.Context, _ herdState) error {
	return h.w.write(ctx, "delete herd", func(m map[string]object) error {
		delete(m, "herd")
		return nil
	})
}

func (h herd) Keeps(have herdState, _ bool) []provision.Kept {
	if have.Strays == "" {
		return nil
	}
	return []provision.Kept{{Object: h.Field, Why: have.Strays + " stand on it"}}
}

// bridge is a thing that needs another one only if the run leaves it.
type bridge struct{ thing }

func (b bridge) Keeps(_ state, stays bool) []provision.Kept {
	if !stays {
		return nil
	}
	return []provision.Kept{{Object: b.Uses[0], Why: b.Name + ", which is left, needs it"}}
}

// farm is a field with a herd, a river with a bridge, and a barn of its own.
func farm(w *world) *provision.Graph {
	g, _ := graph("a")
	of := func(name string) thing { return thing{w: w, Name: name, Me: "a"} }
	field := provision.Add(g, "field", provision.Own, of("field"))
	river := provision.Add(g, "river", provision.Own, of("river"))
	provision.Add(g, "barn", provision.Own, of("barn"))
	over := bridge{of("bridge")}
	over.Uses = []provision.Ref[state]{river}
	provision.Add(g, "bridge", provision.Own, over)
	provision.Add(g, "herd", provision.Own, herd{w: w, Me: "a", Field: field})
	return g
}

// What is not certainly ours stays, with what it needs, and everything else goes.
func TestDoubt(t *testing.T) {
	strays := object{Value: "cows"}
	for _, c := range []struct {
		name   string
		change func(map[string]object)
		up     string            // the error of an up
		leave  map[string]string // the steps that down leaves, and why
	}{
		{"all is ours", func(map[string]object) {}, "", map[string]string{}},
		{"an object without an owner", func(m map[string]object) { m["barn"] = object{} },
			"barn: conflict: already exists and was created outside flowbed",
			map[string]string{"barn": "has no flowbed tags"}},
		{"one that needs another", func(m map[string]object) {
			o := m["bridge"]
			o.By = ""
			m["bridge"] = o
		}, "bridge: conflict: already exists",
			map[string]string{"bridge": "has no flowbed tags", "river": "is left: bridge, which is left, needs it"}},
		{"one of another environment that needs ours", func(m map[string]object) {
			o := m["bridge"]
			o.By = "b"
			m["bridge"] = o
		}, "bridge: conflict: already exists and belongs to environment b",
			map[string]string{"river": "bridge, which is left, needs it"}},
		{"beside one of ours", func(m map[string]object) { m["strays"] = strays }, "",
			map[string]string{"herd": "cows are strays", "field": "is left: cows stand on it"}},
		{"instead of ours", func(m map[string]object) {
			delete(m, "herd")
			m["strays"] = strays
		}, "herd: conflict: cows are strays → catch them",
			map[string]string{"herd": "cows are strays", "field": "is left: cows stand on it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.delay = 10 * time.Millisecond
				mustUp(t, farm(w))
				c.change(w.objects)
				before := w.snapshot()
				err := farm(w).Up(t.Context())
				if said := fmt.Sprint(err); c.up == "" && err != nil || !strings.Contains(said, c.up) {
					t.Errorf("up: %v, want %q", err, c.up)
				}
				if d := cmp.Diff(before, w.snapshot()); d != "" {
					t.Errorf("up has changed something:\n%s", d)
				}
				planned := left(mustPlan(t, farm(w).PlanDown))
				remaining, err := farm(w).Down(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for step, why := range c.leave {
					if have := left(remaining)[step]; !strings.Contains(have, why) {
						t.Errorf("down leaves %s because %q, want %q", step, have, why)
					}
					if have := planned[step]; step != "herd" && !strings.Contains(have, why) {
						t.Errorf("the plan leaves %s because %q, want %q", step, have, why)
					}
				}
				if d := cmp.Diff(len(c.leave), len(left(remaining))); d != "" {
					t.Errorf("down leaves %v", left(remaining))
				}
				for name := range w.snapshot() {
					kept := name == "strays" || name == "bridge" && before["bridge"].By == "b"
					if _, leaves := c.leave[name]; !leaves && !kept {
						t.Errorf("%s is still there", name)
					}
				}
			})
		})
	}
}

// left are the steps that a plan of down leaves, and why.
func left(p provision.Plan) map[string]string {
	m := map[string]string{}
	for _, a := range p.Actions {
		if a.Op == provision.Leave {
			m[a.Step] = a.Owner.Leave
			if len(a.Notes) == 0 || a.Notes[0] != (provision.Note{Severity: provision.Warn, Text: a.Owner.Leave}) {
				m[a.Step] = fmt.Sprintf("the notes are %v", a.Notes)
			}
		}
	}
	return m
}
