package provision_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// TestIgnore: a difference of an ignored field is shown, and left alone. A new object gets the
// field all the same.
func TestIgnore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		plan := func(value string) (*provision.Graph, provision.Action) {
			g, _ := graph("a")
			g.Ignore = map[string]provision.Fields{"it": {"value"}}
			provision.Add(g, "it", provision.Own, thing{w: w, Name: "it", Me: "a", Value: value})
			provision.Add(g, "other", provision.Own, thing{w: w, Name: "other", Me: "a", Value: value})
			return g, mustPlan(t, g.Plan).Actions[0]
		}
		g, a := plan("first")
		fields, _ := g.Fields("it")
		none, _ := g.Fields("nothing")
		if a.Op != provision.Create || !slices.Equal(fields, provision.Fields{"owner", "value"}) || none != nil {
			t.Fatalf("have %+v, fields %q and %q", a, fields, none)
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
		var fields provision.Fields
		for _, c := range it.Changes(state{w.objects["it"]}) {
			fields = append(fields, c.Field)
		}
		g.Ignore = map[string]provision.Fields{"it": fields}
		provision.Add(g, "it", provision.Share, it)
		if err := g.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have := w.objects["it"].Claims; !slices.Contains(have, "a") {
			t.Errorf("the claims are %q", have)
		}
	})
}

// TestIgnoreUnfinished: a run that follows a killed one sets the ignored fields of what that one
// created, and ignores them from then on.
func TestIgnoreUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, lag := range []time.Duration{0, 5 * time.Second} {
			w := newWorld()
			w.lag = lag
			w.objects["it"] = object{ID: "i", By: "a", Unfinished: true} // the one was killed after the creation
			up := func(value string, fields ...string) {
				t.Helper()
				g, _ := graph("a")
				g.Ignore = map[string]provision.Fields{"it": fields}
				provision.Add(g, "it", provision.Own, thing{w: w, Name: "it", Me: "a", Value: value})
				mustUp(t, g)
			}
			up("first", "value", "unfinished")
			if have := w.objects["it"]; have.Value != "first" || have.Unfinished {
				t.Errorf("after the second run: %+v", have)
			}
			if have := strings.Join(w.writes, ", "); have != "set it value, set it unfinished" {
				t.Errorf("the second run made %s", have)
			}
			up("second", "value")
			if have := w.objects["it"].Value; have != "first" {
				t.Errorf("after the third run, the value is %s", have)
			}
		}
	})
}

// sealed cannot change its value: another value needs a new object.
type sealed struct{ thing }

func (s sealed) Changes(have state) []provision.Change {
	list := s.thing.Changes(have)
	for i, c := range list {
		if c.Field == "value" && have.ID != "" {
			list[i].Replace, list[i].Do = true, func(ctx context.Context) error { return s.Delete(ctx, have) }
		}
	}
	return list
}

// TestIgnoreReplacement: what only a new object would change stays ignored, also of an object that
// is unfinished: it may have content by now.
func TestIgnoreReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["it"] = object{ID: "i", By: "a", Value: "first", Uses: "wrong", Unfinished: true}
		g, _ := graph("a")
		g.Ignore = map[string]provision.Fields{"it": {"value", "uses"}}
		provision.Add(g, "it", provision.Own, sealed{thing{w: w, Name: "it", Me: "a", Value: "second"}})
		if a := mustPlan(t, g.Plan).Actions[0]; a.Op != provision.Update || len(a.Notes) != 1 {
			t.Errorf("the plan has %+v", a)
		}
		mustUp(t, g)
		if have := w.objects["it"]; have.ID != "i" || have.Value != "first" || have.Uses != "" || have.Unfinished {
			t.Errorf("after up: %+v", have)
		}
	})
}

// TestUnfinishedForEver: up may never be allowed to set an ignored field. The error then says that
// it is not ignored yet, and what to do.
func TestUnfinishedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const why = "value is not ignored yet: it has the mark until up has set all its fields once → if others set value, remove the mark from it"
		for _, c := range []struct {
			name, want string
			it         object
			ignore     provision.Fields
		}{
			{"unfinished", why, object{ID: "i", By: "a", Unfinished: true}, provision.Fields{"value"}},
			{"another field is ignored", "", object{ID: "i", By: "a", Unfinished: true}, provision.Fields{"uses"}},
			{"finished", "", object{ID: "i", By: "a"}, provision.Fields{"uses"}},
		} {
			w := newWorld()
			w.objects["it"] = c.it
			w.fault = func(int, string) (error, error) { return errFatal, nil }
			g, _ := graph("a")
			g.Ignore = map[string]provision.Fields{"it": c.ignore}
			provision.Add(g, "it", provision.Own, thing{w: w, Name: "it", Me: "a", Value: "v"})
			err, ok := errors.AsType[*provision.StepError](g.Up(t.Context()))
			if !ok || err.Doing != "change value" || err.Cause != c.want {
				t.Errorf("%s: have %+v, want the cause %q", c.name, err, c.want)
			}
		}
	})
}

