package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Blocker is what keeps the service from deleting an object.
type Blocker struct {
	// What names the blocker and its state, for example "the network interface eni-1 of task
	// 2, which is in use". The engine compares it: a text that changes is progress.
	What string

	// Remedy is what the user can do if the blocker stays; empty if there is nothing.
	Remedy string

	// Patience is how long the blocker may stay as it is. The zero value means the patience of
	// the deletion.
	Patience time.Duration
}

// blockedError is the error of a step that waited too long for blockers.
type blockedError struct {
	err      error // of the last try; nil if the service has accepted it
	patience time.Duration
	blockers []Blocker
}

func (e *blockedError) Error() string {
	text := fmt.Sprintf("timed out after %s without visible progress: waits for %s", e.patience, names(e.blockers))
	if e.err != nil {
		text = fmt.Sprintf("%v (%s)", e.err, text)
	}
	if hint := e.Hint(); hint != "" {
		text += " → " + hint
	}
	return text
}

func (e *blockedError) Unwrap() error { return e.err }

// Hint is what the user can do.
func (e *blockedError) Hint() string {
	var list []string
	for _, b := range e.blockers {
		if b.Remedy != "" && !slices.Contains(list, b.Remedy) {
			list = append(list, b.Remedy)
		}
	}
	return strings.Join(list, "; ")
}

// names joins what the blockers are.
func names(list []Blocker) string {
	texts := make([]string, len(list))
	for i, b := range list {
		texts[i] = b.What
	}
	return strings.Join(texts, " and ")
}

// findBlockers asks the resource why the object still exists. If the answer is
// one that the step has not had before, such as one blocker less, that is progress: patience
// counts from the last change of what blocks the step.
func (r *execution) findBlockers(ctx context.Context) {
	if r.s.blockers == nil || ctx.Err() != nil || r.op != Delete && r.op != Release {
		return
	}
	have, found := r.s.state()
	if !found {
		return
	}
	r.blockers = r.s.blockers(ctx, have)
	if now := names(r.blockers); !slices.Contains(r.blocked, now) {
		r.blocked = append(r.blocked, now)
		r.progress = time.Now()
	}
}

// patience is how long the step may go without progress: by what blocks it, by the kind of
// call, or by default.
func (r *execution) patience() time.Duration {
	step := r.s.patience
	if r.s.deletePatience > 0 && (r.op == Delete || r.op == Release) {
		step = r.s.deletePatience
	}
	for _, d := range []time.Duration{step, r.g.Patience} {
		if d > 0 {
			step = d
			break
		}
	}
	if step == 0 {
		step = defaultPatience
	}
	if len(r.blockers) == 0 {
		return step
	}
	longest := time.Duration(0)
	for _, b := range r.blockers {
		if b.Patience == 0 {
			return step
		}
		longest = max(longest, b.Patience)
	}
	return longest
}
