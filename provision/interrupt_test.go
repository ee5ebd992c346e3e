package provision_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// An interrupted run lets the calls under way finish, begins nothing new, and
// says so once; the next run goes on. It is tried at every moment of a run.
func TestInterrupt(t *testing.T) {
	stop := errors.New("interrupted")
	for at := 5 * time.Millisecond; at < 400*time.Millisecond; at += 10 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.delay = 20 * time.Millisecond
			cut := func(f func(context.Context, *provision.Graph) error) *journal {
				t.Helper()
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				g, j := house(w, "a")
				w.writes = nil
				time.AfterFunc(at, func() { cancel(stop) })
				begun := time.Now()
				err := f(ctx, g)
				if over := time.Since(begun) - at; over > 2*w.delay {
					t.Errorf("ended %s after the interruption", over)
				}
				if err != nil && !errors.Is(err, stop) {
					t.Errorf("at %s: %v", at, err)
				}
				if err == nil && time.Since(begun) > at {
					t.Errorf("at %s: no error", at)
				}
				return j
			}
			j := cut(func(ctx context.Context, g *provision.Graph) error { return g.Up(ctx) })
			for _, s := range j.steps(provision.Skipped) {
				if slices.Contains(j.steps(provision.Started), s) {
					t.Errorf("at %s: %s was started and skipped", at, s)
				}
			}
			g, _ := house(w, "a")
			mustUp(t, g)
			if d := cmp.Diff(built("a"), w.snapshot()); d != "" {
				t.Errorf("at %s: %s", at, d)
			}
			cut(func(ctx context.Context, g *provision.Graph) error { _, err := g.Down(ctx); return err })
			g, _ = house(w, "a")
			mustDown(t, g)
			if d := cmp.Diff(map[string]object{}, w.snapshot()); d != "" {
				t.Errorf("at %s: %s", at, d)
			}
		})
	}
}

// many is a thing whose deletion takes many calls.
type many struct {
	thing
	Batches int
}

func (m many) Delete(ctx context.Context, have state) error {
	for i := range m.Batches {
		if err := provision.Stopped(ctx); err != nil {
			return fmt.Errorf("empty: %w", err)
		}
		if err := m.set(fmt.Sprint("batch ", i), func(*object) {})(ctx); err != nil {
			return err
		}
	}
	return m.thing.Delete(ctx, have)
}

func TestStoppedBetweenBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["it"] = object{By: "a"}
		w.delay = time.Second
		g, _ := graph("a")
		provision.Add(g, "it", provision.Own, many{thing{w: w, Name: "it", Me: "a"}, 60})
		stop := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10500*time.Millisecond, func() { cancel(stop) })
		_, err := g.Down(ctx)
		if !errors.Is(err, stop) || len(w.writes) != 10 {
			t.Errorf("%v after %d calls", err, len(w.writes))
		}
		if err := provision.Stopped(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
