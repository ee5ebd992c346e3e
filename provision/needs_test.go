package provision_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// following is a thing that comes after others.
type following struct {
	thing
	After []provision.Edge
}

// TestNeeds: steps that are not in the plan are passed over, and what follows from others is left
// out.
func TestNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := graph("a")
		one := provision.Add(g, "one", provision.Own, thing{w: w, Name: "one", Me: "a"})
		data := provision.Data(g, "data", lookup{After: []provision.Edge{one}})
		two := provision.Add(g, "two", provision.Own, following{thing{w: w, Name: "two", Me: "a"}, []provision.Edge{data}})
		provision.Add(g, "three", provision.Own, following{thing{w: w, Name: "three", Me: "a"}, []provision.Edge{one, two}})
		provision.Add(g, "alone", provision.Own, thing{w: w, Name: "alone", Me: "a"})
		p, err := g.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][]string{"two": {"one"}, "three": {"two"}}
		if d := cmp.Diff(want, g.Needs(p)); d != "" {
			t.Errorf("-want +have:\n%s", d)
		}
	})
}
