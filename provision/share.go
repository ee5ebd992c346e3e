package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/crash"
)

// Environments that share an object may come and go at the same time, and there is no
// lock that all of them take. Claims and marks on the object itself keep an arrival and
// a departure apart:
//
//   - A run that leaves writes a mark in place of its claim, waits for Settle, and reads
//     again. Only if nobody else has a claim or a mark then, it deletes the object.
//   - A run that arrives writes its claim, and reads again. If somebody has a mark, it
//     waits until the object is gone or the mark is over.
//
// Each writes before it reads. So whichever comes second sees the other one. A mark has
// an end by the service's clock, and no deletion is under way after it; see [Window]. So
// a run that is held or dies keeps an arrival waiting for no longer than that. Each mark
// allows one deletion: the next one needs a new mark, and so a new look at the claims.
//
// Of several runs that leave at once, the one whose environment's name comes first keeps
// its mark, and the others take theirs back. They wait for it, so that one of them
// deletes the object even if it dies.
const (
	markLength = time.Minute     // how long a mark is in force after Settle
	markMargin = 8 * time.Second // before its end nothing more is sent, because clocks differ
	longMark   = 10 * time.Minute
	lostClaim  = 30 * time.Second // a claim that no reading shows after this time was lost with the object
)

// Leaving is the mark of an environment that is leaving a shared object and may delete it.
type Leaving struct {
	Env   string
	Until time.Time // by the service's clock
}

// Sharer must be implemented by a kind whose objects several environments share; see
// [Share]. The environment's claim and its mark are the same tag, or the like, so that one
// replaces the other.
type Sharer[S State] interface {
	// MarkLeaving replaces this environment's claim by a mark that ends at a time.
	MarkLeaving(ctx context.Context, have S, until time.Time) error

	// Release removes this environment's claim or mark, and first whatever else only
	// this environment has in the object.
	Release(ctx context.Context, have S) error

	// Opens tells what each of the environments that share the object can do to the
	// others because of that.
	Opens(have S) []Note
}

// Window is the time in which a run may delete a shared object. No attempt of a call may
// leave, or be under way, after its end. The context of the deletion ends with it; a
// client should compare it with all its clocks for each attempt.
type Window struct {
	From   time.Time // with a monotonic reading
	Length time.Duration
	Until  time.Time // the same end by the service's clock
}

// ErrWindow is the error of a call that did not leave because its Window was over.
var ErrWindow = errors.New("the time in which it could be deleted is over, because another environment may use it now")

type windowKey struct{}

// In returns a context for the calls that must not outlast the window.
func (w Window) In(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadlineCause(context.WithValue(ctx, windowKey{}, w), w.From.Add(w.Length), ErrWindow)
}

// WindowOf returns the window of a call, if it has one.
func WindowOf(ctx context.Context) (Window, bool) {
	w, ok := ctx.Value(windowKey{}).(Window)
	return w, ok
}

type dateKey struct{}

// Date tells the engine the time of a reading by the service's clock. A Read of an object
// that can be shared calls it with the time in the reply.
func Date(ctx context.Context, at time.Time) {
	if l, ok := ctx.Value(dateKey{}).(*reading); ok {
		l.date = at
	}
}

// live returns the marks of other environments that are still in force. Without a date
// all of them are. A mark with an end in the distant future cannot be ours.
func (l *reading) live(o Owner, env string) []Leaving {
	return slices.DeleteFunc(slices.Clone(o.Leaving), func(m Leaving) bool {
		over := !l.date.IsZero() && (!m.Until.After(l.date) || m.Until.After(l.date.Add(longMark)))
		return m.Env == env || over
	})
}

// leavingText tells who is leaving an object.
func leavingText(marks []Leaving) string {
	list := make([]string, len(marks))
	for i, m := range marks {
		list[i] = fmt.Sprintf("%s (%s at the latest)", m.Env, m.Until.UTC().Format("15:04:05 MST"))
	}
	return strings.Join(list, ", ")
}

// released is what a run waits for: that the others have left the object.
func released(object string, marks []Leaving) string {
	list := make([]string, len(marks))
	for i, m := range marks {
		list[i] = m.Env
	}
	last := slices.MaxFunc(marks, func(a, b Leaving) int { return a.Until.Compare(b.Until) }).Until
	return fmt.Sprintf("%s to finish releasing %s (%s at the latest)", strings.Join(list, " and "), object, last.UTC().Format("15:04:05 MST"))
}

// untilOver is how long to wait before looking again: the marks may go earlier.
func (l *reading) untilOver(marks []Leaving) time.Duration {
	left := longestWait
	for _, m := range marks {
		left = min(left, m.Until.Sub(l.date)+time.Second)
	}
	return left
}

