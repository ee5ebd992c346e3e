package provision_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// opinionated is a thing with everything that is optional.
type opinionated struct {
	thing
	Says    []provision.Note // of Validate and CheckUse
	Blocks  []provision.Note // of CheckDelete
	Blocked error
	asked   *int
}

func (o opinionated) Validate(state, bool) []provision.Note { return o.Says }
func (o opinionated) CheckUse(state) []provision.Note       { return o.Says }
func (o opinionated) CheckDelete(context.Context, state) ([]provision.Note, error) {
	if o.asked != nil {
		*o.asked++
	}
	return o.Blocks, o.Blocked
}
func (o opinionated) Explain(_ context.Context, have state) string {
	return "it is made of " + have.Value
}

func TestNotesThatStop(t *testing.T) {
	bad := []provision.Note{{Severity: provision.Error, Text: "not here"}}
	warn := []provision.Note{{Severity: provision.Warn, Text: "not nice"}}
	for _, c := range []struct {
		name string
		own  provision.Ownership
		says []provision.Note
		want string
	}{
		{"advice", provision.Own, bad, "it: change: not here"},
		{"a warning", provision.Own, warn, ""},
		{"a lack", provision.External, bad, "it: use: not here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				if c.own != provision.External {
					w.objects["it"] = object{By: "a"}
				} else {
					w.objects["it"] = object{}
				}
				g, _ := graph("a")
				provision.Add(g, "it", c.own, opinionated{thing: thing{w: w, Name: "it", Me: "a", Value: "v"}, Says: c.says})
				p := mustPlan(t, g.Plan)
				if d := cmp.Diff(c.says, p.Actions[0].Notes); d != "" {
					t.Error(d)
				}
				err := g.Up(t.Context())
				if c.want == "" != (err == nil) || err != nil && err.Error() != c.want {
					t.Errorf("%v, want %q", err, c.want)
				}
				if err != nil && len(w.writes) > 0 {
					t.Error(w.writes)
				}
			})
		})
	}
}

// What a resource warns of is said again after up, once, and without new calls; advice that
// is no warning, and what no longer holds, is not.
func TestWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["lent"], w.objects["found"] = object{}, object{Value: "v"}
		says := []provision.Note{{Severity: provision.Warn, Text: "no light"}, {Severity: provision.Info, Text: "by the way"}}
		g, _ := graph("a")
		add := func(name string, own provision.Ownership, says []provision.Note) {
			provision.Add(g, name, own, opinionated{thing: thing{w: w, Name: name, Me: "a", Value: "v"}, Says: says})
		}
		add("it", provision.Own, says)
		add("lent", provision.External, []provision.Note{{Severity: provision.Warn, Text: "no water"}})
		add("twin", provision.Own, says)
		add("found", provision.Adopt, nil) // the plan warns of the adoption
		if p := mustPlan(t, g.Plan); len(p.Actions[3].Notes) != 1 {
			t.Fatalf("the plan does not warn of the adoption: %+v", p.Actions[3])
		}
		if have := g.Warnings(); len(have) != 1 { // the others do not exist yet
			t.Errorf("before up: %v", have)
		}
		mustUp(t, g)
		reads := w.reads
		want := []provision.Warning{{Step: "it", Text: "no light"}, {Step: "lent", Text: "no water"}}
		if d := cmp.Diff(want, g.Warnings()); d != "" || w.reads != reads {
			t.Errorf("%s; %d calls", d, w.reads-reads)
		}
	})
}

// A resource that cannot be deleted stops a run before it changes anything, both in down
// and when up prunes.
func TestObstacles(t *testing.T) {
	for _, own := range []provision.Ownership{provision.Own, provision.Prune} {
		for name, c := range map[string]struct {
			blocks  []provision.Note
			blocked error
			want    string
		}{
			"none":         {nil, nil, ""},
			"it is full":   {[]provision.Note{{Severity: provision.Error, Text: "it is full"}}, nil, "it: delete: it is full"},
			"cannot say":   {nil, errFatal, "it: read: out of the question"},
			"only a worry": {[]provision.Note{{Severity: provision.Warn, Text: "hm"}}, nil, ""},
		} {
			t.Run(fmt.Sprint(own, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					w.objects["it"] = object{By: "a"}
					asked := 0
					g, _ := graph("a")
					provision.Add(g, "it", own, opinionated{thing: thing{w: w, Name: "it", Me: "a"},
						Blocks: c.blocks, Blocked: c.blocked, asked: &asked})
					var p provision.Plan
					var err error
					if own == provision.Prune {
						p = mustPlan(t, g.Plan)
						err = g.Up(t.Context())
					} else {
						p = mustPlan(t, g.PlanDown)
						_, err = g.Down(t.Context())
					}
					if c.want == "" != (err == nil) || err != nil && err.Error() != c.want || (err == nil) != (p.Err() == nil) {
						t.Errorf("%v, the plan: %v, want %q", err, p.Err(), c.want)
					}
					if (err == nil) != (len(w.snapshot()) == 0) || asked != 1 {
						t.Errorf("%d left, asked %d times", len(w.snapshot()), asked)
					}
				})
			})
		}
	}
}

