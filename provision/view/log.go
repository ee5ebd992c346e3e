package view

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// repeatInterval is the time after which a log repeats that a step still waits.
const repeatInterval = 10 * time.Second

// logger prints events line by line; see NewLog.
type logger struct {
	w     io.Writer
	o     Options
	said  map[string]wait // by step
	count tallyOfRun
	err   error // of the writer
}

// tallyOfRun counts the steps that ended.
type tallyOfRun struct {
	done  map[provision.Op]int
	other map[string]int // by result
}

type wait struct {
	reason string
	at     time.Duration
}

// NewLog shows a run as lines of text: a line when a step starts, when it begins to
// wait, when the reason changes, every ten seconds while it waits, and when it ends.
func NewLog(w io.Writer, o Options) Progress {
	return newLogger(w, o)
}

func newLogger(w io.Writer, o Options) *logger {
	return &logger{w: w, o: o, said: map[string]wait{}, count: tallyOfRun{map[provision.Op]int{}, map[string]int{}}}
}

func (l *logger) Notify(e provision.Event) {
	l.counted(e)
	if l.o.Quiet {
		return
	}
	if line := l.line(e); line != "" {
		l.write(line + "\n")
	}
}

// Begin implements Progress.
func (l *logger) Begin(int) {}

func (l *logger) counted(e provision.Event) {
	switch r := result(e); r {
	case "":
	case "done":
		l.count.done[e.Op]++
	default:
		l.count.other[r]++
	}
}

// unfinished are the results of steps that did not do what they should.
var unfinished = []string{"failed", "interrupted", "skipped", "not started"}

// result is how a step ended, in a word or two; empty if it has not.
func result(e provision.Event) string {
	switch {
	case e.Kind == provision.Done:
		return "done"
	case e.Kind == provision.Failed && interrupted(e):
		return "interrupted"
	case e.Kind == provision.Failed:
		return "failed"
	case e.Kind == provision.Skipped && interrupted(e):
		return "not started"
	case e.Kind == provision.Skipped:
		return "skipped"
	}
	return ""
}

// interrupted reports whether the user stopped the step.
func interrupted(e provision.Event) bool { return errors.Is(e.Err, provision.ErrInterrupted) }

// skipped says why a step was skipped.
func skipped(e provision.Event) string {
	if interrupted(e) {
		return "not started"
	}
	return "skipped, because of " + clean(e.Detail, false)
}

func (l *logger) write(s string) {
	if err := write(l.w, s); l.err == nil {
		l.err = err
	}
}

func (l *logger) Done(o Outcome) error {
	l.write(ending(l.o, l.count, o))
	return l.err
}

// line is the line for an event; empty for events that the log skips.
func (l *logger) line(e provision.Event) string {
	switch e.Kind {
	case provision.Acting:
		if !l.o.Full {
			return ""
		}
	case provision.Waiting:
		was, ok := l.said[e.Step]
		now := wait{reason(e), e.Elapsed}
		if ok && was.reason == now.reason && now.at-was.at < repeatInterval {
			return ""
		}
		l.said[e.Step] = now
	default:
		delete(l.said, e.Step)
	}
	return l.o.eventLine(e)
}

// eventLine is one event as a sentence. It may take several lines.
func (o Options) eventLine(e provision.Event) string {
	m := marks[e.Op]
	took := " (" + seconds(e.Elapsed) + ")"
	switch e.Kind {
	case provision.Started:
		return o.sentence(m.symbol, m.style, e.Step, ": "+m.word)
	case provision.Acting:
		return o.sentence(" ", "", e.Step, ": "+clean(e.Detail, false))
	case provision.Waiting:
		return o.sentence(" ", "", e.Step, ": waiting "+seconds(e.Elapsed)+reason(e))
	case provision.Done:
		return o.sentence("✓", green, e.Step, ": "+m.past+took)
	case provision.Skipped:
		return o.sentence("-", dim, e.Step, ": "+skipped(e))
	case provision.Failed:
		if interrupted(e) {
			return o.sentence("!", yellow, e.Step, ": interrupted"+took)
		}
		return o.sentence("✗", red, e.Step, ": failed"+took+": "+o.why(e))
	}
	return ""
}

// unfinishedLine is the sentence about a step that the end of the process has stopped.
func (o Options) unfinishedLine(step string, took time.Duration) string {
	return o.sentence("!", yellow, step, ": not finished ("+seconds(took)+")")
}

