package provision_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// The table of ownership: what up and down plan for an object in each state, and
// what of it is there afterwards.
func TestOwnership(t *testing.T) {
	const (
		own, adopt, external = provision.Own, provision.Adopt, provision.External
		share, prune         = provision.Share, provision.Prune
	)
	absent := (*object)(nil)
	nobody := &object{ID: "x", Value: "old"}
	ours := &object{ID: "x", By: "a", Value: "old"}
	other := &object{ID: "x", By: "b", Value: "old"}
	oursShared := &object{ID: "x", By: "a", Value: "old", Claims: []string{"a"}}
	oursBoth := &object{ID: "x", By: "a", Value: "old", Claims: []string{"a", "b"}}
	oursTheirs := &object{ID: "x", By: "a", Value: "old", Claims: []string{"b"}}
	otherShared := &object{ID: "x", By: "b", Value: "old", Claims: []string{"b"}}
	otherBoth := &object{ID: "x", By: "b", Value: "old", Claims: []string{"a", "b"}}
	otherOurs := &object{ID: "x", By: "b", Value: "old", Claims: []string{"a"}} // b has left

	made := &object{By: "a", Value: "new"}
	as := func(o *object, by string, claims ...string) *object {
		c := *o
		c.By, c.Value, c.Claims = by, "new", claims
		return &c
	}
	for _, c := range []struct {
		name     string
		own      provision.Ownership
		have     *object
		up       string // the op that up plans
		problem  string // in the plan's error
		after    *object
		down     string
		afterwds *object
	}{
		{"own, absent", own, absent, "create", "", made, "none", absent},
		{"own, ours", own, ours, "change", "", made, "delete", absent},
		{"own, another's", own, other, "conflict", "already exists and belongs to environment b", other, "skip", other},
		{"own, nobody's", own, nobody, "conflict", "was created outside flowbed", nobody, "leave", nobody},
		{"own, ours but claimed by another", own, oursTheirs, "change", "", as(ours, "a", "b"), "skip", oursTheirs},

		{"adopt, absent", adopt, absent, "create", "", made, "none", absent},
		{"adopt, ours", adopt, ours, "change", "", made, "delete", absent},
		{"adopt, another's", adopt, other, "conflict", "belongs to environment b", other, "skip", other},
		{"adopt, nobody's", adopt, nobody, "change", "", made, "skip", nobody},

		{"external, absent", external, absent, "missing", "does not exist", absent, "none", absent},
		{"external, ours", external, ours, "conflict", "belongs to this environment", ours, "skip", ours},
		{"external, ours and another's", external, oursBoth, "use", "", oursBoth, "skip", oursBoth},
		{"external, another's who has left", external, otherOurs, "conflict", "belongs to this environment", otherOurs, "skip", otherOurs},
		{"external, another's", external, other, "use", "", other, "skip", other},
		{"external, nobody's", external, nobody, "use", "", nobody, "skip", nobody},

		{"share, absent", share, absent, "create", "", as(made, "a", "a"), "none", absent},
		{"share, ours", share, oursShared, "change", "", as(ours, "a", "a"), "delete", absent},
		{"share, ours without a claim", share, ours, "change", "", as(ours, "a", "a"), "delete", absent},
		{"share, ours and another's", share, oursBoth, "change", "", as(ours, "a", "a", "b"), "release", oursTheirs},
		{"share, ours, used by another only", share, oursTheirs, "change", "", as(ours, "a", "b", "a"), "skip", oursTheirs},
		{"share, another's", share, otherShared, "change", "", as(other, "b", "b", "a"), "skip", otherShared},
		{"share, another's and ours", share, otherBoth, "change", "", as(other, "b", "a", "b"), "release", otherShared},
		{"share, another's who has left", share, otherOurs, "change", "", as(other, "b", "a"), "delete", absent},
		{"share, abandoned by another", share, other, "change", "", as(other, "b", "a"), "delete", absent},
		{"share, nobody's", share, nobody, "use", "", nobody, "skip", nobody},

		{"prune, absent", prune, absent, "left out", "", absent, "none", absent},
		{"prune, ours", prune, ours, "delete", "", absent, "delete", absent},
		{"prune, another's", prune, other, "skip", "", other, "skip", other},
		{"prune, nobody's", prune, nobody, "leave", "", nobody, "leave", nobody},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := func() (*world, *provision.Graph) {
					w := newWorld()
					if c.have != nil {
						w.objects["it"] = *c.have
					}
					g, _ := graph("a")
					provision.Add(g, "it", c.own, thing{w: w, Name: "it", Me: "a", Value: "new", Shared: c.own == share})
					return w, g
				}
				check := func(w *world, want *object) {
					t.Helper()
					have := w.snapshot()
					m := map[string]object{}
					if want != nil {
						o := *want
						o.ID = ""
						m["it"] = o
					}
					if d := cmp.Diff(m, have); d != "" {
						t.Error(d)
					}
				}
				w, g := start()
				p := mustPlan(t, g.Plan)
				if have := op(p); have != c.up {
					t.Errorf("up plans %s, want %s", have, c.up)
				}
				err := g.Up(t.Context())
				switch {
				case c.problem == "" && err != nil:
					t.Error(err)
				case c.problem != "" && (err == nil || p.Err() == nil || !strings.Contains(err.Error(), c.problem)):
					t.Errorf("up: %v; the plan: %v; want: %s", err, p.Err(), c.problem)
				}
				check(w, c.after)

				w, g = start()
				if have := mustPlan(t, g.PlanDown).Actions[0].Op.String(); have != c.down {
					t.Errorf("down plans %s, want %s", have, c.down)
				}
				mustDown(t, g)
				check(w, c.afterwds)
			})
		})
	}
}

// op is what a plan of one step does with it.
func op(p provision.Plan) string {
	if len(p.Actions) == 0 {
		return "left out"
	}
	return p.Actions[0].Op.String()
}