// sharedNotes tell with whom an environment shares an object, and what that opens.
func (g *Graph) sharedNotes(s *step, l *reading, o Owner) []Note {
	others := o.Others(g.Owner)
	if s.own != Share || len(others) == 0 {
		return nil
	}
	return append([]Note{{Info, "shared with " + someOf(others)}}, s.opens(l.have)...)
}

// someOf lists the first names.
func someOf(names []string) string {
	const shown = 5
	if more := len(names) - shown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), more)
	}
	return strings.Join(names, ", ")
}

// shares reports whether other environments may use the object.
func (s *step) shares(o Owner) bool { return s.mark != nil && (s.own == Share || o.Shared) }

// arrive reduces an action on an object of several environments to the claim, if that is
// missing. If the claim is there, but somebody is leaving, it waits, and returns true.
func (r *execution) arrive(ctx context.Context, a *Action) (waited bool, err error) {
	if !r.s.shares(a.Owner) || a.Owner.By == "" {
		return false, nil
	}
	if i := slices.IndexFunc(a.Changes, func(c Change) bool { return c.Claims }); i >= 0 {
		a.Changes = a.Changes[i : i+1]
		r.repeatClaim(a.Changes[0].key())
		return false, nil
	}
	l := r.s.last()
	rivals := l.live(a.Owner, r.g.Owner)
	if len(rivals) == 0 {
		return false, nil
	}
	shown := *a
	shown.Op = Update
	if !r.start(ctx, shown) {
		return true, errSkipped
	}
	return true, r.hold(ctx, l.untilOver(rivals), released(a.Object, rivals))
}

// repeatClaim lets the step write its claim again if no reading shows it: it may have been
// written to an object that was deleted and created again.
func (r *execution) repeatClaim(key string) {
	switch {
	case !r.done[key]:
		r.claimed = time.Time{}
	case r.claimed.IsZero():
		r.claimed = time.Now()
	case time.Since(r.claimed) > max(lostClaim, 2*r.g.Settle):
		delete(r.done, key)
	}
}

