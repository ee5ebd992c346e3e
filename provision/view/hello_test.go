package view

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var flowBegan = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// flowEvents are what happens to a run whose image does not exist.
var flowEvents = []RunEvent{
	{Kind: "note", Time: flowBegan, Text: "started the flow run amber-heron in the work pool flowbed-dev"},
	{Kind: "state", Time: flowBegan, Name: "Scheduled"},
	{Kind: "state", Time: flowBegan.Add(8 * time.Second), Name: "Pending"},
	{Kind: "log", Time: flowBegan.Add(9 * time.Second), Source: "prefect", Text: "Creating ECS task run..."},
	{Kind: "task", Time: flowBegan.Add(10 * time.Second), Name: "PROVISIONING", Object: "0123abcd"},
	{Kind: "task", Time: flowBegan.Add(40 * time.Second), Name: "STOPPED", Object: "0123abcd", Text: "CannotPullContainerError: not found"},
	{Kind: "log", Time: flowBegan.Add(41 * time.Second), Source: "cloudwatch", Text: "Killed"},
}

var flowFailed = RunResult{
	Flow: "flowbed-hello-abcdefgh", Deployment: "dev-abcdefgh", Run: "amber-heron",
	Object: "s3://flowbed-dev/flowbed-hello/abcdefgh/result.txt", Elapsed: 41 * time.Second,
	Err: errors.New("the flow did not complete: the image cannot be pulled; ECS says: CannotPullContainerError: not found"),
}

func showFlow(f FlowRun, r RunResult) error {
	for _, e := range flowEvents {
		f.Notify(e)
	}
	return f.Done(r)
}

// flowLines are an example of JSON lines.
func flowLines(w io.Writer) error {
	o := Options{Header: testHeader, Hint: func(error) string { return "push the image" }}
	return showFlow(NewFlowRunJSON(w, o), flowFailed)
}

func TestFlowRunText(t *testing.T) {
	var b bytes.Buffer
	if err := showFlow(NewFlowRun(&b, Options{}), flowFailed); err != nil {
		t.Fatal(err)
	}
	want := `  started the flow run amber-heron in the work pool flowbed-dev
  run: Scheduled
  run: Pending
    | Creating ECS task run...
  task 0123abcd: PROVISIONING
  task 0123abcd: STOPPED: CannotPullContainerError: not found
    | Killed
Hello: failed (41s).
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("(-want +have):\n%s", d)
	}
	b.Reset()
	if err := NewFlowRun(&b, Options{}).Done(RunResult{Elapsed: time.Minute}); err != nil || b.String() != "Hello: the flow completed, and its result is in the bucket (1m00s).\n" {
		t.Errorf("have %q, %v", b.String(), err)
	}
}

// TestFlowRunLeft completes, and something is left.
func TestFlowRunLeft(t *testing.T) {
	r := RunResult{Elapsed: time.Minute, Left: true, Err: errors.New("the flow completed, but")}
	var b, j bytes.Buffer
	if err := NewFlowRun(&b, Options{}).Done(r); err != nil || !strings.HasPrefix(b.String(), "Hello: the flow completed, ") || !strings.Contains(b.String(), "but not all that it made could be removed (1m00s)") {
		t.Errorf("have %q, %v", b.String(), err)
	}
	if err := NewFlowRunJSON(&j, Options{Hint: func(error) string { return "" }}).Done(r); err != nil || !strings.Contains(j.String(), `"ok":true`) || !strings.Contains(j.String(), `"error":"the flow completed, but"`) {
		t.Errorf("have %q, %v", j.String(), err)
	}
}

// TestFlowRunLines shows each line of a log on a line of its own, and lets none move the cursor.
func TestFlowRunLines(t *testing.T) {
	var b bytes.Buffer
	NewFlowRun(&b, Options{}).Notify(RunEvent{Kind: "log", Text: "Traceback:\n  File \"hello.py\"\n\x1b[2Jgone\n"})
	if want := "    | Traceback:\n    |   File \"hello.py\"\n    | \\x1b[2Jgone\n"; b.String() != want {
		t.Errorf("have %q, want %q", b.String(), want)
	}
}

// TestFlowRunColor paints names only.
func TestFlowRunColor(t *testing.T) {
	var b bytes.Buffer
	NewFlowRun(&b, Options{Color: true}).Notify(flowEvents[1])
	if !strings.Contains(b.String(), "\x1b[") {
		t.Errorf("no color: %q", b.String())
	}
}
