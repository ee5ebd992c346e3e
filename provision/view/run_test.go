package view

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// reply is an error as the clients of a service make them.
type reply struct{ id int }

func (r reply) Error() string {
	return fmt.Sprintf("RequestID: %d, api error InUse: the group is in use", r.id)
}
func (r reply) ErrorCode() string    { return "InUse" }
func (r reply) ErrorMessage() string { return "the group is in use" }

type call struct{ error }

func (c call) Error() string     { return "operation error EC2: DeleteSecurityGroup, " + c.error.Error() }
func (c call) Unwrap() error     { return c.error }
func (c call) Operation() string { return "DeleteSecurityGroup" }

func inUse(id int) error { return fmt.Errorf("delete group: %w", call{reply{id}}) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// story is a run in which everything happens that can.
func story() []provision.Event {
	var list []provision.Event
	begun := map[string]time.Duration{}
	add := func(at time.Duration, step string, op provision.Op, k provision.EventKind, detail string, err error) {
		if _, ok := begun[step]; !ok {
			begun[step] = at
		}
		list = append(list, provision.Event{Time: start.Add(at), Step: step, Kind: k, Op: op, Detail: detail, Elapsed: at - begun[step], Err: err})
	}
	ms := time.Millisecond
	add(0, "bucket", provision.Create, provision.Started, "", nil)
	add(0, "bucket", provision.Create, provision.Acting, "create", nil)
	add(10*ms, "task role", provision.Update, provision.Started, "", nil)
	add(300*ms, "bucket", provision.Create, provision.Acting, "change versioning", nil)
	add(400*ms, "agent instance", provision.Replace, provision.Started, "", nil)
	add(500*ms, "agent instance", provision.Replace, provision.Acting, "change type", nil)
	add(600*ms, "agent instance", provision.Replace, provision.Waiting, "state running", nil)
	add(900*ms, "bucket", provision.Create, provision.Done, "", nil)
	add(1000*ms, "old group", provision.Delete, provision.Started, "", nil)
	add(1100*ms, "old group", provision.Delete, provision.Waiting, "it to be gone", inUse(1))
	add(1300*ms, "old group", provision.Delete, provision.Waiting, "it to be gone", inUse(2))
	add(5*time.Second, "agent instance", provision.Replace, provision.Waiting, "state running", nil)
	add(6*time.Second, "agent instance", provision.Replace, provision.Waiting, "checks passed", nil)
	add(12*time.Second, "old group", provision.Delete, provision.Waiting, "it to be gone", inUse(3))
	add(16*time.Second, "agent instance", provision.Replace, provision.Waiting, "checks passed", nil)
	add(16*time.Second, "old group", provision.Delete, provision.Waiting, "it to be gone", inUse(4))
	list[len(list)-1].For = "the network interface eni-1 of task 2, which is in use"
	denied := &provision.StepError{Step: "task role", Doing: "change policy flows", Err: errors.New("AccessDenied:\nnot allowed")}
	add(17*time.Second, "task role", provision.Update, provision.Failed, "change policy flows", denied)
	add(17*time.Second, "profile 桶", provision.Create, provision.Skipped, "task role", nil)
	add(70*time.Second, "old group", provision.Delete, provision.Done, "", nil)
	add(95*time.Second, "agent instance", provision.Replace, provision.Done, "", nil)
	return list
}

var outcome = Outcome{Elapsed: 95 * time.Second, Err: errors.Join(
	&provision.StepError{Step: "task role", Doing: "change policy flows", Err: errors.New("AccessDenied:\nnot allowed"), Cause: "line 1\nline 2\n"}),
	Warnings: []provision.Warning{
		{Step: "execution role", Text: "its rights cannot be read\x1b[2J"},
		{Step: "work pool", Text: "the pool is paused, so no flows start → resume it"},
	}}

func TestPlain(t *testing.T) {
	for name, o := range map[string]Options{
		"plain": {}, "plain-full": {Full: true}, "plain-color": {Color: true},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			p := NewLog(&b, o)
			for _, e := range story() {
				p.Notify(e)
			}
			if err := p.Done(outcome); err != nil {
				t.Fatal(err)
			}
			golden(t, "run/"+name, b.String())
		})
	}
}

// TestFrames shows the board at moments of the story and in several sizes.
func TestFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 20}, {40, 20}, {80, 4}, {24, 3}, {24, 2}, {10, 1}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			var s strings.Builder
			for _, at := range []time.Duration{0, 700 * time.Millisecond, 1200 * time.Millisecond, 18 * time.Second, 95 * time.Second} {
				b := board{total: 7}
				for _, e := range story() {
					if !e.Time.After(start.Add(at)) {
						b.apply(e)
					}
				}
				frame := b.frame(start.Add(at), size[0], size[1])
				fmt.Fprintf(&s, "--- after %s\n%s\n", at, strings.Join(frame, "\n"))
				if len(frame) > size[1] {
					t.Errorf("%d lines", len(frame))
				}
				for _, l := range frame {
					if n := cells(l); n > size[0] {
						t.Errorf("%d columns: %q", n, l)
					}
				}
			}
			golden(t, fmt.Sprintf("run/board-%dx%d", size[0], size[1]), s.String())
		})
	}
	if (&board{}).frame(start, 80, 20) != nil {
		t.Error("an empty board has a frame")
	}
}

func TestErrors(t *testing.T) {
	err := errors.Join(
		&provision.StepError{Step: "task role", Doing: "change policy flows", Err: fmt.Errorf("put policy: %w", call{reply{7}})},
		errors.Join(&provision.StepError{Step: "agent instance", Doing: "wait", Err: errors.New("not ready after 10m0s: the instance runs, but its worker has not reported"),
			Cause: "flowbed: installing prefect\nflowbed: FAILED: no space left on device\n"}),
		errors.New("interrupted\x1b[2J"))
	hint := func(err error) string {
		if _, ok := errors.AsType[reply](err); ok {
			return "ask for the permission"
		}
		return "run flowbed up again: it continues where it stopped"
	}
	for name, o := range map[string]Options{
		"errors": {Width: 60, Hint: hint}, "errors-full": {Full: true}, "errors-color": {Color: true, Width: 80, Hint: hint},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := Error(&b, err, o); err != nil {
				t.Fatal(err)
			}
			golden(t, "run/"+name, b.String())
		})
	}
	var b strings.Builder
	if err := Error(&b, nil, Options{}); err != nil || b.Len() > 0 {
		t.Errorf("no error is told as %q, %v", b.String(), err)
	}
}