// lookAgain reads the shared objects once more at the end of up, and repairs what is
// missing.
func (g *Graph) lookAgain(ctx context.Context) error {
	var list []*step
	for _, s := range g.steps {
		if s.own == Share {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil
	}
	if err := g.readAll(ctx, true, list); err != nil {
		return err
	}
	errs := make([]error, len(list))
	for i, s := range list {
		err := g.reconcile(ctx, s)
		if err != nil && s.last().err == nil && !g.fatal(err) { // otherwise it is not known what it is like
			err = &lookError{err}
		}
		errs[i] = err
	}
	return joinErrors(ctx, errs)
}

// lookError is the error of a shared object that is not whole at the end of up.
type lookError struct{ error }

func (e *lookError) Unwrap() error { return e.error }

// Hint is what to do about it.
func (*lookError) Hint() string {
	return "another environment or person has changed it during this run: run `flowbed up` again"
}

// departure is what a run has done so far to leave a shared object.
type departure struct {
	begun  bool
	window *Window   // of the mark that this run has written and not used yet
	used   bool      // the last call was the deletion that the mark allowed
	until  time.Time // the end in that mark
	marked time.Time // when the mark was written
	left   time.Time // when this run gave up its claim; zero if it has not, or has come back
}

// departs reports whether the step is leaving a shared object.
func (r *execution) departs(a Action) bool {
	return r.s.shares(a.Owner) && (a.Op == Delete || a.Op == Release || !r.departure.left.IsZero())
}

// depart takes one step towards leaving a shared object. It returns true when that is
// done and others use the object. If the object is deleted, the next reading shows it.
func (r *execution) depart(ctx context.Context, c *node, a Action) (done bool, err error) {
	if !r.start(ctx, a) {
		return true, errSkipped
	}
	d, l := &r.departure, r.s.last()
	d.begun = true
	rivals, others := l.live(a.Owner, r.g.Owner), a.Owner.Others(r.g.Owner)
	first := !slices.ContainsFunc(rivals, func(m Leaving) bool { return m.Env < r.g.Owner })
	switch {
	case r.rejected:
		return false, r.departAgain(ctx, a.Op, l)
	case a.Op == Release, a.Op == Delete && !first && a.Owner.Uses(r.g.Owner):
		if !d.left.IsZero() {
			return false, r.wait(ctx, "it to be released")
		}
		return false, r.release(ctx, c, l)
	case len(others) == 0 && len(rivals) > 0:
		return false, r.hold(ctx, l.untilOver(rivals), released(a.Object, rivals))
	case a.Op == Delete:
		return false, r.deleteShared(ctx, c, l, a.Owner)
	case l.at.Before(d.left.Add(r.g.Settle)):
		return false, r.look(ctx, d.left)
	}
	r.finish()
	return true, nil
}

// departAgain waits after a call that was rejected. After a deletion it writes the next mark
// at once, which also reads the object again.
func (r *execution) departAgain(ctx context.Context, op Op, l *reading) error {
	again := op == Delete && r.departure.used && !r.s.stale()
	r.departure.used = false
	if !again {
		return r.wait(ctx, waitFor[op])
	}
	if err := r.rest(ctx, waitFor[op]); err != nil {
		return err
	}
	return r.leave(ctx, l)
}

// look reads the object again, so that the reading shows everything that was written until a
// time.
func (r *execution) look(ctx context.Context, since time.Time) error {
	if left := time.Until(since.Add(r.g.Settle)); left > 0 {
		return r.hold(ctx, left, "certainty that no other environment uses it")
	}
	r.refresh(ctx)
	return nil
}

// hold waits for a time that does not count against the step's patience, and reads again.
func (r *execution) hold(ctx context.Context, d time.Duration, what string) error {
	r.event(Waiting, what, nil)
	begun := time.Now()
	select {
	case <-ctx.Done():
		r.doing = "wait"
		return r.interrupted(ctx)
	case <-time.After(max(d, firstWait)):
	}
	r.progress = r.progress.Add(time.Since(begun))
	r.refresh(ctx)
	return nil
}

// change makes one call of a departure. After an error that is a reason to try again,
// r.rejected is set.
func (r *execution) change(ctx context.Context, doing string, do func(context.Context) error) error {
	r.doing = doing
	if ctx.Err() != nil {
		return r.interrupted(ctx)
	}
	r.event(Acting, doing, nil)
	if err := crash.Do(func() error { return do(detach(ctx)) }); err != nil {
		return r.handleError(ctx, call{name: doing}, err)
	}
	return nil
}

// leave writes the mark. Its end is counted from the last reading, which also has the
// service's time.
func (r *execution) leave(ctx context.Context, l *reading) error {
	date, length := l.date, r.g.Settle+markLength
	if date.IsZero() {
		date = l.at
	}
	until := date.Add(length).UTC().Truncate(time.Second)
	err := r.change(ctx, "mark", func(ctx context.Context) error { return r.s.mark(ctx, l.have, until) })
	if err != nil || r.rejected {
		return err
	}
	r.departure = departure{
		begun: true, marked: time.Now(), until: until,
		window: &Window{From: l.at, Length: length - markMargin, Until: until.Add(-markMargin)},
	}
	return r.look(ctx, r.departure.marked)
}

// release gives up the claim. Another environment may give up its own at the same time and
// not see that yet, so the step then looks again after Settle.
func (r *execution) release(ctx context.Context, c *node, l *reading) error {
	err := r.change(ctx, "release", func(ctx context.Context) error { return r.s.release(ctx, l.have) })
	if err != nil || r.rejected {
		return err
	}
	r.departure = departure{begun: true, left: time.Now()}
	r.accepted(c)
	return r.look(ctx, r.departure.left)
}

// deleteShared deletes the object if a mark of this run has stood long enough.
func (r *execution) deleteShared(ctx context.Context, c *node, l *reading, o Owner) error {
	d := &r.departure
	shown := slices.ContainsFunc(o.Leaving, func(m Leaving) bool { return m.Env == r.g.Owner && m.Until.Equal(d.until) })
	switch {
	case r.wasDeleted(l.have):
		return r.wait(ctx, waitFor[Delete])
	case r.s.stale():
		r.refresh(ctx)
		return nil
	case d.window == nil || time.Since(d.window.From) >= d.window.Length:
		return r.leave(ctx, l)
	case l.at.Before(d.marked.Add(r.g.Settle)):
		return r.look(ctx, d.marked)
	case !shown:
		return r.wait(ctx, "the mark")
	}
	window := *d.window
	d.window, d.used = nil, true // it allows one deletion
	err := r.change(ctx, "delete", func(ctx context.Context) error {
		ctx, cancel := window.In(ctx)
		defer cancel()
		err := r.s.remove(ctx, l.have)
		if err != nil && ctx.Err() != nil {
			return ErrWindow
		}
		return err
	})
	if err != nil || r.rejected {
		return err
	}
	r.noteDeleted(l.have)
	r.accepted(c)
	r.refresh(ctx)
	return nil
}

// accepted notes that the service has accepted a deletion or a release.
func (r *execution) accepted(c *node) {
	r.noteProgress()
	r.unblock(c)
}
