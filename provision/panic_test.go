package provision_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/crash"
)

// fragile is a thing that panics in one of its methods.
type fragile struct {
	thing
	At string
}

func (f fragile) breaks(at string) {
	if f.At == at {
		panic("a mistake in " + at)
	}
}

func (f fragile) Read(ctx context.Context) (state, error) {
	f.breaks("Read")
	return f.thing.Read(ctx)
}

func (f fragile) Create(ctx context.Context) (*state, error) {
	f.breaks("Create")
	return f.thing.Create(ctx)
}

func (f fragile) Delete(ctx context.Context, have state) error {
	f.breaks("Delete")
	return f.thing.Delete(ctx, have)
}

func (f fragile) CheckDelete(context.Context, state) ([]provision.Note, error) {
	f.breaks("CheckDelete")
	return nil, nil
}

// TestPanics: a panic fails its step, those that depend on it are skipped, and all others
// finish.
func TestPanics(t *testing.T) {
	for _, at := range []string{"Read", "Create", "Delete", "CheckDelete"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				build := func(at string) *provision.Graph {
					g, _ := graph("a")
					it := provision.Add(g, "it", provision.Own, fragile{thing{w: w, Name: "it", Me: "a", Value: "v"}, at})
					provision.Add(g, "on it", provision.Own, thing{w: w, Name: "on it", Me: "a", Uses: refs(it)})
					provision.Add(g, "other", provision.Own, thing{w: w, Name: "other", Me: "a"})
					return g
				}
				wantCrash := func(err error) {
					t.Helper()
					e, isStep := errors.AsType[*provision.StepError](err)
					if _, ok := errors.AsType[*crash.Error](err); !ok || !isStep || e.Step != "it" {
						t.Errorf("have %v, want the crash of the step", err)
					}
				}
				if at == "Create" {
					wantCrash(build(at).Up(t.Context()))
					if !slices.Equal(w.writes, []string{"create other"}) {
						t.Errorf("have %v", w.writes)
					}
					return
				}
				mustUp(t, build(""))
				_, err := build(at).Down(t.Context())
				wantCrash(err)
				mustDown(t, build(""))
			})
		})
	}
}
