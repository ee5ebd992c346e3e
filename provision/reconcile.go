package provision

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// reconcile brings one step to its desired state.
func (g *Graph) reconcile(ctx context.Context, s *step) error {
	r := g.execute(s)
	r.refreshIfStale(ctx)
	for {
		a := g.inspect(s)
		if a.Err != nil {
			if err := r.unreadable(ctx, a.Err); err != nil {
				return err
			}
			continue
		}
		if r.unmarked(a) {
			// If it is another's after all, it stays so until our patience ends.
			if err := r.wait(ctx, "marked as ours"); err != nil {
				return err
			}
			continue
		}
		if err := stops(a); err != nil {
			return r.fail(ctx, a.Op.String(), err)
		}
		if a.Op == None || a.Op == Use {
			if s.last().implied {
				r.refresh(ctx) // a step is done by what was read, not by what was implied
				continue
			}
			r.done()
			return nil
		}
		if !r.start(ctx, a) {
			return errIdle
		}
		if err := r.advance(ctx, a); err != nil {
			return err
		}
	}
}

// advance does what is due, or else waits for what has been done.
func (r *execution) advance(ctx context.Context, a Action) error {
	todo := due(r.s, a, r.did)
	switch {
	case len(todo) == 0 && r.s.last().implied:
		r.refresh(ctx)
		return nil
	case len(todo) == 0, r.refused:
		return r.wait(ctx, pending(a))
	}
	return r.act(ctx, todo)
}

// unmarked reports whether we have made what an action takes for nobody's: its
// tags are only not visible yet.
func (r *execution) unmarked(a Action) bool {
	return r.did[created] && a.Owner.By == "" && (a.Op == Conflict || a.Op == Use)
}

// destroyStep deletes the object of one step. It lets the steps after it go on as
// soon as the deletion was accepted: what it still holds, they find out by being
// refused.
func (g *Graph) destroyStep(ctx context.Context, s *step, c *node) error {
	r := g.execute(s)
	r.dependentsRunning = c.dependentsRunning
	r.refreshIfStale(ctx)
	var deleted []any // the states on which Delete has succeeded
	for tried := false; ; {
		if !tried {
			g.checkStep(ctx, s) // unless it was asked with this reading
		}
		a := g.inspectDown(s)
		if a.Err != nil {
			if err := r.unreadable(ctx, a.Err); err != nil {
				return err
			}
			continue
		}
		if err := stops(a); err != nil {
			return r.fail(ctx, a.Op.String(), err)
		}
		if a.Op != Delete && a.Op != Release {
			s.gone = seenGone(a, len(deleted) > 0, s.last())
			r.done()
			return nil
		}
		if !r.start(ctx, a) {
			return errIdle
		}
		have, _ := s.state()
		var err error
		if r.refused || slices.ContainsFunc(deleted, func(d any) bool { return reflect.DeepEqual(d, have) }) {
			err = r.wait(ctx, awaited[a.Op])
		} else {
			tried = true
			err = r.act(ctx, []todo{{name: a.Op.String(), do: func(ctx context.Context) error {
				if err := s.remove(ctx, have); err != nil {
					return err
				}
				deleted = append(deleted, have)
				if !s.dependsUntilDeleted {
					c.free()
				}
				return nil
			}}})
		}
		if err != nil {
			return err
		}
	}
}

// seenGone is when an object was seen to be gone after its deletion; zero if it was
// not deleted, or is there.
func seenGone(a Action, deleted bool, l *reading) time.Time {
	if !deleted || a.Op != None {
		return time.Time{}
	}
	return l.at
}

// awaited is what a removal waits for.
var awaited = map[Op]string{Delete: "gone", Release: "released"}

// stops is what keeps an action from being carried out.
func stops(a Action) error {
	var errs []error
	for _, n := range a.Notes {
		if n.Severity == Error {
			errs = append(errs, errors.New(n.Text))
		}
	}
	return errors.Join(errs...)
}

// created is the key of a creation among what a run did.
const created = "create"

// todo is one call of a resource that is due.
type todo struct {
	name    string
	key     string
	unknown string // the field whose value is not known yet
	do      func(context.Context) error

	independent bool // may be done at the same time as others next to it
}

// due lists the calls of an action, leaving out what was done already and is
// only not visible yet.
func due(s *step, a Action, did map[string]bool) (list []todo) {
	if a.Op == Create {
		if did[created] {
			return nil
		}
		t := todo{name: "create", key: created, do: func(ctx context.Context) error {
			made, err := s.create(ctx)
			if err == nil && made != nil {
				s.imply(ctx, made)
			}
			return err
		}}
		for _, c := range a.Changes {
			if !c.To.Known() {
				t.unknown = c.Field
			}
		}
		return []todo{t}
	}
	for _, c := range a.Changes {
		key := c.Field + "\x00" + c.From.String() + "\x00" + c.To.String()
		if c.Do == nil || did[key] {
			continue
		}
		t := todo{name: "change " + c.Field, key: key, do: c.Do, independent: c.Independent}
		if !c.To.Known() {
			t.unknown = c.Field
		}
		list = append(list, t)
	}
	return list
}

// pending says what an action still waits for.
func pending(a Action) string {
	if a.Op == Create {
		return "visible"
	}
	fields := make([]string, 0, len(a.Changes))
	for _, c := range a.Changes {
		f := c.Field
		switch gone := c.To.IsNothing() && !c.From.IsNothing(); {
		case gone && c.From.IsJSON():
			f = "rid of " + f
		case gone:
			f = fmt.Sprintf("rid of %s %s", f, c.From)
		case !c.To.IsNothing() && !c.To.IsJSON():
			f = fmt.Sprintf("%s %s", f, c.To)
		}
		fields = append(fields, f)
	}
	return strings.Join(fields, ", ")
}
