package view

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// bar is one step of a run in time.
type bar struct {
	step         string
	began, ended time.Time
	parts        []part
	last         provision.Event
}

// part is a time in which a step did one thing.
type part struct {
	kind         string // "act", "wait", or "retry": it waits after a call that failed
	text         string
	began, ended time.Time
}

// timeline returns the steps of a run in the order in which they began.
func timeline(events []provision.Event) (bars []bar) {
	for _, e := range events {
		i := slices.IndexFunc(bars, func(b bar) bool { return b.step == e.Step })
		if i < 0 {
			i = len(bars)
			bars = append(bars, bar{step: e.Step, began: e.Time.Add(-e.Elapsed)})
		}
		bars[i].add(e)
	}
	return bars
}

// add ends what the step did until now, and begins what the event says.
func (b *bar) add(e provision.Event) {
	if n := len(b.parts); n > 0 {
		b.parts[n-1].ended = e.Time
	}
	b.last, b.ended = e, e.Time
	next := part{kind: "act", text: clean(e.Detail, false), began: e.Time, ended: e.Time}
	switch e.Kind {
	case provision.Done, provision.Failed, provision.Skipped:
		return
	case provision.Started:
		next.text = marks[e.Op].word
	case provision.Waiting:
		next.kind, next.text = "wait", "waiting"+reason(e)
		if e.Err != nil {
			next.kind = "retry"
		}
	}
	if n := len(b.parts); n > 0 && next.kind == "wait" && b.parts[n-1].kind == "wait" && b.parts[n-1].text == next.text {
		return // it still waits
	}
	b.parts = append(b.parts, next)
}

func (b bar) skipped() bool { return b.last.Kind == provision.Skipped }

// result is how a step ended, in words.
func (b bar) result(o Options) string {
	switch r := result(b.last); r {
	case "":
		return "has not ended"
	case "done":
		return marks[b.last.Op].past
	case "failed":
		return "failed: " + o.why(b.last)
	case "skipped":
		return skipped(b.last)
	default:
		return r
	}
}

// waited is how long the step waited, after failed calls and for other reasons.
func (b bar) waited() (d time.Duration) {
	for _, p := range b.parts {
		if p.kind != "act" {
			d += p.ended.Sub(p.began)
		}
	}
	return d
}

// retries is how often the step waited after a call that failed.
func (b bar) retries() (n int) {
	for _, p := range b.parts {
		if p.kind == "retry" {
			n++
		}
	}
	return n
}

// The sizes of the chart, in the units of its view box.
const (
	chartWidth  = 1000
	chartNames  = 190
	chartRow    = 22
	chartFoot   = 24
	chartTicks  = 8
	chartMargin = 60 // for what stands behind the last bar
)

// chart draws the steps over time. Who cannot see it has the table below it.
func (p *page) chart(bars []bar, r Run) {
	p.element("h2", "Steps")
	began, ended := bars[0].began, bars[0].ended
	for _, b := range bars {
		if b.began.Before(began) {
			began = b.began
		}
		if b.ended.After(ended) {
			ended = b.ended
		}
	}
	whole := max(ended.Sub(began), time.Millisecond)
	x := func(t time.Time) float64 {
		return chartNames + (chartWidth-chartNames-chartMargin)*float64(t.Sub(began))/float64(whole)
	}
	height := len(bars) * chartRow
	p.add(`<p class="key" aria-hidden="true"><span style="background: var(--act)"></span>works`,
		`<span style="background: var(--wait)"></span>waits<span style="background: var(--retry)"></span>waits after a call that failed</p>`, "\n")
	p.add(`<div class="chart">`, fmt.Sprintf(`<svg viewBox="0 0 %d %d" role="img" aria-labelledby="chart-title">`, chartWidth, height+chartFoot), "\n")
	p.element(`title id="chart-title"`, fmt.Sprintf("%s from %s on; the table below has the same.", plural(len(bars), "step", "steps"), stamp(r.Began)))
	every := tick(whole)
	for at := time.Duration(0); at <= whole; at += every {
		p.add(fmt.Sprintf(`<line x1="%.1[1]f" x2="%.1[1]f" y1="0" y2="%[2]d"/>`, x(began.Add(at)), height))
		p.element(fmt.Sprintf(`text x="%.1f" y="%d" text-anchor="middle"`, x(began.Add(at)), height+16), tickLabel(at, every))
	}
	for i, b := range bars {
		p.bar(b, i*chartRow, x)
	}
	p.add("</svg></div>\n")
}

// bar draws one step.
func (p *page) bar(b bar, y int, x func(time.Time) float64) {
	p.element(fmt.Sprintf(`text x="0" y="%d"`, y+15), cut(clean(b.step, false), 28))
	for _, part := range b.parts {
		p.add(fmt.Sprintf(`<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"><title>%s</title></rect>`, part.kind,
			x(part.began), y+4, max(x(part.ended)-x(part.began), 1), chartRow-8,
			html.EscapeString(part.text+", "+seconds(part.ended.Sub(part.began)))), "\n")
	}
	text := seconds(b.ended.Sub(b.began))
	switch result(b.last) {
	case "done", "":
	case "failed":
		text = "failed"
		p.add(fmt.Sprintf(`<rect class="failed" x="%.1f" y="%d" width="3" height="%d"/>`, x(b.ended), y+2, chartRow-4), "\n")
	default:
		text = result(b.last)
	}
	p.element(fmt.Sprintf(`text x="%.1f" y="%d"`, x(b.ended)+6, y+15), text)
}

// tick is the distance of two marks of the time axis: 1, 2 or 5 of a unit, or parts of a minute.
func tick(whole time.Duration) time.Duration {
	for unit := time.Millisecond; unit < time.Minute; unit *= 10 {
		for _, n := range []time.Duration{1, 2, 5} {
			if d := n * unit; d <= 50*time.Second && whole/d <= chartTicks {
				return d
			}
		}
	}
	d := time.Minute
	for whole/d > chartTicks {
		d *= 2
	}
	return d
}

// tickLabel is a mark of the axis, as exact as the distance of two.
func tickLabel(at, every time.Duration) string {
	switch {
	case every < time.Second:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", at.Seconds()), "0"), ".") + "s"
	case at < time.Minute:
		return fmt.Sprintf("%ds", int(at.Seconds()))
	}
	return fmt.Sprintf("%dm%02ds", int(at.Minutes()), int(at.Seconds())%60)
}