// What appears late is asked as well, before it is deleted.
func TestObstacleOfALatecomer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["other"] = object{By: "a"}
		w.fault = func(int, string) (before, after error) {
			w.objects["it"] = object{By: "a"}
			return nil, nil
		}
		g, _ := graph("a")
		provision.Add(g, "it", provision.Own, opinionated{thing: thing{w: w, Name: "it", Me: "a"},
			Blocks: []provision.Note{{Severity: provision.Error, Text: "it is full"}}})
		provision.Add(g, "other", provision.Own, thing{w: w, Name: "other", Me: "a"})
		left, err := g.Down(t.Context())
		if err == nil || err.Error() != "it: delete: it is full" || left.Count(provision.Delete) != 1 {
			t.Errorf("%v; left: %v", err, ops(left))
		}
		if d := cmp.Diff(map[string]object{"it": {By: "a"}}, w.snapshot()); d != "" {
			t.Error(d)
		}
	})
}

func TestCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["it"] = object{By: "a", Value: "sand"}
		w.fault = refuse("set it value")
		g, _ := graph("a")
		provision.Add(g, "it", provision.Own, opinionated{thing: thing{w: w, Name: "it", Me: "a", Value: "v"}})
		e, ok := errors.AsType[*provision.StepError](g.Up(t.Context()))
		if !ok || e.Cause != "it is made of sand" || e.Doing != "change value" {
			t.Errorf("%+v", e)
		}
	})
}

// quitter finds out after some time that it waits in vain.
type quitter struct {
	thing
	At    time.Time // zero for never
	asked *int
}

func (q quitter) Quit(_ context.Context, have state) error {
	*q.asked++
	if !q.At.IsZero() && time.Now().After(q.At) {
		return fmt.Errorf("%q will not change", have.Value)
	}
	return nil
}

// What waits in vain fails as soon as it finds out, and not after its patience. A plan, and
// a step that need not wait, do not ask.
func TestQuit(t *testing.T) {
	for name, c := range map[string]struct {
		have  string
		after time.Duration
		want  string
		took  time.Duration
	}{
		"in vain":    {"sand", 30 * time.Second, `it: wait: "sand" will not change`, 30 * time.Second},
		"never said": {"sand", 0, "it: wait: timed out after 2m0s, waiting for value stone", 2 * time.Minute},
		"no wait":    {"stone", time.Nanosecond, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.objects["it"] = object{By: "a", Value: c.have}
				asked, at := 0, time.Time{}
				if c.after > 0 {
					at = time.Now().Add(c.after)
				}
				g, _ := graph("a")
				provision.Add(g, "it", provision.Own, passive{quitter{thing: thing{w: w, Name: "it", Me: "a", Value: "stone"}, At: at, asked: &asked}})
				if _, err := g.Plan(t.Context()); err != nil || asked > 0 {
					t.Fatalf("the plan: %v, asked %d times", err, asked)
				}
				begun := time.Now()
				err := g.Up(t.Context())
				if c.want == "" != (err == nil) || err != nil && err.Error() != c.want {
					t.Errorf("have %v, want %q", err, c.want)
				}
				if took := time.Since(begun); took < c.took || took > c.took+6*time.Second || (asked > 0) != (c.took > 0) {
					t.Errorf("it took %s, asked %d times", took, asked)
				}
			})
		})
	}
}

// passive changes nothing itself: its object has to come to the value.
type passive struct{ quitter }

func (p passive) Read(ctx context.Context) (state, error) { return p.thing.Read(ctx) }
func (p passive) Changes(have state) []provision.Change {
	list := p.quitter.Changes(have)
	for i := range list {
		list[i].Do = nil
	}
	return list
}

