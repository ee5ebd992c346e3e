// Package hello runs a small flow in an environment, and tells whether the environment
// works: whether the worker takes a run, ECS starts its task, the task reads its code from
// the bucket and reaches Prefect, and the flow may write to the bucket.
//
// The flow is deployed as people deploy theirs: the code is in the flow bucket, and a pull
// step of the deployment fetches it. The result contains a random text, so that the result of
// an earlier run cannot pass for this one's. If the flow does not complete, the package says
// who reported the cause (ECS, Prefect, the worker or the flow's own log), and what to do; see
// [diagnose]. It ends as soon as the reason is known.
//
// Whatever it makes, it removes again, also after a failure or an interruption. It takes no
// lock, because it changes none of the environment's resources. If it is killed, the tags of
// its deployment tell until when it may have run, and the next run removes what it left.
package hello

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
)

// Hello runs a flow in one environment.
type Hello struct {
	API  *prefect.Client
	S3   *s3.Client
	ECS  *ecs.Client
	Logs *cloudwatchlogs.Client

	ID      resource.Identity
	Pool    string
	Queue   string // of the pool, that the worker reads; empty for the default one
	Bucket  string
	Key     string          // the ARN of the KMS key that encrypts the bucket; may be empty
	Shared  bool            // the bucket is not the environment's own
	Cluster string          // name
	Version prefect.Version // of the worker

	Agent bool   // flowbed runs the worker
	Flags string // that select the environment, for the commands in hints

	Timeout time.Duration // how long the run may take
	Keep    bool          // leave the flow, its deployment and its objects
	Pace    time.Duration // between two looks at the run; 2 seconds if zero
	Notify  func(Event)   // is called for what happens, in order

	heartbeat time.Time // of the worker that reported last before the run began
}

// Kind is the kind of an event.
type Kind string

// The kinds of events.
const (
	Note  Kind = "note"  // something that Text tells
	State Kind = "state" // the run has a new state
	Task  Kind = "task"  // the run's ECS task has a new status
	Log   Kind = "log"   // a line of a log
)

// The sources of log lines.
const (
	FromPrefect    = "prefect"
	FromCloudWatch = "cloudwatch"
)

// Event is something that happened.
type Event struct {
	Kind   Kind
	Time   time.Time
	Name   string // of the state, or the status of the task
	Object string // the id of the task
	Source string // of the log line
	Text   string // the state's message, the log line, the note
}

// Result is what a run found out. It is valid for a run that failed, too, as far as that
// went.
type Result struct {
	Flow       string // names of what was made
	Deployment string
	Run        string
	Prefix     string // of the objects
	Key        string // of the result
	Elapsed    time.Duration
	Kept       bool
}

const entrypoint = "hello.py:hello"

// Prefix starts the keys of all objects.
const Prefix = names.HelloPrefix

// Longest is the longest timeout.
const Longest = 24 * time.Hour

func newID() string { return strings.ToLower(rand.Text()[:8]) }

// Run runs the flow and removes what it made. The error says why the flow did not complete,
// or why its result is not in the bucket; see [Failure].
func (h *Hello) Run(ctx context.Context) (Result, error) {
	if err := h.check(ctx); err != nil {
		return Result{}, interrupted(ctx, err)
	}
	if h.removeLeft(ctx); ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	f := &attempt{Hello: h, id: newID(), text: rand.Text(), began: time.Now(), seen: map[string]bool{}}
	err := f.try(ctx)
	failed := f.clean(ctx)
	r := f.result()
	switch {
	case failed != nil && err == nil:
		err = &Leftover{err: failed, flags: h.Flags}
	case failed != nil:
		h.note("not everything could be removed: %v; run `flowbed hello --clean%s`", failed, h.Flags)
	}
	return r, err
}

func (h *Hello) pace() time.Duration { return cmp.Or(h.Pace, 2*time.Second) }

// attempt is one run of the flow, and what it has made so far.
type attempt struct {
	*Hello
	id, text string // text is what the flow has to write
	began    time.Time

	flow, deployment string // ids in Prefect; empty if not made
	run              prefect.Run
	stored           bool // there may be objects

	seen    map[string]bool // ids of states and log lines
	lines   []string        // of the log
	started bool            // the flow has run
	task    task
	blind   bool   // the caller may not read the task
	told    string // the last note about a run that nobody takes
}

func (f *attempt) flowName() string       { return "flowbed-hello-" + f.id }
func (f *attempt) deploymentName() string { return f.ID.Env + "-" + f.id }
func (f *attempt) prefix() string         { return names.HelloPrefix + f.id + "/" }
func (f *attempt) codePrefix() string     { return f.prefix() + path.Dir(names.HelloCode) }
func (f *attempt) resultKey() string      { return f.prefix() + names.HelloResult }

func (f *attempt) result() Result {
	return Result{
		Flow: f.flowName(), Deployment: f.deploymentName(), Run: f.run.Name, Prefix: f.prefix(), Key: f.resultKey(),
		Elapsed: time.Since(f.began), Kept: f.Keep && f.stored,
	}
}

// try makes the flow, runs it, and checks the result.
func (f *attempt) try(ctx context.Context) error {
	if err := f.make(ctx); err != nil {
		return interrupted(ctx, err)
	}
	lost, err := f.watch(ctx)
	switch {
	case err != nil:
		return interrupted(ctx, err)
	case f.run.State.Type == prefect.Completed && !lost:
		return interrupted(ctx, f.verify(ctx))
	}
	return f.explain(ctx)
}

// interrupted returns the cause of the interruption instead of the error of the call that it
// ended.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (h *Hello) tell(e Event) {
	if h.Notify == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	h.Notify(e)
}

func (h *Hello) note(format string, args ...any) {
	h.tell(Event{Kind: Note, Text: fmt.Sprintf(format, args...)})
}

// advised is an error with a hint.
type advised struct {
	err  error
	hint string
}

func (e *advised) Error() string { return e.err.Error() }
func (e *advised) Unwrap() error { return e.err }

// Hint is what the user can do.
func (e *advised) Hint() string { return e.hint }

func (h *Hello) up() string { return "`flowbed up" + h.Flags + "`" }
