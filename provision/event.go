package provision

import (
	"fmt"
	"time"
)

// Event is one thing that happened during a run. A view is a function of the
// sequence of events and of nothing else.
type Event struct {
	Time    time.Time
	Step    string
	Kind    EventKind
	Op      Op
	Detail  string        // what is being done or waited for; for Skipped, because of what
	Elapsed time.Duration // since the step started
	Err     error         // for Failed; for Waiting, why the last try was refused, or nil
}

// EventKind is the kind of an event.
type EventKind int

// A step that has something to do starts, acts and waits any number of times,
// and is then done or has failed. A step that another one held up is skipped.
const (
	Started EventKind = iota
	Acting
	Waiting
	Done
	Failed
	Skipped
)

func (k EventKind) String() string {
	return [...]string{"start", "act", "wait", "done", "fail", "skip"}[k]
}

// StepError is the failure of one step.
type StepError struct {
	Step  string
	Doing string // "create", "change" and the field, "delete", "release", "read", "wait"
	Err   error
	Cause string // what the resource found out about the cause; may be empty
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Step, e.Doing, e.Err) }
func (e *StepError) Unwrap() error { return e.Err }

func (g *Graph) notify(e Event) {
	if g.Notify == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	e.Time = time.Now() // under the lock, so that times are in order
	g.Notify(e)
}
