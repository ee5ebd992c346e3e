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
		if len(r.done) == 0 {
			g.checkReplaced(ctx, s)
		}
		a := g.inspect(s)
		if a.Err != nil {
			if err := r.retryRead(ctx, a.Err); err != nil {
				return err
			}
			continue
		}
		if r.awaitsTags(a) {
			// If another owner has the object after all, the wait ends with an error.
			if err := r.wait(ctx, "its tags"); err != nil {
				return err
			}
			continue
		}
		if err := blocked(a); err != nil {
			return r.fail(ctx, a.Op.String(), err)
		}
		if waited, err := r.arrive(ctx, &a); err != nil {
			return err
		} else if waited {
			continue
		}
		if a.Op == None || a.Op == Use {
			if s.last().implied {
				r.refresh(ctx) // only a reading, not an implied state, ends a step
				continue
			}
			r.finish()
			return nil
		}
		if !r.start(ctx, a) {
			return errSkipped
		}
		if err := r.actOrWait(ctx, a); err != nil {
			return err
		}
	}
}

// actOrWait makes the calls that remain. If there are none, it waits until a reading
// shows the result of the calls that were made.
func (r *execution) actOrWait(ctx context.Context, a Action) error {
	calls := remainingCalls(r.s, a, r.done)
	switch {
	case len(calls) == 0 && r.s.last().implied:
		r.refresh(ctx)
		return nil
	case len(calls) == 0 && r.s.quit != nil:
		have, _ := r.s.state()
		if err := r.s.quit(ctx, have); err != nil {
			return r.fail(ctx, "wait", err)
		}
		return r.wait(ctx, pending(a))
	case len(calls) == 0, r.rejected:
		return r.wait(ctx, pending(a))
	}
	return r.act(ctx, calls)
}

// awaitsTags reports whether this run created the object, but the reading does not
// show its owner tags yet.
func (r *execution) awaitsTags(a Action) bool {
	return r.done[created] && a.Owner.By == "" && (a.Op == Conflict || a.Op == Use)
}

// destroyStep deletes the object of one step. It unblocks the steps after it as soon
// as the service has accepted the deletion. If the object still needs theirs, the
// service rejects their deletions, and they retry.
func (g *Graph) destroyStep(ctx context.Context, s *step, c *node) error {
	r := g.execute(s)
	r.dependentsRunning = c.dependentsRunning
	defer func() { c.acted = r.started }()
	r.refreshIfStale(ctx)
	for tried := false; ; {
		if !tried {
			g.checkStep(ctx, s)
		}
		a := g.inspectDown(s)
		if a.Err != nil {
			if err := r.retryRead(ctx, a.Err); err != nil {
				return err
			}
			continue
		}
		if err := blocked(a); err != nil {
			return r.fail(ctx, a.Op.String(), err)
		}
		if r.departs(a) {
			tried = true
			if ended, err := r.depart(ctx, c, a); ended || err != nil {
				return err
			}
			continue
		}
		r.departure = departure{}
		if a.Op != Delete && a.Op != Release {
			again, err := r.conclude(ctx, c, a)
			if again {
				continue
			}
			return err
		}
		if !r.start(ctx, a) {
			return errSkipped
		}
		wasTried, err := r.destroy(ctx, c, a)
		if err != nil {
			return err
		}
		tried = tried || wasTried
	}
}

// destroy deletes the object, unless it has been deleted in this state: then it waits. It
// returns whether it made the call.
func (r *execution) destroy(ctx context.Context, c *node, a Action) (tried bool, err error) {
	have, _ := r.s.state()
	if r.rejected || r.wasDeleted(have) {
		return false, r.wait(ctx, waitFor[a.Op])
	}
	return true, r.act(ctx, []call{{name: a.Op.String(), do: func(ctx context.Context) error {
		if err := r.s.remove(ctx, have); err != nil {
			return err
		}
		r.noteDeleted(have)
		r.unblock(c)
		return nil
	}}})
}

// wasDeleted reports whether the run has deleted the object in this state.
func (r *execution) wasDeleted(have any) bool {
	return slices.ContainsFunc(r.deleted, func(d any) bool { return reflect.DeepEqual(d, have) })
}

func (r *execution) noteDeleted(have any) { r.deleted, r.looked = append(r.deleted, have), true }

// unblock lets the steps after this one start, because the service has accepted a deletion or a
// release.
func (r *execution) unblock(c *node) {
	if !r.s.dependsUntilDeleted {
		c.unblock()
	}
}

// conclude ends a step with nothing left to delete. It returns true if the object must be
// looked at again.
func (r *execution) conclude(ctx context.Context, c *node, a Action) (again bool, err error) {
	again, err = r.outlive(ctx, c)
	if again || err != nil {
		return again, err
	}
	r.s.gone = goneAt(a, r.looked, r.s.last())
	r.finish()
	return false, nil
}

