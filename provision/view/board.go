package view

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// board is the state of the live display. apply adds an event, and frame renders the
// state; neither has side effects outside the board.
type board struct {
	o     Options
	total int    // steps with something to do, as the plan says
	rows  []*row // in the order in which they started
}

type row struct {
	last  provision.Event
	began time.Time
}

func (r *row) ended() bool {
	return r.last.Kind == provision.Done || r.last.Kind == provision.Failed || r.last.Kind == provision.Skipped
}

func (b *board) apply(e provision.Event) {
	for _, r := range b.rows {
		if r.last.Step == e.Step {
			r.last = e
			return
		}
	}
	b.rows = append(b.rows, &row{last: e, began: e.Time.Add(-e.Elapsed)})
}

// frame is the display at a time: at most height lines, none wider than width. Running
// steps come first, then failed ones, then finished ones, newest first. If not all of them
// fit, a line says how many are missing. The last line counts.
func (b *board) frame(now time.Time, width, height int) (lines []string) {
	if height < 1 || len(b.rows) == 0 {
		return nil
	}
	rows := slices.Clone(b.rows)
	slices.SortStableFunc(rows, func(x, y *row) int {
		if c := cmp.Compare(rank(x), rank(y)); c != 0 || !x.ended() {
			return c
		}
		return y.last.Time.Compare(x.last.Time)
	})
	hidden := 0
	if len(rows)+1 > height {
		fit := height - 1 // one line counts
		if fit > 1 {
			fit-- // one says what is missing
		}
		hidden, rows = len(rows)-fit, rows[:fit]
	}
	step := 0
	for _, r := range rows {
		step = max(step, cells(clean(r.last.Step, false)))
	}
	step = min(step, max(width/3, 8))
	for _, r := range rows {
		lines = append(lines, b.row(r, now, step, width))
	}
	if hidden > 0 && height > 2 {
		lines = append(lines, b.o.paint(cut(fmt.Sprintf("… and %d more", hidden), width), dim))
	}
	return append(lines, b.o.paint(cut(b.counts(), width), dim))
}

func rank(r *row) int {
	switch r.last.Kind {
	case provision.Failed:
		return 1
	case provision.Skipped:
		return 2
	case provision.Done:
		return 3
	}
	return 0
}

func (b *board) row(r *row, now time.Time, step, width int) string {
	e := r.last
	m := marks[e.Op]
	took := now.Sub(r.began)
	text, st := m.word, m.style
	switch e.Kind {
	case provision.Acting:
		text = clean(e.Detail, false)
	case provision.Waiting:
		text = "waiting" + reason(e)
	case provision.Done:
		m.symbol, text, st, took = "✓", m.past, green, e.Elapsed
	case provision.Failed:
		m.symbol, text, st, took = "✗", "failed: "+b.o.why(e), red, e.Elapsed
		if interrupted(e) {
			m.symbol, text, st = "!", "interrupted", yellow
		}
	case provision.Skipped:
		m.symbol, text, st, took = "-", skipped(e), dim, 0
	}
	elapsed := "      "
	if took > 0 || !r.ended() {
		elapsed = fmt.Sprintf("%6s", seconds(took))
	}
	left := pad(cut(clean(e.Step, false), step), step) + " " + elapsed + "  "
	if room := width - cells(left) - 2; room > 0 {
		return b.o.paint(m.symbol, st) + " " + left + cut(text, room)
	}
	return cut(m.symbol+" "+left, width)
}

// counts is the last line: how far the run is.
func (b *board) counts() string {
	n := map[string]int{}
	for _, r := range b.rows {
		n[result(r.last)]++
	}
	s := fmt.Sprintf("%d of %d done, %d running", n["done"], max(b.total, len(b.rows)), n[""])
	for _, w := range unfinished {
		if n[w] > 0 {
			s += fmt.Sprintf(", %d %s", n[w], w)
		}
	}
	return s
}
