package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// often is how long Plain stays silent about a step that waits for the same thing.
const often = 10 * time.Second

// plain is one line for each thing worth a line; see NewPlain.
type plain struct {
	w     io.Writer
	o     Options
	said  map[string]wait // by step
	count map[provision.EventKind]map[provision.Op]int
	err   error // of the writer
}

type wait struct {
	reason string
	at     time.Duration
}

// NewPlain shows a run as lines of text: when a step starts, when it waits (at
// the first time, when the reason changes, and every ten seconds), and when it
// ends. It suits logs and terminals alike.
func NewPlain(w io.Writer, o Options) Progress {
	return &plain{w: w, o: o, said: map[string]wait{}, count: map[provision.EventKind]map[provision.Op]int{}}
}

func (p *plain) Notify(e provision.Event) {
	p.counted(e)
	if l := p.line(e); l != "" {
		p.write(l + "\n")
	}
}

func (p *plain) counted(e provision.Event) {
	m := p.count[e.Kind]
	if m == nil {
		m = map[provision.Op]int{}
		p.count[e.Kind] = m
	}
	m[e.Op]++
}

func (p *plain) write(s string) {
	if err := write(p.w, s); p.err == nil {
		p.err = err
	}
}

func (p *plain) Done(o Outcome) error {
	p.write(ending(p.o, p.count, o))
	return p.err
}

// line is what an event is worth; empty if nothing.
func (p *plain) line(e provision.Event) string {
	switch e.Kind {
	case provision.Acting:
		if !p.o.Full {
			return ""
		}
	case provision.Waiting:
		was, ok := p.said[e.Step]
		now := wait{reason(e), e.Elapsed}
		if ok && was.reason == now.reason && now.at-was.at < often {
			return ""
		}
		p.said[e.Step] = now
	default:
		delete(p.said, e.Step)
	}
	return p.o.eventLine(e)
}

// eventLine is one event as a sentence.
func (o Options) eventLine(e provision.Event) string {
	m := marks[e.Op]
	step, took := o.paint(clean(e.Step, false), bold), " ("+seconds(e.Elapsed)+")"
	switch e.Kind {
	case provision.Started:
		return fmt.Sprintf("%s %s: %s", o.paint(m.symbol, m.style), step, m.word)
	case provision.Acting:
		return fmt.Sprintf("  %s: %s", step, clean(e.Detail, false))
	case provision.Waiting:
		return fmt.Sprintf("  %s: waiting %s: %s", step, seconds(e.Elapsed), reason(e))
	case provision.Done:
		return fmt.Sprintf("%s %s: %s%s", o.paint("✓", green), step, m.past, took)
	case provision.Skipped:
		return fmt.Sprintf("%s %s: skipped, because of %s", o.paint("-", dim), step, clean(e.Detail, false))
	case provision.Failed:
		return fmt.Sprintf("%s %s: failed%s: %s", o.paint("✗", red), step, took, o.why(e))
	}
	return ""
}

// reason is what a step waits for, in a form that stays the same as long as it
// is the same.
func reason(e provision.Event) string {
	if e.Err != nil {
		return clean(strings.Join(strings.Fields(plainly(e.Err)), " "), false)
	}
	return "not yet " + clean(e.Detail, false)
}

// why is the error of a failed step without the step's name, which stands
// before it.
func (o Options) why(e provision.Event) string {
	text := strings.Join(strings.Fields(plainly(e.Err)), " ")
	return clean(strings.TrimPrefix(text, e.Step+": "), false)
}

// ending is the summary of a run.
func ending(o Options, count map[provision.EventKind]map[provision.Op]int, end Outcome) string {
	var parts []string
	for _, op := range []provision.Op{
		provision.Create, provision.Update, provision.Replace, provision.Delete, provision.Release,
	} {
		if n := count[provision.Done][op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, marks[op].past))
		}
	}
	for _, k := range []struct {
		kind provision.EventKind
		word string
	}{{provision.Failed, "failed"}, {provision.Skipped, "skipped"}} {
		n := 0
		for _, c := range count[k.kind] {
			n += c
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, k.word))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	verb := "Up"
	if o.Verb == "down" {
		verb = "Down"
	}
	return o.paint(verb+": "+strings.Join(parts, ", ")+" in "+seconds(end.Elapsed)+"."+left(end.Left), bold) + "\n" +
		standing(end.Standing)
}

// standing says what is there after a run that has ended early.
func standing(p *provision.Plan) string {
	if p == nil {
		return ""
	}
	var there, unsure []string
	for _, a := range slices.Backward(p.Actions) { // in the order in which it was built
		switch {
		case a.Err != nil:
			unsure = append(unsure, clean(a.Step, false))
		case a.Op == provision.Delete || a.Op == provision.Release:
			there = append(there, clean(a.Step, false))
		}
	}
	text := "Nothing of the environment is there."
	if len(there) > 0 {
		text = "There now, of the environment: " + strings.Join(there, ", ") + "."
	}
	if len(unsure) > 0 {
		text += " Perhaps also, since it could not be read: " + strings.Join(unsure, ", ") + "."
	}
	return text + " Running up again goes on from here; down removes it.\n"
}

// left says what a removal left behind.
func left(p *provision.Plan) string {
	if p == nil {
		return ""
	}
	n := p.Count(provision.Delete, provision.Release)
	if n == 0 {
		return " 0 left."
	}
	var names []string
	for _, a := range p.Actions {
		if a.Op == provision.Delete || a.Op == provision.Release {
			names = append(names, clean(a.Step, false))
		}
	}
	return fmt.Sprintf(" %d left: %s.", n, strings.Join(names, ", "))
}
