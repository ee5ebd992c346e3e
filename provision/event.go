package provision

import (
	"errors"
	"fmt"
	"time"
)

// Event is one thing that happened during a run. A view depends only on the
// sequence of events.
type Event struct {
	Time    time.Time
	Step    string
	Kind    EventKind
	Op      Op
	Detail  string        // the action, or what the step waits for; for Skipped, the cause
	For     string        // for Waiting, what keeps the service from deleting the object; may be empty
	Usually string        // for Waiting, how long that usually takes, such as "4–6 minutes"; may be empty
	Elapsed time.Duration // since the step started
	Err     error         // for Failed; for Waiting, that of the last try, or nil; for Skipped, why the run was asked to end, or nil
}

// EventKind is the kind of an event.
type EventKind int

// A step with something to do starts, acts and waits any number of times, and then
// is done or fails. A step is skipped if a step that it depends on failed.
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

// ErrInterrupted is in the cause of a context that the user ended. A step that it stops has
// not failed, and views say so.
var ErrInterrupted = errors.New("interrupted")

// StepError is the failure of one step.
type StepError struct {
	Step  string
	Doing string // "create", "change" and the field, "delete", "release", "read", "wait"
	Err   error
	Cause string // from Explain; may be empty
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Step, e.Doing, e.Err) }
func (e *StepError) Unwrap() error { return e.Err }

func (g *Graph) notify(e Event) {
	if g.Notify == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	e.Time = time.Now() // under the mutex, so that times are in order
	g.Notify(e)
}