// TestIgnoreUnfinishedOfOthers: what another environment has not finished is that one's to finish.
func TestIgnoreUnfinishedOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["it"] = object{ID: "i", By: "b", Claims: []string{"b"}, Unfinished: true}
		g, _ := graph("a")
		g.Ignore = map[string]provision.Fields{"it": {"value"}}
		provision.Add(g, "it", provision.Share, thing{w: w, Name: "it", Me: "a", Value: "of a", Shared: true})
		mustUp(t, g)
		if have := w.objects["it"]; have.Value != "" || !have.Unfinished {
			t.Errorf("after up: %+v", have)
		}
	})
}

// several has three fields, which one call sets. That has to leave alone what is ignored.
type several struct {
	w       *world
	want    string // the values, separated by spaces
	ignored provision.Fields
}

var (
	_ provision.Resource[state] = several{}
	_ provision.Ignorer[state]  = several{}
)

func (s several) Read(ctx context.Context) (state, error) {
	o, err := s.w.read(ctx, "it")
	return state{o}, err
}
func (s several) Create(context.Context) (*state, error) { panic("it exists") }
func (s several) Delete(context.Context, state) error    { panic("nobody deletes it") }
func (s several) Ignoring(fields provision.Fields) provision.Resource[state] {
	s.ignored = fields
	return s
}

func (s several) Changes(have state) (list []provision.Change) {
	names, is, want := []string{"a", "b", "c"}, strings.Fields(have.Value), strings.Fields(s.want)
	for i, name := range names {
		if is[i] != want[i] {
			list = append(list, provision.Change{Field: name, From: provision.Text(is[i]), To: provision.Text(want[i])})
		}
	}
	return provision.Together(list, func(ctx context.Context, fields provision.Fields) error {
		if slices.ContainsFunc(s.ignored, fields.Has) {
			panic("it would set an ignored field")
		}
		now := slices.Clone(is)
		for i, name := range names {
			if fields.Has(name) {
				now[i] = want[i]
			}
		}
		return s.w.write(ctx, "set "+strings.Join(fields, " and "), func(m map[string]object) error {
			m["it"] = object{By: "a", Value: strings.Join(now, " ")}
			return nil
		})
	})
}

// TestTogether: of differences that one call removes, the ignored ones stay, and the call is
// made once, however late it shows.
func TestTogether(t *testing.T) {
	for _, c := range []struct {
		name, have, after, call string
		ignore                  provision.Fields
	}{
		{"nothing is ignored", "1 1 1", "2 2 2", "set a and b and c", nil},
		{"the first is ignored", "1 1 1", "1 2 2", "set b and c", provision.Fields{"a"}},
		{"another is ignored", "1 1 1", "2 1 2", "set a and c", provision.Fields{"b"}},
		{"only one remains", "1 1 1", "1 2 1", "set b", provision.Fields{"a", "c"}},
		{"all that differs is ignored", "1 2 1", "1 2 1", "", provision.Fields{"a", "c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.lag = 5 * time.Second
				w.objects["it"] = object{By: "a", Value: c.have}
				g, _ := graph("a")
				g.Ignore = map[string]provision.Fields{"it": c.ignore}
				provision.Add(g, "it", provision.Own, several{w: w, want: "2 2 2"})
				mustUp(t, g)
				if have := w.objects["it"].Value; have != c.after {
					t.Errorf("after up: %s, want %s", have, c.after)
				}
				if have := strings.Join(w.writes, ", "); have != c.call {
					t.Errorf("up made %q, want %q", have, c.call)
				}
				if p := mustPlan(t, g.Plan); !p.Empty() || len(p.Actions[0].Notes) != len(strings.Fields(strings.ReplaceAll(c.after, "2", ""))) {
					t.Errorf("the next plan: %+v", p.Actions[0])
				}
			})
		})
	}
}

// twins are two objects of one step, whose differences are the same.
type twins struct{ several }

func (s twins) Changes(have state) (list []provision.Change) {
	is, want := strings.Fields(have.Value), strings.Fields(s.want)
	for i, name := range []string{"a", "b"} {
		if is[i] != want[i] {
			list = append(list, provision.Change{Field: "tags", Of: name, From: provision.Text(is[i]), To: provision.Text(want[i]), Do: func(ctx context.Context) error {
				return s.w.write(ctx, "set "+name, func(m map[string]object) error {
					now := strings.Fields(m["it"].Value)
					now[i] = want[i]
					m["it"] = object{By: "a", Value: strings.Join(now, " ")}
					return nil
				})
			}})
		}
	}
	return list
}

// TestSameDifferences: a call that failed for one object is repeated, although the same change of
// another one has been made.
func TestSameDifferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["it"] = object{By: "a", Value: "1 1"}
		w.fault = func(n int, _ string) (before, after error) {
			if n == 2 {
				return errAgain, nil
			}
			return nil, nil
		}
		g, _ := graph("a")
		provision.Add(g, "it", provision.Own, twins{several{w: w, want: "2 2"}})
		mustUp(t, g)
		if have := w.objects["it"].Value; have != "2 2" || len(w.writes) != 3 {
			t.Errorf("have %q after %v", have, w.writes)
		}
	})
}
