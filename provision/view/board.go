package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/crash"
)

// board is the state of the live display. apply adds an event, and frame renders the
// state; neither has side effects outside the board.
type board struct {
	o    Options
	rows []*row // in the order in which they started
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

// frame is the display at a time: at most height lines, none wider than width. Failed
// steps come first, then running ones, then finished ones, newest first. The last line
// counts the steps that do not fit.
func (b *board) frame(now time.Time, width, height int) string {
	if height < 1 || len(b.rows) == 0 {
		return ""
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
		hidden = len(rows) - max(height-1, 0)
		rows = rows[:max(height-1, 0)]
	}
	step := 0
	for _, r := range rows {
		step = max(step, cells(clean(r.last.Step, false)))
	}
	step = min(step, max(width/3, 8))
	var s strings.Builder
	for _, r := range rows {
		s.WriteString(b.row(r, now, step, width) + "\n")
	}
	s.WriteString(b.o.paint(cut(b.counts(hidden), width), dim) + "\n")
	return s.String()
}

func rank(r *row) int {
	switch r.last.Kind {
	case provision.Failed:
		return 0
	case provision.Skipped:
		return 2
	case provision.Done:
		return 3
	}
	return 1
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
	case provision.Skipped:
		m.symbol, text, st, took = "-", "skipped, because of "+clean(e.Detail, false), dim, 0
	}
	time := "      "
	if took > 0 || !r.ended() {
		time = fmt.Sprintf("%6s", seconds(took))
	}
	left := pad(cut(clean(e.Step, false), step), step) + " " + time + "  "
	if room := width - cells(left) - 2; room > 0 {
		return b.o.paint(m.symbol, st) + " " + left + cut(text, room)
	}
	return cut(m.symbol+" "+left, width)
}

func (b *board) counts(hidden int) string {
	var done, running, failed, skipped int
	for _, r := range b.rows {
		switch r.last.Kind {
		case provision.Done:
			done++
		case provision.Failed:
			failed++
		case provision.Skipped:
			skipped++
		default:
			running++
		}
	}
	s := fmt.Sprintf("%d done, %d running", done, running)
	if failed > 0 {
		s += fmt.Sprintf(", %d failed", failed)
	}
	if skipped > 0 {
		s += fmt.Sprintf(", %d skipped", skipped)
	}
	if hidden > 0 {
		s += fmt.Sprintf(" (%d not shown)", hidden)
	}
	return s
}

// live draws a board on a terminal; see NewBoard.
type live struct {
	w     io.Writer
	size  func() (width, height int)
	mu    sync.Mutex
	board board
	log   *logger  // counts the events
	lines []string // the lines that stay on the screen
	drawn []int    // cells of each line on the screen
	stop  chan struct{}
	idle  crash.Group
}

// frameInterval is the time between two drawings of the board.
const frameInterval = 100 * time.Millisecond

// NewBoard shows a run as a live board on a terminal. It redraws the board in place
// and replaces it with log lines at the end. It calls size before each drawing. The
// cursor stays visible below the board, so that a killed process leaves a usable
// terminal.
func NewBoard(w io.Writer, size func() (width, height int), o Options) Progress {
	l := &live{
		w: w, size: size, board: board{o: o}, stop: make(chan struct{}),
		log: newLogger(w, o),
	}
	l.idle.Go(func() {
		t := time.NewTicker(frameInterval)
		defer t.Stop()
		for {
			select {
			case <-l.stop:
				return
			case now := <-t.C:
				l.draw(now)
			}
		}
	})
	return l
}

func (l *live) Notify(e provision.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.board.apply(e)
	l.log.counted(e)
	switch e.Kind {
	case provision.Done, provision.Failed, provision.Skipped:
		l.lines = append(l.lines, l.board.o.eventLine(e))
	}
}

// Done replaces the board with the log lines of the finished steps.
func (l *live) Done(o Outcome) error {
	close(l.stop)
	l.idle.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	width, _ := l.size()
	s := l.erase(width)
	for _, line := range l.lines {
		s += line + "\n"
	}
	l.log.write(s + ending(l.board.o, l.log.count, o))
	return l.log.err
}

func (l *live) draw(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	width, height := l.size()
	// Some terminals wrap when something is written to the last column.
	frame := l.board.frame(now, max(width-1, 8), max(height-1, 1))
	s := l.erase(width) + frame
	l.drawn = l.drawn[:0]
	for line := range strings.Lines(frame) {
		l.drawn = append(l.drawn, cells(strip(strings.TrimSuffix(line, "\n"))))
	}
	if s != "" {
		l.log.write(s)
	}
}

// erase returns the sequence that erases the board. A terminal that became narrower
// has wrapped the lines, so erase counts them at the current width.
func (l *live) erase(width int) string {
	up := 0
	for _, n := range l.drawn {
		up += max(1, (n+max(width, 1)-1)/max(width, 1))
	}
	if up == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", up)
}
