package provision_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// nest holds references within structs and slices.
type nest struct {
	thing
	Rules []rule
	Edge  provision.Edge
	Last  [1]provision.Ref[state]
	Self  []nest
	when  time.Time
}

type rule struct {
	Port int
	From provision.Ref[state]
}

func TestEdgesAreFoundWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.delay = time.Second
		g, j := graph("a")
		add := func(name string) provision.Ref[state] {
			return provision.Add(g, name, provision.Own, thing{w: w, Name: name, Me: "a", Value: "v"})
		}
		a, b, c := add("a"), add("b"), add("c")
		provision.Add(g, "n", provision.Own, nest{thing: thing{w: w, Name: "n", Me: "a"},
			Rules: []rule{{1, a}}, Edge: b, Last: [1]provision.Ref[state]{c}, Self: []nest{{}}, when: time.Now()})
		w.fault = refuse("create b")
		if err := g.Up(t.Context()); !errors.Is(err, errFatal) {
			t.Error(err)
		}
		if d := cmp.Diff([]string{"n"}, j.steps(provision.Skipped)); d != "" {
			t.Error(d)
		}
		g, j = graph("a")
		a, _, c = add("a"), add("b"), add("c")
		provision.Add(g, "n", provision.Own, nest{thing: thing{w: w, Name: "n", Me: "a"},
			Rules: []rule{{1, a}}, Last: [1]provision.Ref[state]{c}})
		if err := g.Up(t.Context()); !errors.Is(err, errFatal) || j.steps(provision.Skipped) != nil {
			t.Error("have", err, "and skipped steps, want none: n no longer depends on b")
		}
	})
}

func TestGraphsThatCannotBe(t *testing.T) {
	type hidden struct {
		thing
		ref provision.Ref[state]
	}
	type mapped struct {
		thing
		Refs map[string]provision.Ref[state]
	}
	type pointed struct {
		thing
		Ref *provision.Ref[state]
	}
	for want, add := range map[string]func(*provision.Graph){
		"x.ref hides a reference": func(g *provision.Graph) {
			provision.Add(g, "x", provision.Own, hidden{ref: provision.Ref[state]{}})
		},
		"x.Refs hides references in a map": func(g *provision.Graph) { provision.Add(g, "x", provision.Own, mapped{}) },
		"x.Ref hides references in a ptr":  func(g *provision.Graph) { provision.Add(g, "x", provision.Own, pointed{}) },
		"x is not a struct":                func(g *provision.Graph) { provision.Data(g, "x", fn(nil)) },
		"two steps are named x": func(g *provision.Graph) {
			provision.Data(g, "x", lookup{})
			provision.Data(g, "x", lookup{})
		},
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if have := fmt.Sprint(recover()); !strings.Contains(have, want) {
					t.Errorf("%s; want %s", have, want)
				}
			}()
			g, _ := graph("a")
			add(g)
		})
	}
}

type fn func()

func (fn) Read(context.Context) (string, error) { return "", nil }
