package provision_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision"
)

// scripted is a thing whose value is a script. Its old value is only read for a plan.
type scripted struct {
	thing
	asked *int
	acted *int
}

const unreadOwner = "a+"

// Detail marks the state by its claims, which the changes of a thing of one's own ignore.
func (s scripted) Detail(_ context.Context, have state) state {
	*s.asked++
	have.Claims = []string{unreadOwner}
	return have
}

func (s scripted) Changes(have state) []provision.Change {
	if have.Value == s.Value {
		return nil
	}
	c := provision.Change{Field: "script", To: provision.Script(s.Value), Causes: []string{"one", "two"}}
	if slices.Contains(have.Claims, unreadOwner) {
		c.From = provision.Script(have.Value)
	}
	set := s.set("script", func(o *object) { o.Value = s.Value })
	c.Do = func(ctx context.Context) error {
		*s.acted++
		return set(ctx)
	}
	return []provision.Change{c}
}

// TestDetail: a plan asks once for more of what differs, and never of the rest. A run that
// acted on the plan does not act again because later readings have less in them.
func TestDetail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.lag = 5e9
		w.objects["old"], w.objects["same"] = object{By: "a", Value: "old"}, object{By: "a", Value: "new"}
		g, _ := graph("a")
		var differs, same, absent, acted int
		add := func(name string, asked *int) {
			provision.Add(g, name, provision.Own, scripted{thing{w: w, Name: name, Me: "a", Value: "new"}, asked, &acted})
		}
		add("old", &differs)
		add("same", &same)
		add("absent", &absent)
		p := mustPlan(t, g.Plan)
		c := p.Actions[0].Changes[0]
		if c.From.String() != "old" || !c.From.IsScript() || c.To.String() != "new" || p.Actions[1].Op != provision.None {
			t.Errorf("have %+v", p)
		}
		if differs != 1 || same != 0 || absent != 0 {
			t.Errorf("asked %d, %d and %d times; want once, for what differs", differs, same, absent)
		}
		if err := g.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if differs != 1 || acted != 2 || w.carriedOut("set old script") != 1 {
			t.Errorf("asked %d times; acted %d times: %q", differs, acted, w.writes)
		}
	})
}

// TestIgnoreScript: the note about an ignored script has its causes and not the script.
func TestIgnoreScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["it"] = object{By: "a", Value: "old"}
		g, _ := graph("a")
		g.Ignore = map[string]provision.Fields{"it": {"script"}}
		provision.Add(g, "it", provision.Own, scripted{thing{w: w, Name: "it", Me: "a", Value: "new"}, new(int), new(int)})
		const want = "ignores a difference of script: one; two"
		if a := mustPlan(t, g.Plan).Actions[0]; a.Op != provision.None || len(a.Notes) != 1 || a.Notes[0].Text != want {
			t.Errorf("have %+v, want the note %q", a, want)
		}
	})
}
