package provision_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// lookup is something that is only read.
type lookup struct {
	Name  string
	Text  string
	Err   error
	After []provision.Edge
	reads *atomic.Int64
}

func (l lookup) Read(context.Context) (string, error) {
	if l.reads != nil {
		l.reads.Add(1)
	}
	return l.Text, l.Err
}

func TestReferences(t *testing.T) {
	w := newWorld()
	g, _ := graph("a")
	base := provision.Add(g, "base", provision.Own, thing{w: w, Name: "base", Me: "a"})
	if _, ok := base.Get(); ok || !base.Set() {
		t.Error("a reference is known before anything was read")
	}
	var none provision.Ref[state]
	if _, err := none.Await(t.Context()); !errors.Is(err, provision.ErrAbsent) || none.Set() {
		t.Error("the zero reference:", err)
	}
	if _, err := base.Await(t.Context()); !errors.Is(err, provision.ErrAbsent) || err.Error() != "base: does not exist" {
		t.Error("a reference to nothing:", err)
	}
	known := provision.Known(state{object{ID: "k"}})
	if s, err := known.Await(t.Context()); err != nil || s.ID != "k" || !known.Set() {
		t.Error("a known reference:", s, err)
	}
	if s, ok := known.Get(); !ok || s.ID != "k" {
		t.Error("a known reference:", s)
	}
	id := func(s state) string { return s.ID }
	if v := provision.Of(known, id); v != provision.Text("k") {
		t.Error(v)
	}
	if v := provision.Of(base, id); v.Known() {
		t.Error(v)
	}
	if _, ok := base.Expect(); ok {
		t.Error("have an expected state, want none: the resource cannot predict it")
	}
	told := provision.Add(g, "told", provision.Own, prophet{thing{w: w, Name: "told", Me: "a"}})
	if s, ok := told.Expect(); !ok || s.ID != "soon" {
		t.Error("predicted:", s)
	}
}

type prophet struct{ thing }

func (prophet) Predicted() state           { return state{object{ID: "soon"}} }
func (p prophet) Replaces(have state) bool { return have.Value != p.Value }

// TestExpectOfReplaced: what refers to an object that is replaced is planned with the new one.
func TestExpectOfReplaced(t *testing.T) {
	for _, c := range []struct {
		value string
		own   provision.Ownership
		want  string
	}{
		{"old", provision.Own, "i"}, {"new", provision.Own, "soon"}, {"new", provision.External, "i"},
	} {
		w := newWorld()
		w.objects["it"] = object{ID: "i", Value: "old", By: "a"}
		g, _ := graph("a")
		it := provision.Add(g, "it", c.own, prophet{thing{w: w, Name: "it", Me: "a", Value: c.value}})
		mustPlan(t, g.Plan)
		if s, ok := it.Expect(); !ok || s.ID != c.want {
			t.Errorf("%v of %s: have %q, want %q", c.own, c.value, s.ID, c.want)
		}
		if s, ok := it.Get(); !ok || s.ID != "i" {
			t.Errorf("%v of %s: the actual state is %q", c.own, c.value, s.ID)
		}
	}
}

// hasty gives up its own reading while another's is under way.
type hasty struct {
	thing
	Base provision.Ref[state]
}

func (h hasty) Read(ctx context.Context) (state, error) {
	inner, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := h.Base.Await(inner); err != nil && !errors.Is(err, provision.ErrAbsent) {
		return state{}, err
	}
	return h.thing.Read(ctx)
}

// A reader that gives up does not spoil the answer for the others.
func TestReadingOutlivesItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			w := newWorld()
			g, _ := graph("a")
			base := provision.Add(g, "base", provision.Own, thing{w: w, Name: "base", Me: "a", Value: "v"})
			for i := range 5 {
				name := fmt.Sprint(i)
				provision.Add(g, name, provision.Own, hasty{thing{w: w, Name: name, Me: "a"}, base})
			}
			if p := mustPlan(t, g.Plan); p.Err() != nil {
				t.Fatal(p.Err())
			}
			if w.reads != 6 {
				t.Errorf("%d reads of 6 objects", w.reads)
			}
		}
	})
}

