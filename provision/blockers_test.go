package provision_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// wall is a thing that cannot go while others lean on it.
type wall struct {
	thing
	leaners []leaner
	begun   time.Time
}

// leaner leans on a wall until a time after the start; 0 means forever.
type leaner struct {
	what     string
	until    time.Duration
	patience time.Duration
}

func (w wall) Patience() time.Duration       { return time.Minute }
func (w wall) DeletePatience() time.Duration { return 15 * time.Minute }

func (w wall) left() (list []provision.Blocker) {
	for _, l := range w.leaners {
		if l.until == 0 || time.Since(w.begun) < l.until {
			list = append(list, provision.Blocker{What: l.what, Remedy: "push " + l.what + " away", Patience: l.patience})
		}
	}
	return list
}

func (w wall) Blockers(context.Context, state) []provision.Blocker { return w.left() }

func (w wall) Delete(ctx context.Context, have state) error {
	if len(w.left()) > 0 {
		return fmt.Errorf("delete %s: %w", w.Name, errInUse)
	}
	return w.thing.Delete(ctx, have)
}

// TestBlockers: patience counts from the last change of what blocks a deletion, and is that of
// the blockers, or of the deletion.
func TestBlockers(t *testing.T) {
	for _, c := range []struct {
		name    string
		leaners []leaner
		ends    time.Duration
		fails   string
	}{
		{name: "nothing blocks it"},
		{name: "each goes before patience is over", leaners: []leaner{{"ada", 14 * time.Minute, 0}, {"bob", 24 * time.Minute, 0}}, ends: 24 * time.Minute},
		{name: "one stays", leaners: []leaner{{"ada", 14 * time.Minute, 0}, {"bob", 0, 0}}, ends: 29 * time.Minute,
			fails: "delete wall: in use: again (timed out after 15m0s without visible progress: waits for bob) → push bob away"},
		{name: "one that does not go by itself", leaners: []leaner{{"ada", 0, 2 * time.Minute}}, ends: 2 * time.Minute,
			fails: "(timed out after 2m0s without visible progress: waits for ada) → push ada away"},
		{name: "the most patient of two counts", leaners: []leaner{{"ada", 0, 2 * time.Minute}, {"bob", 9 * time.Minute, 10 * time.Minute}}, ends: 11 * time.Minute,
			fails: "waits for ada) → push ada away"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				build := func() (*provision.Graph, *journal) {
					g, j := graph("a")
					provision.Add(g, "wall", provision.Own, wall{thing{w: w, Name: "wall", Me: "a", Value: "stone"}, c.leaners, time.Now()})
					return g, j
				}
				g, _ := build()
				mustUp(t, g)
				g, j := build()
				begun := time.Now()
				_, err := g.Down(t.Context())
				if took := time.Since(begun); took < c.ends || took > c.ends+6*time.Second {
					t.Errorf("down took %s, want %s", took, c.ends)
				}
				if (c.fails == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), c.fails) || !errors.Is(err, errInUse)) {
					t.Errorf("down: %v, want %q", err, c.fails)
				}
				wantWaits(t, j, c.leaners)
			})
		})
	}
}

// wantWaits checks that each wait says what it is for.
func wantWaits(t *testing.T, j *journal, leaners []leaner) {
	t.Helper()
	for _, e := range j.events {
		var want []string
		for _, l := range leaners {
			if l.until == 0 || e.Elapsed < l.until {
				want = append(want, l.what)
			}
		}
		if e.Kind == provision.Waiting && e.For != strings.Join(want, " and ") {
			t.Errorf("after %s, the step waits for %q, want %q", e.Elapsed, e.For, want)
		}
	}
}

// seeds are what a tree makes until it is gone.
type seeds struct{ thing }

func (seeds) CreatedByDependents() {}
func (seeds) DependsUntilDeleted() {}

// tree comes after its seeds, but does not need them.
type tree struct {
	thing
	After    []provision.Edge
	patience time.Duration
}

func (t tree) Patience() time.Duration { return t.patience }

// garden has soil, seeds, and a tree.
func garden(w *world, patience time.Duration) (*provision.Graph, *journal) {
	g, j := graph("a")
	soil := provision.Add(g, "soil", provision.Own, thing{w: w, Name: "soil", Me: "a", Value: "v"})
	s := provision.Add(g, "seeds", provision.Own, seeds{thing{w: w, Name: "seeds", Me: "a", Value: "v", Uses: refs(soil)}})
	provision.Add(g, "tree", provision.Own, tree{thing{w: w, Name: "tree", Me: "a", Value: "v"}, []provision.Edge{s}, patience})
	return g, j
}

// TestCreatedByDependents: what a dependent makes while it goes is deleted, too, before what it
// needs.
func TestCreatedByDependents(t *testing.T) {
	for _, c := range []struct {
		name  string
		first bool          // there are seeds at the start
		sows  time.Duration // when the tree makes others; 0 means never
		fails bool          // the tree does not go
		order []string
	}{
		{name: "nothing is made", order: []string{"delete tree", "delete soil"}},
		{name: "made at the end", sows: 50 * time.Second, order: []string{"delete tree", "delete seeds", "delete soil"}},
		{name: "and at the start", first: true, sows: 50 * time.Second, order: []string{"delete tree", "delete seeds", "delete seeds", "delete soil"}},
		{name: "the tree stays", fails: true, order: []string{"delete tree"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				g, _ := garden(w, time.Hour)
				mustUp(t, g)
				if !c.first {
					delete(w.objects, "seeds")
				}
				w.slow["tree"] = time.Minute
				if c.sows > 0 {
					time.AfterFunc(c.sows, func() {
						w.mu.Lock()
						defer w.mu.Unlock()
						w.objects["seeds"] = object{ID: "late", By: "a", Value: "v"}
					})
				}
				w.writes = nil
				patience := time.Hour
				if c.fails {
					w.slow["tree"], patience = time.Hour, time.Minute
				}
				g, j := garden(w, patience)
				_, err := g.Down(t.Context())
				if (err != nil) != c.fails {
					t.Errorf("down: %v", err)
				}
				// The state of a tree that goes is a new one, so it is told again, before or after
				// the seeds.
				first := slices.Index(w.writes, "delete tree")
				calls := slices.Concat(w.writes[:first+1], slices.DeleteFunc(slices.Clone(w.writes[first+1:]), func(c string) bool { return c == "delete tree" }))
				if !slices.Equal(calls, c.order) {
					t.Errorf("down made %v, want %v", w.writes, c.order)
				}
				if have := j.steps(provision.Skipped); c.fails && !slices.Equal(have, []string{"soil"}) {
					t.Errorf("skipped: %v", have)
				}
			})
		})
	}
}
