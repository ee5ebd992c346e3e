package provision_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// FuzzWalk builds random graphs with slow calls, deletions that take long, and
// failures, and checks what must hold for all of them: no step starts
// before its dependencies have ended; steps that depend on a failed step are skipped;
// all others finish; the next run completes the work; and for down all of this holds in
// reverse.
func FuzzWalk(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed, uint8(seed%40+1), uint8(seed%4*8))
	}
	f.Fuzz(func(t *testing.T, seed uint64, size, failing uint8) {
		synctest.Test(t, func(t *testing.T) { walkRandomly(t, rand.New(rand.NewPCG(seed, 0)), int(size), int(failing)) })
	})
}

// dag is a graph as numbers: of each step, the earlier ones that it refers to.
type dag struct{ deps [][]int }

func randomDAG(rnd *rand.Rand, size int) (d dag) {
	for i := range size {
		var deps []int
		for range rnd.IntN(4) {
			if i > 0 {
				deps = append(deps, rnd.IntN(i))
			}
		}
		slices.Sort(deps)
		d.deps = append(d.deps, slices.Compact(deps))
	}
	return d
}

func (d dag) build(w *world) (*provision.Graph, *journal) {
	g, j := graph("a")
	var steps []provision.Ref[state]
	for i, deps := range d.deps {
		uses := make([]provision.Ref[state], len(deps))
		for k, n := range deps {
			uses[k] = steps[n]
		}
		steps = append(steps, provision.Add(g, fmt.Sprint(i), provision.Own, thing{w: w, Name: fmt.Sprint(i), Me: "a", Value: "v", Uses: uses}))
	}
	return g, j
}

// held is which steps a walk leaves out, given those that fail; before says
// which steps each comes after.
func (d dag) held(failing map[int]bool, order []int, before func(i int) []int) map[int]bool {
	held := map[int]bool{}
	for _, i := range order {
		for _, b := range before(i) {
			if failing[b] || held[b] {
				held[i] = true
			}
		}
	}
	return held
}

func walkRandomly(t *testing.T, rnd *rand.Rand, size, failing int) {
	d := randomDAG(rnd, size)
	w := newWorld()
	w.delay = time.Duration(rnd.IntN(50)) * time.Millisecond
	order := make([]int, len(d.deps))
	users := make([][]int, len(d.deps))
	for i, deps := range d.deps {
		order[i] = i
		for _, n := range deps {
			users[n] = append(users[n], i)
		}
		if rnd.IntN(5) == 0 {
			w.slow[fmt.Sprint(i)] = time.Duration(rnd.IntN(100)) * time.Second
		}
	}
	refuseSome := func(call string) map[int]bool {
		bad := map[int]bool{}
		for i := range d.deps {
			if rnd.IntN(256) < failing {
				bad[i] = true
			}
		}
		w.fault = func(_ int, c string) (before, after error) {
			for i := range bad {
				if c == fmt.Sprintf("%s %d", call, i) {
					return errFatal, nil
				}
			}
			return nil, nil
		}
		return bad
	}

	bad := refuseSome("create")
	g, j := d.build(w)
	err := g.Up(t.Context())
	checkWalk(t, j, err, bad, d.held(bad, order, func(i int) []int { return d.deps[i] }), len(order))
	checkOrder(t, j, func(i int) []int { return d.deps[i] }, provision.Done)
	w.fault = nil
	g, _ = d.build(w)
	mustUp(t, g)
	if n := len(w.snapshot()); n != len(d.deps) {
		t.Fatalf("%d objects of %d", n, len(d.deps))
	}

	bad = refuseSome("delete")
	slices.Reverse(order)
	g, j = d.build(w)
	_, err = g.Down(t.Context())
	checkWalk(t, j, err, bad, d.held(bad, order, func(i int) []int { return users[i] }), len(order))
	checkOrder(t, j, func(i int) []int { return users[i] }, provision.Acting)
	w.fault = nil
	g, _ = d.build(w)
	mustDown(t, g)
	if n := len(w.snapshot()); n > 0 {
		t.Fatalf("%d objects left", n)
	}
}

// checkWalk checks that every step failed, was skipped, or was done, as it must.
func checkWalk(t *testing.T, j *journal, err error, bad, held map[int]bool, steps int) {
	t.Helper()
	want := map[string]provision.EventKind{}
	fails := 0
	for i := range steps {
		switch {
		case held[i]:
			want[fmt.Sprint(i)] = provision.Skipped
		case bad[i]:
			want[fmt.Sprint(i)] = provision.Failed
			fails++
		default:
			want[fmt.Sprint(i)] = provision.Done
		}
	}
	have := map[string]provision.EventKind{}
	for _, e := range j.events {
		have[e.Step] = e.Kind // the last one
	}
	for step, k := range want {
		if have[step] != k {
			t.Errorf("step %s ended with %s, want %s", step, have[step], k)
		}
	}
	if (fails > 0) != errors.Is(err, errFatal) {
		t.Errorf("%d steps fail, and the error is %v", fails, err)
	}
}

// checkOrder checks that a step starts only after an event of the given kind
// from each step before it.
func checkOrder(t *testing.T, j *journal, before func(int) []int, kind provision.EventKind) {
	t.Helper()
	seen := map[string]bool{}
	for _, e := range j.events {
		if e.Kind == kind {
			seen[e.Step] = true
		}
		if e.Kind != provision.Started {
			continue
		}
		var i int
		if _, err := fmt.Sscan(e.Step, &i); err != nil {
			t.Fatal(err)
		}
		for _, b := range before(i) {
			if !seen[fmt.Sprint(b)] {
				t.Errorf("%d started before %d was through", i, b)
			}
		}
	}
}
