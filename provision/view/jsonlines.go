package view

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
)

// JSONLines shows a run as JSON lines: one object per line, each with a type and a
// time. The first line has the version of the format, the last one a summary.
type JSONLines struct {
	o     Options
	mu    sync.Mutex
	e     *json.Encoder
	done  map[string]int // by op
	kinds map[provision.EventKind]int
	err   error // of the writer
}

// The lines of a run.
type (
	// jsonFirst is the first line.
	jsonFirst struct {
		Type          string     `json:"type" schema:"version"`
		Time          string     `json:"time" schema:"date-time"`
		FormatVersion string     `json:"format_version" schema:"2"`
		Verb          string     `json:"verb" schema:"up|down|hello"`
		Header        jsonHeader `json:"header"`
	}
	// jsonLocked says that another run holds the lock, and this one waits.
	jsonLocked struct {
		Type    string `json:"type" schema:"locked"`
		Time    string `json:"time" schema:"date-time"`
		Holder  string `json:"holder"`
		Command string `json:"command"`
		PID     int    `json:"pid"`
		Since   string `json:"since" schema:"date-time"`
		Expires string `json:"expires" schema:"date-time"`
	}
	// jsonEvent is what happens in a step.
	jsonEvent struct {
		Type    string     `json:"type" schema:"start|act|wait|done|fail|skip"`
		Time    string     `json:"time" schema:"date-time"`
		Step    string     `json:"step"`
		Action  string     `json:"action" schema:"none|create|change|replace|delete|release|use|conflict|missing|skip|leave"`
		Detail  string     `json:"detail,omitempty"`    // the call, what the step waits for, or the step that failed before it
		For     string     `json:"waits_for,omitempty"` // what keeps AWS from deleting the object
		Elapsed float64    `json:"elapsed_seconds"`
		Error   *jsonError `json:"error,omitempty"`
	}
	// jsonOutputsLine has the outputs after a successful up.
	jsonOutputsLine struct {
		Type    string         `json:"type" schema:"outputs"`
		Time    string         `json:"time" schema:"date-time"`
		Outputs map[string]any `json:"outputs" schema:"string|list"` // by their names
	}
	// jsonSummary is the last line.
	jsonSummary struct {
		Type     string         `json:"type" schema:"summary"`
		Time     string         `json:"time" schema:"date-time"`
		OK       bool           `json:"ok"` // everything succeeded
		Elapsed  float64        `json:"elapsed_seconds"`
		Done     map[string]int `json:"done"` // the successful steps by their action
		Failed   int            `json:"failed"`
		Skipped  int            `json:"skipped"`
		Errors   []jsonError    `json:"errors"`
		Warnings []jsonWarning  `json:"warnings,omitempty"` // what will not work until somebody acts
		Left     *[]jsonStep    `json:"left,omitempty"`     // what still exists after a down
	}
	jsonWarning struct {
		Step string `json:"step"`
		Text string `json:"text"`
	}
)

// NewJSONLines writes the first line. It uses the options' header, verb and hints.
func NewJSONLines(w io.Writer, o Options) *JSONLines {
	l := &JSONLines{o: o, e: json.NewEncoder(w), done: map[string]int{}, kinds: map[provision.EventKind]int{}}
	l.e.SetEscapeHTML(false)
	l.line(jsonFirst{"version", stamp(time.Now()), FormatVersion, o.Verb, jsonHeader(o.Header)})
	return l
}

// Plan writes the plan on one line. The estimate may be nil.
func (l *JSONLines) Plan(p provision.Plan, e *cost.Estimate) {
	d := planJSON(l.o.Verb, p)
	d.Cost = costJSON(e)
	d.Time = stamp(time.Now())
	l.line(d)
}

// Outputs writes the outputs of the environment on one line.
func (l *JSONLines) Outputs(list []Output) {
	l.line(jsonOutputsLine{"outputs", stamp(time.Now()), outputsJSON(list)})
}

// Locked writes that another run holds the environment lock and this one waits. The
// arguments describe the other run.
func (l *JSONLines) Locked(holder, command string, pid int, since, expires time.Time) {
	l.line(jsonLocked{"locked", stamp(time.Now()), holder, command, pid, stamp(since), stamp(expires)})
}

// Begin implements Progress. The plan has told what there is to do.
func (l *JSONLines) Begin(int) {}

// Notify implements Progress.
func (l *JSONLines) Notify(e provision.Event) {
	j := jsonEvent{
		Type: e.Kind.String(), Time: stamp(e.Time), Step: e.Step, Action: e.Op.String(),
		Detail: e.Detail, For: e.For, Elapsed: inSeconds(e.Elapsed),
	}
	if e.Err != nil && e.Kind != provision.Skipped {
		j.Error = &errorsJSON(e.Err, l.o)[0]
		j.Error.Step = ""
	}
	l.line(j)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds[e.Kind]++
	if e.Kind == provision.Done {
		l.done[e.Op.String()]++
	}
}

// Done implements Progress: the last line, with the errors of the run.
func (l *JSONLines) Done(o Outcome) error {
	s := jsonSummary{
		Type: "summary", Time: stamp(time.Now()), OK: o.Err == nil, Elapsed: inSeconds(o.Elapsed),
		Done: l.done, Failed: l.kinds[provision.Failed], Skipped: l.kinds[provision.Skipped],
		Errors: errorsJSON(o.Err, l.o),
	}
	for _, w := range o.Warnings {
		s.Warnings = append(s.Warnings, jsonWarning(w))
	}
	if o.Left != nil {
		s.Left = &[]jsonStep{}
		for _, a := range o.Left.Actions {
			if stays(a) {
				*s.Left = append(*s.Left, stepJSON(a))
			}
		}
		s.OK = s.OK && len(*s.Left) == 0
	}
	l.line(s)
	return l.err
}

func (l *JSONLines) line(v any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.e.Encode(v); l.err == nil {
		l.err = err
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func inSeconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
