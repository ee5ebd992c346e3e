package provision_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	Value  string
	Uses   string    // the ids of other objects, which cannot go before it
	Dying  time.Time // it is gone from then on, unless zero
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
	o.Claims = slices.Clone(o.Claims)
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

// state is an object as a resource finds it.
type state struct{ object }

func (s state) Owner() provision.Owner { return provision.Owner{By: s.By, Claims: s.Claims} }

// thing is a resource in the world.
type thing struct {
	w      *world
	Name   string
	Me     string // the environment
	Value  string
	Shared bool
	Uses   []provision.Ref[state]
}

// Patience is how long the thing may take to go, and then some.
func (t thing) Patience() time.Duration {
	if slow := t.w.slow[t.Name]; slow > 0 {
		return slow + time.Minute
	}
	return 0
}

func (t thing) Read(ctx context.Context) (state, error) {
	o, err := t.w.read(ctx, t.Name)
	return state{o}, err
}

func (t thing) uses() (ids string, known bool) {
	var list []string
	for _, u := range t.Uses {
		s, ok := u.Get()
		if !ok {
			return "", false
		}
		list = append(list, s.ID)
	}
	return strings.Join(list, " "), true
}

func (t thing) Create(ctx context.Context) error {
	return t.w.write(ctx, "create "+t.Name, func(m map[string]object) error {
		if _, ok := m[t.Name]; ok {
			return errExists
		}
		t.w.serial++
		o := object{ID: fmt.Sprintf("id-%d", t.w.serial), By: t.Me}
		if t.Shared {
			o.Claims = []string{t.Me}
		}
		m[t.Name] = o
		return nil
	})
}

// set is a change to an object that must be there.
func (t thing) set(field string, f func(*object)) func(context.Context) error {
	return func(ctx context.Context) error {
		return t.w.write(ctx, "set "+t.Name+" "+field, func(m map[string]object) error {
			o, ok := m[t.Name]
			if !ok {
				return errNone
			}
			f(&o)
			m[t.Name] = o
			return nil
		})
	}
}

func (t thing) Changes(have state) (list []provision.Change) {
	if have.By == "" {
		list = append(list, provision.Change{Field: "owner", To: provision.Text(t.Me), Do: t.set("owner", func(o *object) { o.By = t.Me })})
	}
	if t.Shared && !slices.Contains(have.Claims, t.Me) {
		list = append(list, provision.Change{Field: "claim", To: provision.Text(t.Me), Do: t.set("claim", func(o *object) {
			o.Claims = append(slices.Clone(o.Claims), t.Me)
		})})
	}
	if have.Value != t.Value {
		list = append(list, provision.Change{Field: "value", From: provision.Text(have.Value), To: provision.Text(t.Value),
			Do: t.set("value", func(o *object) { o.Value = t.Value })})
	}
	ids, known := t.uses()
	if !known || have.Uses != ids {
		to := provision.Unknown()
		if known {
			to = provision.Text(ids)
		}
		list = append(list, provision.Change{Field: "uses", From: provision.Text(have.Uses), To: to,
			Do: t.set("uses", func(o *object) { o.Uses = ids })})
	}
	return list
}

func (t thing) Delete(ctx context.Context, have state) error {
	if i := slices.Index(have.Claims, t.Me); i >= 0 && t.Shared {
		return t.set("claim", func(o *object) {
			o.Claims = slices.DeleteFunc(slices.Clone(o.Claims), func(c string) bool { return c == t.Me })
		})(ctx)
	}
	return t.w.write(ctx, "delete "+t.Name, func(m map[string]object) error {
		o, ok := m[t.Name]
		if !ok {
			return nil
		}
		for name, other := range m {
			if slices.Contains(strings.Fields(other.Uses), o.ID) {
				return fmt.Errorf("%s by %s: %w", t.Name, name, errInUse)
			}
		}
		if slow := t.w.slow[t.Name]; slow > 0 {
			if o.Dying.IsZero() {
				o.Dying = time.Now().Add(slow)
			}
			m[t.Name] = o
			return nil
		}
		delete(m, t.Name)
		return nil
	})
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
