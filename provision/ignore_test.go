package provision_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision"
)

// TestIgnore: a difference of an ignored field is shown, and left alone. A new object gets the
// field all the same.
func TestIgnore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		plan := func(value string) (*provision.Graph, provision.Action) {
			g, _ := graph("a")
			g.Ignore = map[string][]string{"it": {"value"}}
			provision.Add(g, "it", provision.Own, thing{w: w, Name: "it", Me: "a", Value: value})
			provision.Add(g, "other", provision.Own, thing{w: w, Name: "other", Me: "a", Value: value})
			return g, mustPlan(t, g.Plan).Actions[0]
		}
		g, a := plan("first")
		if a.Op != provision.Create || !slices.Equal(g.Fields("it"), []string{"owner", "value"}) || g.Fields("nothing") != nil {
			t.Fatalf("have %+v, fields %q", a, g.Fields("it"))
		}
		if err := g.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have := w.objects["it"].Value; have != "first" {
			t.Errorf("a new object has %q", have)
		}
		g, a = plan("second")
		const want = "ignores a difference of value: it is first, and the config file wants second"
		if a.Op != provision.None || len(a.Notes) != 1 || a.Notes[0].Severity != provision.Info || a.Notes[0].Text != want {
			t.Errorf("have %+v, want the note %q", a, want)
		}
		if err := g.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if it, other := w.objects["it"].Value, w.objects["other"].Value; it != "first" || other != "second" {
			t.Errorf("after up, the values are %q and %q", it, other)
		}
		if n := w.carriedOut("set it value"); n != 1 {
			t.Errorf("the value was set %d times, want once, after the creation", n)
		}
	})
}

// TestIgnoreNoClaim: a claim on a shared object is made, whatever is ignored.
func TestIgnoreNoClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["it"] = object{ID: "i", By: "b", Claims: []string{"b"}, Value: "v"}
		g, _ := graph("a")
		it := thing{w: w, Name: "it", Me: "a", Value: "v", Shared: true}
		provision.Add(g, "it", provision.Share, it)
		fields := []string{}
		for _, c := range it.Changes(state{w.objects["it"]}) {
			fields = append(fields, c.Field)
		}
		g.Ignore = map[string][]string{"it": fields}
		if err := g.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have := w.objects["it"].Claims; !slices.Contains(have, "a") {
			t.Errorf("the claims are %q", have)
		}
	})
}
