package provision_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// candid is a thing whose creation says what it has led to.
type candid struct{ thing }

func (c candid) Create(ctx context.Context) (*state, error) {
	if _, err := c.thing.Create(ctx); err != nil {
		return nil, err
	}
	return &state{object{By: c.Me}}, nil
}

// TestImpliedByCreation: what a creation has led to is not read before the changes
// that follow; what they have led to is.
func TestImpliedByCreation(t *testing.T) {
	for _, c := range []struct {
		name    string
		r       func(thing) provision.Resource[state]
		value   string
		reads   int
		elapsed time.Duration
	}{
		{"a silent creation", func(th thing) provision.Resource[state] { return th }, "v", 3, 5 * time.Second},
		{"a creation that says what it led to", func(th thing) provision.Resource[state] { return candid{th} }, "v", 2, 4 * time.Second},
		{"nothing is left to do", func(th thing) provision.Resource[state] { return candid{th} }, "", 2, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.delay = time.Second
				g, _ := graph("a")
				provision.Add(g, "it", provision.Own, c.r(thing{w: w, Name: "it", Me: "a", Value: c.value}))
				begun := time.Now()
				mustUp(t, g)
				if elapsed := time.Since(begun); w.reads != c.reads || elapsed != c.elapsed {
					t.Errorf("%d readings in %s, want %d in %s", w.reads, elapsed, c.reads, c.elapsed)
				}
				if have := w.snapshot()["it"]; have.Value != c.value || have.By != "a" {
					t.Errorf("it is %+v", have)
				}
			})
		})
	}
}

// TestImpliedIsNotBelieved checks that a read decides in the end: the object may have
// changed in the meantime, or its creation may have had another result.
func TestImpliedIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fault = func(n int, call string) (error, error) {
			if n == 2 { // the change meets an object that is not as was said
				return errNone, nil
			}
			return nil, nil
		}
		g, _ := graph("a")
		provision.Add(g, "it", provision.Own, candid{thing{w: w, Name: "it", Me: "a", Value: "v"}})
		mustUp(t, g)
		if n := w.carriedOut("create it"); n != 1 {
			t.Errorf("it was created %d times", n)
		}
		if have := w.snapshot()["it"].Value; have != "v" {
			t.Errorf("its value is %q", have)
		}
	})
}

// rack is a thing with several values, which are set by calls of their own.
type rack struct {
	w    *rackWorld
	want []string
	free bool // the changes are independent
}

type rackWorld struct {
	mu      sync.Mutex
	have    []string
	begun   []string
	refuse  map[string]error
	readers int
}

type rackState struct{ have []string }

func (rackState) Owner() provision.Owner { return provision.Owner{By: "a"} }

func (m rack) Read(context.Context) (rackState, error) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	m.w.readers++
	return rackState{slices.Sorted(slices.Values(m.w.have))}, nil
}
func (m rack) Create(context.Context) (*rackState, error) { return nil, nil }
func (m rack) Delete(context.Context, rackState) error    { return nil }
func (m rack) Changes(have rackState) (list []provision.Change) {
	for _, v := range m.want {
		if slices.Contains(have.have, v) {
			continue
		}
		list = append(list, provision.Change{Field: v, To: provision.Text(v), Independent: m.free && v != "last", Do: func(context.Context) error {
			m.w.mu.Lock()
			m.w.begun = append(m.w.begun, v)
			err := m.w.refuse[v]
			delete(m.w.refuse, v)
			m.w.mu.Unlock()
			time.Sleep(time.Second)
			if err != nil {
				return err
			}
			m.w.mu.Lock()
			defer m.w.mu.Unlock()
			m.w.have = append(m.w.have, v)
			return nil
		}})
	}
	return list
}