// outlive waits until the steps that may create the object have ended, and then reads it again,
// once. It returns whether it has read it. If one of them failed, or the run has ended, the step
// ends.
func (r *execution) outlive(ctx context.Context, c *node) (again bool, err error) {
	if !r.s.createdByDependents || r.outlived {
		return false, nil
	}
	r.outlived = true
	acted, failed, err := c.awaitDependents(ctx)
	switch {
	case err != nil && r.started:
		r.doing = "wait"
		return false, r.interrupted(ctx)
	case err != nil:
		return false, errSkipped
	case failed != nil:
		if r.started {
			r.event(Skipped, failed.s.name, nil)
		}
		return false, errSkipped
	case acted:
		r.looked = true
		r.refresh(ctx)
	}
	return acted, nil
}

// goneAt is the time of the reading that shows that an object is gone. It is zero if the run
// has not looked for that since it deleted the object or what creates it, or the object still
// exists.
func goneAt(a Action, looked bool, l *reading) time.Time {
	if !looked || a.Op != None {
		return time.Time{}
	}
	return l.at
}

// waitFor is what a step of down waits for.
var waitFor = map[Op]string{Delete: "it to be gone", Release: "it to be released"}

// blocked joins the notes of severity Error: they stop the action.
func blocked(a Action) error {
	var errs []error
	for _, n := range a.Notes {
		if n.Severity == Error {
			errs = append(errs, errors.New(n.Text))
		}
	}
	return errors.Join(errs...)
}

// created is the key of the call that creates the object.
const created = "create"

// call is one call of a resource that a step has to make.
type call struct {
	name    string
	keys    []string // of what it does within the step
	fields  Fields   // that it changes
	unknown string   // the field whose value is not known yet
	do      func(context.Context) error

	independent bool // see Change.Independent
}

// remainingCalls lists the calls of an action without those that are done: their
// results are only not visible yet.
func remainingCalls(s *step, a Action, done map[string]bool) (list []call) {
	if a.Op == Create {
		if done[created] {
			return nil
		}
		create := call{name: "create", keys: []string{created}, do: func(ctx context.Context) error {
			made, err := s.create(ctx)
			if err == nil && made != nil {
				s.imply(ctx, made)
			}
			return err
		}}
		for _, c := range a.Changes {
			if !c.To.Known() {
				create.unknown = c.Field
			}
		}
		return []call{create}
	}
	for i, c := range a.Changes {
		group := []Change{c}
		if c.Joint != nil {
			if group = together(a.Changes, c.Joint); slices.ContainsFunc(a.Changes[:i], c.with) {
				continue
			}
		}
		if c.Last && slices.ContainsFunc(a.Changes, func(c Change) bool { return !c.Last }) {
			continue
		}
		if change := changing(group); change.do != nil && !change.isDone(done) {
			list = append(list, change)
		}
	}
	return list
}

// with reports whether one call removes both differences.
func (c Change) with(other Change) bool { return c.Joint != nil && other.Joint == c.Joint }

// together returns those of the changes that one call makes.
func together(list []Change, j *Joint) (group []Change) {
	for _, c := range list {
		if c.Joint == j {
			group = append(group, c)
		}
	}
	return group
}

// changing is the call that makes the changes: one, or several that have one call.
func changing(group []Change) call {
	first := group[0]
	all := call{name: "change " + first.Field, do: first.Do, independent: first.Independent}
	for _, c := range group {
		all.fields, all.keys = append(all.fields, c.Field), append(all.keys, c.key())
		if !c.To.Known() && all.unknown == "" {
			all.unknown = c.Field
		}
	}
	if j := first.Joint; j != nil {
		all.do = func(ctx context.Context) error { return j.Do(ctx, all.fields) }
	}
	return all
}

// isDone reports whether the call has been made for all that it does.
func (c call) isDone(done map[string]bool) bool {
	return !slices.ContainsFunc(c.keys, func(k string) bool { return !done[k] })
}

// key identifies the change within its step. The old side of a script may not be read: see
// Detailer.
func (c Change) key() string {
	if c.From.IsScript() || c.To.IsScript() {
		return c.Field + "\x00" + c.To.String()
	}
	return c.Of + "\x00" + c.Field + "\x00" + c.From.String() + "\x00" + c.To.String()
}

// pending is what an action waits for: it completes the phrase "waiting for …".
func pending(a Action) string {
	if a.Op == Create {
		return "AWS to show it"
	}
	fields := make([]string, 0, len(a.Changes))
	for _, c := range a.Changes {
		f := c.Field
		switch gone := c.To.IsNothing() && !c.From.IsNothing(); {
		case gone && c.From.long():
			f += " to go"
		case gone:
			f = fmt.Sprintf("%s %s to go", f, c.From)
		case !c.To.IsNothing() && !c.To.long():
			f = fmt.Sprintf("%s %s", f, c.To)
		}
		fields = append(fields, f)
	}
	return strings.Join(fields, ", ")
}
