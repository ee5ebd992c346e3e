package provision_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// state is an object as a resource finds it.
type state struct{ object }

func (s state) Owner() provision.Owner {
	o := provision.Owner{By: s.By, Claims: s.Claims}
	if s.Unfinished {
		o.Unfinished = "the mark"
	}
	for _, env := range slices.Sorted(maps.Keys(s.Marks)) {
		o.Leaving = append(o.Leaving, provision.Leaving{Env: env, Until: s.Marks[env]})
	}
	return o
}

// thing is a resource in the world.
type thing struct {
	w      *world
	Name   string
	Me     string // the environment
	Value  string
	Shared bool
	Uses   []provision.Ref[state]
}

var _ provision.Sharer[state] = thing{}

// Patience is how long the thing may take to go, and then some.
func (t thing) Patience() time.Duration {
	if slow := t.w.slow[t.Name]; slow > 0 {
		return slow + time.Minute
	}
	return 0
}

func (t thing) Read(ctx context.Context) (state, error) {
	t.held("read " + t.Name)
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

// held waits if the test holds the environment before this call.
func (t thing) held(call string) {
	if t.w.hold != nil {
		t.w.hold(t.Me, call)
	}
}

func (t thing) Create(ctx context.Context) (*state, error) {
	t.held("create " + t.Name)
	return nil, t.w.write(ctx, "create "+t.Name, func(m map[string]object) error {
		if _, ok := m[t.Name]; ok {
			return errExists
		}
		t.w.serial++
		o := object{ID: fmt.Sprintf("id-%d", t.w.serial), By: t.Me, Unfinished: provision.Unfinished(ctx)}
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
		t.held("set " + t.Name + " " + field)
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
		list = append(list, provision.Change{Field: "claim", To: provision.Text(t.Me), Claims: true, Do: t.set("claim", func(o *object) {
			o.unclaim(t.Me)
			o.Claims = append(o.Claims, t.Me)
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
	if have.Unfinished && have.By == t.Me {
		list = append([]provision.Change{{Field: "unfinished", From: provision.Text("yes"), Required: true, Last: true,
			Do: t.set("unfinished", func(o *object) { o.Unfinished = false })}}, list...)
	}
	return list
}

// unclaim removes the claim and the mark of an environment.
func (o *object) unclaim(env string) {
	o.Claims = slices.DeleteFunc(slices.Clone(o.Claims), func(c string) bool { return c == env })
	o.Marks = maps.Clone(o.Marks)
	if delete(o.Marks, env); len(o.Marks) == 0 {
		o.Marks = nil
	}
}

func (t thing) MarkLeaving(ctx context.Context, _ state, until time.Time) error {
	return t.set("mark", func(o *object) {
		o.unclaim(t.Me)
		if o.Marks == nil {
			o.Marks = map[string]time.Time{}
		}
		o.Marks[t.Me] = until
	})(ctx)
}

func (t thing) Release(ctx context.Context, _ state) error {
	return t.set("claim", func(o *object) { o.unclaim(t.Me) })(ctx)
}

func (t thing) Opens(have state) []provision.Note {
	return []provision.Note{{Severity: provision.Info, Text: "all may draw from " + t.Name}}
}

func (t thing) Delete(ctx context.Context, _ state) error {
	t.held("delete " + t.Name)
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