// An unknown value never reaches an action: neither a creation nor a change.
func TestUnknownIsRefused(t *testing.T) {
	for name, have := range map[string]*object{"creation": nil, "change": {By: "a", Value: "v"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				if have != nil {
					w.objects["it"] = *have
				}
				g, _ := graph("a")
				provision.Add(g, "it", provision.Own, thing{w: w, Name: "it", Me: "a", Value: "v", Uses: refs(provision.Ref[state]{})})
				err := g.Up(t.Context())
				doing := "change uses"
				if have == nil {
					doing = "create"
				}
				if err == nil || err.Error() != "it: "+doing+": the value of uses is not known yet" || len(w.writes) > 0 {
					t.Error(err, w.writes)
				}
			})
		})
	}
}

// What is unwanted goes in reverse order, after those that are changed to do
// without it.
func TestUnwanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		g, _ := house(w, "a")
		mustUp(t, g)
		w.delay = time.Second
		g, j := graph("a")
		own, unwanted := provision.Own, provision.Prune
		base := provision.Add(g, "base", own, thing{w: w, Name: "a-base", Me: "a", Value: "stone"})
		left := provision.Add(g, "left", unwanted, thing{w: w, Name: "a-left", Me: "a", Uses: refs(base)})
		right := provision.Add(g, "right", unwanted, thing{w: w, Name: "a-right", Me: "a", Uses: refs(base)})
		provision.Add(g, "roof", own, roof{thing{w: w, Name: "a-roof", Me: "a", Value: "tin"}, []provision.Edge{left, right}})
		mustUp(t, g)
		if d := cmp.Diff([]string{"left", "right", "roof"}, j.steps(provision.Done)); d != "" {
			t.Error(d)
		}
		if len(j.steps(provision.Waiting)) > 0 {
			t.Error("something waited:", j.steps(provision.Waiting))
		}
		if _, ok := w.objects["a-left"]; ok {
			t.Error("left is still there")
		}
	})
}

// roof only has to come after what it was once built on.
type roof struct {
	thing
	After []provision.Edge
}

// Whoever had to wait long looks again before it acts: meanwhile the object may
// have become another's.
func TestStaleLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		build := func() *provision.Graph {
			g, _ := graph("a")
			well := provision.Add(g, "well", provision.Own, thing{w: w, Name: "well", Me: "a"})
			provision.Add(g, "pump", provision.Own, thing{w: w, Name: "pump", Me: "a", Uses: refs(well)})
			return g
		}
		mustUp(t, build())
		w.fault = func(_ int, call string) (before, after error) {
			switch n := w.carriedOut("delete pump"); {
			case call != "delete pump" || n > 12:
			case n == 8:
				w.objects["well"] = object{ID: "other", By: "b"}
				fallthrough
			default:
				before = errAgain
			}
			return before, nil
		}
		mustDown(t, build())
		if d := cmp.Diff(map[string]object{"well": {By: "b"}}, w.snapshot()); d != "" {
			t.Error(d)
		}
	})
}

// keeper needs what it uses until it is gone.
type keeper struct{ thing }

func (k keeper) Read(ctx context.Context) (state, error) { return k.thing.Read(ctx) }
func (keeper) DependsUntilDeleted()                      {}

// What a keeper uses goes only when the keeper is gone; others let go earlier.
func TestKeeper(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			build := func() *provision.Graph {
				g, _ := graph("a")
				base := provision.Add(g, "base", provision.Own, thing{w: w, Name: "base", Me: "a"})
				user := thing{w: w, Name: "user", Me: "a", Uses: []provision.Ref[state]{base}}
				if keeps {
					provision.Add(g, "user", provision.Own, keeper{user})
				} else {
					provision.Add(g, "user", provision.Own, user)
				}
				return g
			}
			mustUp(t, build())
			w.slow["user"] = 10 * time.Second
			begun, waited := time.Now(), time.Duration(0)
			w.fault = func(_ int, call string) (before, after error) {
				if call == "delete base" && waited == 0 {
					waited = time.Since(begun)
				}
				return nil, nil
			}
			mustDown(t, build())
			if waited >= 10*time.Second != keeps {
				t.Errorf("keeps %t: the base was deleted after %v", keeps, waited)
			}
		})
	}
}
