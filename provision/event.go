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
	Detail  string        // what is being done, or what is being waited for
	Elapsed time.Duration // since the step started
	Err     error         // for Failed
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
	Doing string // "create", or "change" and the field, "delete", "read"
	Err   error
	Cause string // what the resource found out about the cause; may be empty
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Step, e.Doing, e.Err) }
func (e *StepError) Unwrap() error { return e.Err }

func (g *Graph) notify(e Event) {
	if g.Notify == nil {
		return
	}
	e.Time = time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Notify(e)
}