// awaiting is a thing whose Read needs an answer.
type awaiting struct {
	thing
	Text provision.Ref[string]
}

func (a awaiting) Read(ctx context.Context) (state, error) {
	if _, err := a.Text.Await(ctx); err != nil {
		return state{}, err
	}
	return a.thing.Read(ctx)
}

// An error of a lookup is told once, where it belongs, and stops a run; a
// removal that does not ask for the lookup does not see it.
func TestLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var reads atomic.Int64
		build := func(err error) *provision.Graph {
			g, _ := graph("a")
			text := provision.Data(g, "address", lookup{Text: "x", Err: err, reads: &reads})
			provision.Data(g, "unasked", lookup{Err: errFatal, reads: &reads})
			provision.Add(g, "it", provision.Own, awaiting{thing{w: w, Name: "it", Me: "a"}, text})
			provision.Add(g, "broken", provision.Own, broken{thing{w: w, Name: "it", Me: "a"}, text})
			return g
		}
		g := build(fmt.Errorf("no way: %w", errFatal))
		p := mustPlan(t, g.Plan)
		want := "address: read: no way: out of the question\nunasked: read: out of the question\nbroken: read: a fault of its own"
		if err := p.Err(); err == nil || err.Error() != want {
			t.Errorf("the plan's error:\n%v\nwant:\n%s", err, want)
		}
		awaits := map[string]string{}
		for _, a := range p.Actions {
			awaits[a.Step] = a.Awaits
		}
		if d := cmp.Diff(map[string]string{"address": "", "unasked": "", "it": "address", "broken": ""}, awaits); d != "" {
			t.Error(d)
		}
		if err := g.Up(t.Context()); err == nil || err.Error() != want {
			t.Error("up:", err)
		}
		if err := g.Read(t.Context()); err == nil || err.Error() != "broken: read: a fault of its own" {
			t.Error("reading:", err)
		}

		reads.Store(0)
		g = build(fmt.Errorf("no way: %w", errFatal))
		if err := mustPlan(t, g.PlanDown).Err(); err == nil ||
			err.Error() != "broken: read: a fault of its own\naddress: read: no way: out of the question" {
			t.Error("down:", err)
		}
		if n := reads.Load(); n != 1 {
			t.Errorf("down read %d lookups", n)
		}
		if _, err := g.Down(t.Context()); !errors.Is(err, errFatal) {
			t.Error(err)
		}
	})
}

type broken awaiting

func (b broken) Read(context.Context) (state, error) {
	return state{}, errors.New("a fault of its own")
}
func (b broken) Create(ctx context.Context) (*state, error)   { return b.thing.Create(ctx) }
func (b broken) Changes(have state) []provision.Change        { return b.thing.Changes(have) }
func (b broken) Delete(ctx context.Context, have state) error { return b.thing.Delete(ctx, have) }

func TestValues(t *testing.T) {
	for _, c := range []struct {
		v                              provision.Value
		text                           string
		known, nothing, secret, asJSON bool
	}{
		{provision.Text("x"), "x", true, false, false, false},
		{provision.Text(""), "", true, true, false, false},
		{provision.JSON(`{}`), "{}", true, false, false, true},
		{provision.JSON(""), "", true, true, false, false},
		{provision.Secret(), "(secret)", true, false, true, false},
		{provision.Unknown(), "(known after up)", false, false, false, false},
	} {
		have := []bool{c.v.Known(), c.v.IsNothing(), c.v.IsSecret(), c.v.IsJSON()}
		if want := []bool{c.known, c.nothing, c.secret, c.asJSON}; !slices.Equal(have, want) || c.v.String() != c.text {
			t.Errorf("%q: %v, want %v", c.v.String(), have, want)
		}
	}
}