func TestIndependentChanges(t *testing.T) {
	for _, c := range []struct {
		name    string
		free    bool
		refuse  map[string]error
		elapsed time.Duration
		calls   int
		fails   string
	}{
		{name: "one after the other", elapsed: 4 * time.Second, calls: 4},
		{name: "at the same time, but for the last", free: true, elapsed: 2 * time.Second, calls: 4},
		{name: "one is refused, and tried again after a look", free: true, refuse: map[string]error{"b": errAgain},
			elapsed: 3 * time.Second, calls: 5},
		{name: "one fails, and the others are done all the same", free: true, refuse: map[string]error{"b": errFatal},
			elapsed: time.Second, calls: 3, fails: "it: change b: out of the question"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &rackWorld{refuse: c.refuse}
				g, _ := graph("a")
				provision.Add(g, "it", provision.Own, rack{w: w, want: []string{"a", "b", "c", "last"}, free: c.free})
				begun := time.Now()
				err := g.Up(t.Context())
				if (err == nil) != (c.fails == "") || err != nil && err.Error() != c.fails {
					t.Errorf("up: %v, want %q", err, c.fails)
				}
				if elapsed := time.Since(begun); elapsed != c.elapsed || len(w.begun) != c.calls {
					t.Errorf("%d calls in %s (%v), want %d in %s", len(w.begun), elapsed, w.begun, c.calls, c.elapsed)
				}
				if err == nil && w.begun[len(w.begun)-1] != "last" {
					t.Errorf("the last change was not the last: %v", w.begun)
				}
			})
		})
	}
}

// The optional interfaces with a slip in each. A deletion whose check is not seen
// would delete what it is to protect.
type (
	oneTooFew   struct{ thing }
	noContext   struct{ thing }
	byPointer   struct{ thing }
	misjudged   struct{ thing }
	impatient   struct{ thing }
	wordy       struct{ thing }
	clairvoyant struct{ thing }
	clinging    struct{ thing }
	replacing   struct{ thing }
	unlabelled  struct{ thing }
	misnamed    struct{ thing }
	oddState    struct{ state }
)

func (oneTooFew) CheckDelete(context.Context, state) []provision.Note { return nil }
func (noContext) Explain(state) string                                { return "" }
func (*byPointer) CheckUse(state) []provision.Note                    { return nil }
func (misjudged) Validate(state) []provision.Note                     { return nil }
func (impatient) Patience() int                                       { return 0 }
func (wordy) CheckUse(state) string                                   { return "" }
func (clairvoyant) Predicted() object                                 { return object{} }
func (replacing) Replaces(object) bool                                { return true }
func (misnamed) ObjectName(string) string                             { return "" }
func (clinging) DependsUntilDeleted() bool                            { return true }
func (oddState) Label() []string                                      { return nil }

func (u unlabelled) Read(context.Context) (oddState, error)    { return oddState{}, errors.New("never") }
func (u unlabelled) Create(context.Context) (*oddState, error) { return nil, nil }
func (u unlabelled) Changes(oddState) []provision.Change       { return nil }
func (u unlabelled) Delete(context.Context, oddState) error    { return nil }

// TestSlips: a method that has the name of an optional one and is none stops the
// program when the graph is built, and not the user when it is too late.
func TestSlips(t *testing.T) {
	g, _ := graph("a")
	it := thing{w: newWorld()}
	add := func(r provision.Resource[state]) func() {
		return func() { provision.Add(g, fmt.Sprintf("%T", r), provision.Own, r) }
	}
	for _, c := range []struct {
		method string
		add    func()
	}{
		{"CheckDelete", add(oneTooFew{it})}, {"Explain", add(noContext{it})}, {"CheckUse", add(byPointer{it})},
		{"Validate", add(misjudged{it})}, {"Patience", add(impatient{it})}, {"CheckUse", add(wordy{it})},
		{"Predicted", add(clairvoyant{it})}, {"DependsUntilDeleted", add(clinging{it})}, {"Replaces", add(replacing{it})},
		{"ObjectName", add(misnamed{it})},
		{"Label", func() { provision.Add(g, "unlabelled", provision.Own, unlabelled{it}) }},
	} {
		t.Run(c.method, func(t *testing.T) {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, "has a method "+c.method) {
					t.Errorf("Add says %q", p)
				}
			}()
			c.add()
		})
	}
	add(opinionated{thing: it})() // which has them all as they should be
}

// counted is a data source that counts how often it is read.
type counted struct{ n *int }