// sentence wraps a sentence about a step. Its further lines are indented.
func (o Options) sentence(symbol string, st style, step, rest string) string {
	step = clean(step, false)
	// The name of the step stays in one piece, and keeps its width while it has its color.
	name := strings.Repeat("_", cells(step))
	width := o.Width
	if width > 0 {
		width = max(width-4, 16)
	}
	lines := wrap(symbol+" "+name+rest, width)
	lines[0] = o.paint(symbol, st) + " " + o.paint(step, bold) + strings.TrimPrefix(lines[0], symbol+" "+name)
	return strings.Join(lines, "\n    ")
}

// reason is what a step waits for; it comes after "waiting". The text stays the same while the
// reason does. What blocks a deletion says more than the service's error.
func reason(e provision.Event) string {
	switch {
	case e.For != "":
		return " for " + clean(e.For, false)
	case e.Err != nil:
		return ": " + clean(strings.Join(strings.Fields(plainly(e.Err)), " "), false)
	}
	if e.Usually != "" {
		return " for " + clean(e.Detail, false) + ", usually " + clean(e.Usually, false)
	}
	return " for " + clean(e.Detail, false)
}

// why is the error of a failed step without the step's name, which the line already
// has.
func (o Options) why(e provision.Event) string {
	text := strings.Join(strings.Fields(plainly(e.Err)), " ")
	return clean(strings.TrimPrefix(text, e.Step+": "), false)
}

// ending is the summary of a run.
func ending(o Options, count tallyOfRun, end Outcome) string {
	var parts []string
	for _, op := range []provision.Op{
		provision.Create, provision.Update, provision.Replace, provision.Delete, provision.Release,
	} {
		if n := count.done[op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, marks[op].past))
		}
	}
	for _, w := range unfinished {
		if n := count.other[w]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, w))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	verb := "Up"
	if o.Verb == "down" {
		verb = "Down"
	}
	var b strings.Builder
	if !o.Quiet {
		o.fit(&b, "", verb+": "+strings.Join(parts, ", ")+" in "+seconds(end.Elapsed)+"."+left(end.Left), bold)
	}
	if text := standing(end.Standing); text != "" {
		o.fit(&b, "", text)
	}
	if len(end.Warnings) > 0 {
		o.fit(&b, "", "Still to fix:", yellow)
	}
	for _, w := range end.Warnings {
		o.fit(&b, "  - ", clean(w.Step, false)+": "+clean(w.Text, true))
	}
	return b.String()
}

// standing lists what exists after a run that ended early.
func standing(p *provision.Plan) string {
	if p == nil {
		return ""
	}
	var there, unsure []string
	for _, a := range slices.Backward(p.Actions) { // in the order in which up created them
		switch {
		case a.Err != nil:
			unsure = append(unsure, clean(a.Step, false))
		case a.Op == provision.Delete || a.Op == provision.Release:
			there = append(there, clean(a.Step, false))
		}
	}
	text := "The environment has no resources."
	switch {
	case len(there) > 0:
		text = "Existing resources: " + strings.Join(there, ", ") + "." + unknown(unsure, "their last call failed")
	case len(unsure) > 0:
		text = strings.TrimSpace(unknown(unsure, "their last call failed"))
	}
	return text + " Run up again to continue, or down to remove the environment."
}

// unknown names what may exist, and why that is not known.
func unknown(steps []string, why string) string {
	if len(steps) == 0 {
		return ""
	}
	return " Unknown, because " + why + ": " + strings.Join(steps, ", ") + "."
}

// unread is why down does not know what is left.
const unread = "they could not be read"

// left lists the objects that down left behind, and those that it may have left. It says
// that none are left only if it has read all of them.
func left(p *provision.Plan) string {
	if p == nil {
		return ""
	}
	var names, unsure []string
	for _, a := range p.Actions {
		switch {
		case remains(a.Op):
			names = append(names, clean(a.Step, false))
		case a.Err != nil:
			unsure = append(unsure, clean(a.Step, false))
		}
	}
	switch {
	case len(names) > 0:
		return fmt.Sprintf(" %d left: %s.", len(names), strings.Join(names, ", ")) + unknown(unsure, unread)
	case len(unsure) > 0:
		return unknown(unsure, unread)
	}
	return " 0 left."
}
