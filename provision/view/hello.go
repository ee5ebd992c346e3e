package view

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// RunEvent is something that happened to a flow run.
type RunEvent struct {
	Kind   string // "note", "state", "task" or "log"
	Time   time.Time
	Name   string // of the state, or the status of the task
	Object string // the id of the task
	Source string // of the log line: "prefect" or "cloudwatch"
	Text   string // the state's message, how the task ended, the log line, or the note
}

// RunResult is how a flow run ended.
type RunResult struct {
	Flow, Deployment, Run string // names
	Object                string // the URL of the result in the bucket
	Kept                  bool   // the flow stays
	Elapsed               time.Duration
	Left                  bool // the flow completed, but not all that it made could be removed
	Err                   error
}

// FlowRun shows a flow run while it is running.
type FlowRun interface {
	Notify(e RunEvent)

	// Done ends the display. The error is that of the writer. As text, Done does not print
	// the error of the run; Error does.
	Done(r RunResult) error
}

// NewFlowRun shows a flow run as lines of text.
func NewFlowRun(w io.Writer, o Options) FlowRun { return &flowText{w: w, o: o} }

type flowText struct {
	w   io.Writer
	o   Options
	err error
}

func (t *flowText) Notify(e RunEvent) { t.write(t.o.runLine(e)) }

// runLine is one event on one line. A log line may have several.
func (o Options) runLine(e RunEvent) string {
	text := clean(strings.Join(strings.Fields(e.Text), " "), false)
	after := ""
	if text != "" {
		after = ": " + text
	}
	switch e.Kind {
	case "state":
		return "  run: " + o.paint(clean(e.Name, false), bold) + after
	case "task":
		return "  task " + clean(e.Object, false) + ": " + o.paint(clean(e.Name, false), bold) + after
	case "log":
		var b strings.Builder
		for i, l := range strings.Split(clean(strings.TrimRight(e.Text, "\n"), true), "\n") {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(o.paint("    | "+l, dim))
		}
		return b.String()
	}
	return "  " + text
}

func (t *flowText) write(line string) {
	if err := write(t.w, line+"\n"); t.err == nil {
		t.err = err
	}
}

func (t *flowText) Done(r RunResult) error {
	text := "Hello: the flow completed, and its result is in the bucket"
	switch {
	case r.Left:
		text += ", but not all that it made could be removed"
	case r.Err != nil:
		text = "Hello: failed"
	}
	t.write(t.o.paint(fmt.Sprintf("%s (%s).", text, seconds(r.Elapsed)), bold))
	return t.err
}

// NewFlowRunJSON shows a flow run as JSON lines. It uses the options' header and hints.
func NewFlowRunJSON(w io.Writer, o Options) FlowRun {
	o.Verb = "hello"
	return flowJSON{NewJSONLines(w, o)}
}

type flowJSON struct{ lines *JSONLines }

// The lines of hello.
type (
	// jsonRunEvent is what happens in a flow run.
	jsonRunEvent struct {
		Type    string `json:"type" schema:"note|state|task|log"`
		Time    string `json:"time" schema:"date-time"`
		State   string `json:"state,omitempty"`  // of the flow run, in Prefect's words
		Task    string `json:"task,omitempty"`   // the id of the ECS task
		Status  string `json:"status,omitempty"` // of the ECS task
		Source  string `json:"source,omitempty" schema:"prefect|cloudwatch"`
		Message string `json:"message,omitempty"`
	}
	// jsonRunSummary is the last line.
	jsonRunSummary struct {
		Type       string      `json:"type" schema:"summary"`
		Time       string      `json:"time" schema:"date-time"`
		OK         bool        `json:"ok"` // the flow completed, and its result was in the bucket
		Elapsed    float64     `json:"elapsed_seconds"`
		Flow       string      `json:"flow,omitempty"`
		Deployment string      `json:"deployment,omitempty"`
		Run        string      `json:"run,omitempty"`
		Result     string      `json:"result,omitempty"` // the URL of the result in S3
		Kept       bool        `json:"kept"`             // the flow stays
		Errors     []jsonError `json:"errors"`
	}
)

// MarshalJSON implements json.Marshaler.
func (e RunEvent) MarshalJSON() ([]byte, error) {
	j := jsonRunEvent{Type: e.Kind, Time: stamp(e.Time), Source: e.Source, Message: e.Text}
	switch e.Kind {
	case "state":
		j.State = e.Name
	case "task":
		j.Task, j.Status = e.Object, e.Name
	}
	return json.Marshal(j)
}

func (f flowJSON) Notify(e RunEvent) { f.lines.line(e) }

func (f flowJSON) Done(r RunResult) error {
	f.lines.line(jsonRunSummary{
		"summary", stamp(time.Now()), r.Err == nil || r.Left, inSeconds(r.Elapsed), r.Flow, r.Deployment, r.Run, r.Object, r.Kept,
		errorsJSON(r.Err, f.lines.o),
	})
	return f.lines.err
}