func (c counted) Read(context.Context) (int, error) { *c.n++; return *c.n, nil }

// asking is a thing that needs the data only when it is created.
type asking struct {
	thing
	Data provision.Ref[int]
}

func (a asking) Create(ctx context.Context) (*state, error) {
	if _, err := a.Data.Await(ctx); err != nil {
		return nil, err
	}
	return a.thing.Create(ctx)
}

// TestOnDemand: such data is read when it is needed, and only then.
func TestOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := newWorld(), 0
		build := func() *provision.Graph {
			g, _ := graph("a")
			d := provision.OnDemand(g, "data", counted{&n})
			provision.Add(g, "it", provision.Own, asking{thing{w: w, Name: "it", Me: "a"}, d})
			return g
		}
		mustPlan(t, build().Plan)
		if n != 0 {
			t.Errorf("a plan reads it %d times", n)
		}
		mustUp(t, build())
		if n != 1 {
			t.Errorf("a creation reads it %d times, want 1", n)
		}
		mustUp(t, build())
		if n != 1 {
			t.Errorf("a run with nothing to do reads it once more")
		}
	})
}

// guarded is a thing that needs the data to be deleted.
type guarded struct {
	thing
	Data provision.Ref[int]
}

func (g guarded) CheckDelete(ctx context.Context, _ state) ([]provision.Note, error) {
	_, err := g.Data.Await(ctx)
	return nil, err
}

// TestOnDemandInDown: data that a check has asked for is no object to be deleted,
// also where something after it in the order fails.
func TestOnDemandInDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := newWorld(), 0
		w.objects["it"] = object{By: "a"}
		g, _ := graph("a")
		d := provision.OnDemand(g, "data", counted{&n})
		provision.Add(g, "it", provision.Own, guarded{thing{w: w, Name: "it", Me: "a"}, d})
		w.fault = func(int, string) (error, error) { return errFatal, nil }
		left, err := g.Down(t.Context())
		if err == nil || n != 1 || left.Count(provision.Delete) != 1 {
			t.Errorf("down: %v, left %+v, and the data was read %d times", err, left, n)
		}
		w.fault = nil
		mustDown(t, g)
	})
}

// sharing is a thing that asks a question which others ask, too.
type sharing struct {
	thing
	Shared *provision.Shared[string]
	asked  *[]bool
}

func (s sharing) Read(ctx context.Context) (state, error) {
	_, err := s.Shared.Get(ctx, func(_ context.Context, forAll bool) (string, error) {
		time.Sleep(time.Second)
		s.w.mu.Lock() // steps that are created ask at the same time
		*s.asked = append(*s.asked, forAll)
		s.w.mu.Unlock()
		return "", nil
	})
	if err != nil {
		return state{}, err
	}
	return s.thing.Read(ctx)
}

// TestShared question: it is asked once when everything is read, and again by a
// step that looks at what its action has led to.
func TestSharedQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var asked []bool
		var shared provision.Shared[string]
		g, _ := graph("a")
		for _, name := range []string{"one", "two", "three"} {
			provision.Add(g, name, provision.Own, sharing{thing{w: w, Name: name, Me: "a"}, &shared, &asked})
		}
		mustPlan(t, g.Plan)
		mustPlan(t, g.Plan)
		if !slices.Equal(asked, []bool{true, true}) {
			t.Errorf("two plans ask %v", asked)
		}
		asked = nil
		mustUp(t, g)
		if len(asked) != 3 || slices.Contains(asked, true) {
			t.Errorf("three creations ask %v, want three questions, each for one", asked)
		}
	})
}

// TestDownReadsOnceMore only what it has not just seen to be gone.
func TestDownReadsOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.objects["there"] = object{By: "a"}
		g, _ := graph("a")
		provision.Add(g, "there", provision.Own, thing{w: w, Name: "there", Me: "a"})
		provision.Add(g, "absent", provision.Own, thing{w: w, Name: "absent", Me: "a"})
		mustDown(t, g)
		// Both at first, the deleted one after its deletion, and the absent one at the end.
		if w.reads != 4 {
			t.Errorf("%d readings, want 4", w.reads)
		}
	})
}
