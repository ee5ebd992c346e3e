package provision_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// The errors of the world. What wraps errAgain means "look again".
var (
	errAgain  = errors.New("again")
	errExists = fmt.Errorf("exists already: %w", errAgain)
	errNone   = fmt.Errorf("not found: %w", errAgain)
	errInUse  = fmt.Errorf("in use: %w", errAgain)
	errFatal  = errors.New("out of the question")
)

func retry(err error) bool { return errors.Is(err, errAgain) }

// object is what the world holds.
type object struct {
	ID     string
	By     string
	Claims []string
	Marks  map[string]time.Time // of environments that are leaving
	Value  string
	Uses   string    // the ids of other objects, which cannot go before it
	Dying  time.Time // it is gone from then on, unless zero

	Unfinished bool // see provision.Unfinished
}

// world is a cloud with eventual consistency, faults and a memory of its calls.
type world struct {
	mu      sync.Mutex
	objects map[string]object
	past    []moment
	serial  int
	writes  []string // every writing call that was carried out or refused
	reads   int

	lag   time.Duration            // how long a change stays invisible
	delay time.Duration            // how long each call takes
	slow  map[string]time.Duration // how long a deletion takes, by name
	fault func(n int, call string) (before, after error)
	hold  func(me, call string) // may wait before a call; me is the environment
}

type moment struct {
	until   time.Time
	objects map[string]object
}

func newWorld() *world {
	return &world{objects: map[string]object{}, slow: map[string]time.Duration{}}
}

// now drops what has died, and returns the objects.
func (w *world) now() map[string]object {
	for name, o := range w.objects {
		if !o.Dying.IsZero() && !time.Now().Before(o.Dying) {
			w.past = append(w.past, moment{o.Dying, maps.Clone(w.objects)})
			delete(w.objects, name)
		}
	}
	return w.objects
}

func (w *world) read(ctx context.Context, name string) (object, error) {
	time.Sleep(w.delay)
	defer func() { provision.Date(ctx, time.Now()) }()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if ctx.Err() != nil {
		return object{}, ctx.Err()
	}
	objects := w.now()
	for _, m := range w.past {
		if time.Now().Add(-w.lag).Before(m.until) {
			objects = m.objects
			break
		}
	}
	o, ok := objects[name]
	if !ok {
		return object{}, fmt.Errorf("read %s: %w", name, provision.ErrAbsent)
	}
	o.Claims, o.Marks = slices.Clone(o.Claims), maps.Clone(o.Marks)
	return o, nil
}

// write carries out one writing call. It is cut off if the context has ended.
func (w *world) write(ctx context.Context, call string, f func(map[string]object) error) error {
	time.Sleep(w.delay)
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.writes = append(w.writes, call)
	var before, after error
	if w.fault != nil {
		before, after = w.fault(len(w.writes), call)
	}
	if before != nil {
		return before
	}
	next := maps.Clone(w.now())
	if err := f(next); err != nil {
		return err
	}
	w.past = append(w.past, moment{time.Now(), w.objects})
	w.objects = next
	return after
}

func (w *world) carriedOut(call string) (n int) {
	for _, c := range w.writes {
		if c == call {
			n++
		}
	}
	return n
}

// snapshot is the world as it is, without ids.
func (w *world) snapshot() map[string]object {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := maps.Clone(w.now())
	for name, o := range m {
		o.ID, o.Uses = "", ""
		m[name] = o
	}
	return m
}

// journal keeps a run's events.
type journal struct{ events []provision.Event }

func (j *journal) steps(k provision.EventKind) (names []string) {
	for _, e := range j.events {
		if e.Kind == k {
			names = append(names, e.Step)
		}
	}
	slices.Sort(names)
	return names
}

// graph is an empty graph of an environment in the world.
func graph(me string) (*provision.Graph, *journal) {
	j := &journal{}
	return &provision.Graph{Owner: me, Retry: retry, Notify: func(e provision.Event) { j.events = append(j.events, e) }}, j
}

// house is the usual graph: a base, two things on it, and a roof on both; beside
// them a shared thing, and a hut that knows nothing of them.
func house(w *world, me string) (*provision.Graph, *journal) {
	g, j := graph(me)
	base := provision.Add(g, "base", provision.Own, thing{w: w, Name: me + "-base", Me: me, Value: "stone"})
	left := provision.Add(g, "left", provision.Own, thing{w: w, Name: me + "-left", Me: me, Value: "wood", Uses: refs(base)})
	right := provision.Add(g, "right", provision.Own, thing{w: w, Name: me + "-right", Me: me, Value: "glass", Uses: refs(base)})
	provision.Add(g, "well", provision.Share, thing{w: w, Name: "well", Me: me, Value: "deep", Shared: true})
	provision.Add(g, "roof", provision.Own, thing{w: w, Name: me + "-roof", Me: me, Value: "straw", Uses: refs(left, right)})
	provision.Add(g, "hut", provision.Own, thing{w: w, Name: me + "-hut", Me: me, Value: "clay"})
	return g, j
}

func refs(r ...provision.Ref[state]) []provision.Ref[state] { return r }

// built is the world that one house leaves behind.
func built(me string) map[string]object {
	return map[string]object{
		me + "-base": {By: me, Value: "stone"}, me + "-left": {By: me, Value: "wood"},
		me + "-right": {By: me, Value: "glass"}, me + "-roof": {By: me, Value: "straw"},
		me + "-hut": {By: me, Value: "clay"}, "well": {By: me, Value: "deep", Claims: []string{me}},
	}
}

func mustUp(t *testing.T, g *provision.Graph) {
	t.Helper()
	if err := g.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func mustDown(t *testing.T, g *provision.Graph) {
	t.Helper()
	left, err := g.Down(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !left.Empty() {
		t.Fatalf("left: %+v", left)
	}
}

func mustPlan(t *testing.T, plan func(context.Context) (provision.Plan, error)) provision.Plan {
	t.Helper()
	p, err := plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}
