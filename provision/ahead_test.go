package provision_test

import (
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// TestAhead: a step after another knows what up would change in that one.
func TestAhead(t *testing.T) {
	for _, c := range []struct {
		name   string
		exists bool
		by     string
		own    provision.Ownership
		ignore string
		want   int
	}{
		{"another value", true, "a", provision.Own, "", 1},
		{"the field is ignored", true, "a", provision.Own, "value", 0},
		{"it does not exist", false, "", provision.Own, "", 0},
		{"it is somebody else's", true, "b", provision.Own, "", 0},
		{"it is external", true, "b", provision.External, "", 0},
	} {
		w := newWorld()
		if c.exists {
			w.objects["it"] = object{ID: "i", Value: "old", By: c.by}
		}
		g, _ := graph("a")
		g.Ignore = map[string]provision.Fields{"it": {c.ignore}}
		it := provision.Add(g, "it", c.own, thing{w: w, Name: "it", Me: "a", Value: "new"})
		mustPlan(t, g.Plan)
		have := it.Ahead()
		if len(have) != c.want || c.want > 0 && have[0].Field != "value" {
			t.Errorf("%s: %v, want %d changes", c.name, have, c.want)
		}
	}
	if have := provision.Known(state{}).Ahead(); have != nil {
		t.Errorf("of a known state: %v", have)
	}
}

type named struct{ thing }

func (n named) ObjectName() string { return "the-" + n.Name }

// TestNameAhead: a plan has the name of an object that does not exist, if the resource knows it.
func TestNameAhead(t *testing.T) {
	w := newWorld()
	w.objects["there"] = object{ID: "i", By: "a"}
	g, _ := graph("a")
	it := func(name string) thing { return thing{w: w, Name: name, Me: "a", Value: "v"} }
	provision.Add(g, "named", provision.Own, named{it("one")})
	provision.Add(g, "nameless", provision.Own, it("two"))
	provision.Add(g, "there", provision.Own, named{it("there")})
	provision.Add(g, "missing", provision.External, named{it("four")})
	want := []string{"the-one", "", "", "the-four"}
	for i, a := range mustPlan(t, g.Plan).Actions {
		if a.Object != want[i] {
			t.Errorf("%s %s is %q, want %q", a.Op, a.Step, a.Object, want[i])
		}
	}
}
