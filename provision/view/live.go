package view

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/crash"
)

// Board shows a run as a live board at the end of a terminal. It redraws the board in
// place, and replaces it with log lines at the end. What others write meanwhile goes
// through [Board.Write], and stays above the board.
//
// Between two drawings, the cursor is at the start of the board's first line, which is
// blank, and all that is below it belongs to the board. This is what keeps a terminal
// clean whose size changes: terminals, and tmux above all, cut off lines below the cursor
// if they get lower, but move those above it to their scrollback. For the same reason, the
// board never scrolls what it has drawn, and never erases the screen from its first line:
// tmux keeps a copy of what is erased so.
//
// A drawing is one write, and leaves the terminal as it was, so that a killed process
// leaves a usable one.
type Board struct {
	w      io.Writer
	size   func() (width, height int)
	mu     sync.Mutex
	board  board
	log    *logger // counts the events
	ended  []provision.Event
	room   area // that was made for the board
	frames int
	drawn  bool // whether the board is on the screen
	over   bool // whether Done or Leave was called
	stop   chan struct{}
	idle   crash.Group
}

type area struct{ width, height, lines int }

// frameInterval is the time between two drawings of the board.
const frameInterval = 100 * time.Millisecond

// roomInterval is the number of drawings after which the board makes room again: a user who
// presses the enter key moves it down.
const roomInterval = 10

// NewBoard calls size before each drawing; it returns 0 if it does not know.
func NewBoard(w io.Writer, size func() (width, height int), o Options) *Board {
	return &Board{w: w, size: size, board: board{o: o}, log: newLogger(w, o), stop: make(chan struct{})}
}

// Begin implements Progress.
func (b *Board) Begin(total int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.board.total = total
}

// Notify implements Progress. The first event starts the drawing, and is drawn at once.
func (b *Board) Notify(e provision.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	first := len(b.board.rows) == 0
	b.board.apply(e)
	if first {
		b.draw(time.Now(), nil)
		b.idle.Go(b.animate)
	}
	b.log.counted(e)
	switch e.Kind {
	case provision.Done, provision.Failed, provision.Skipped:
		b.ended = append(b.ended, e)
	}
}

func (b *Board) animate() {
	t := time.NewTicker(frameInterval)
	defer t.Stop()
	for {
		select {
		case <-b.stop:
			return
		case now := <-t.C:
			b.tick(now)
		}
	}
}

func (b *Board) tick(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draw(now, nil)
}

// Write writes a note of whole lines above the board. Without a board on the screen it
// writes what it is given.
func (b *Board) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.drawn || b.over {
		return b.w.Write(p)
	}
	before := b.log.err
	b.draw(time.Now(), strings.Split(strings.Trim(string(p), "\n"), "\n"))
	if before == nil && b.log.err != nil {
		return 0, b.log.err
	}
	return len(p), nil
}

// Done replaces the board with the log lines of the finished steps.
func (b *Board) Done(o Outcome) error {
	b.leave(func(look Options) string { return ending(look, b.log.count, o) })
	return b.log.err
}

// Leave replaces the board with log lines because the process ends at once: also steps that
// are not finished get one.
func (b *Board) Leave() {
	b.leave(func(look Options) (text string) {
		for _, r := range b.board.rows {
			if !r.ended() {
				text += look.unfinishedLine(r.last.Step, time.Since(r.began)) + "\n"
			}
		}
		return text
	})
}

func (b *Board) leave(end func(Options) string) {
	b.mu.Lock()
	begun := !b.over
	b.over = true
	b.mu.Unlock()
	if !begun {
		return
	}
	close(b.stop)
	b.idle.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	look := b.board.o
	look.Width, _ = b.size()
	text := ""
	for _, e := range b.ended {
		text += look.eventLine(e) + "\n"
	}
	text += end(look)
	if !b.drawn {
		b.log.write(text)
		return
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	last := len(lines) - 1
	b.log.write("\r" + above(lines[:last]) + lines[last] + eraseBelow + "\r\n")
}

// Sequences of a terminal; see https://invisible-island.net/xterm/ctlseqs/ctlseqs.html.
const (
	eraseRight  = "\x1b[K"
	eraseBelow  = "\x1b[J" // and the rest of the line; never at the start of a line
	down        = "\x1b[B" // does not scroll
	saveCursor  = "\x1b7"
	backToSaved = "\x1b8"
	wrapOff     = "\x1b[?7l" // a line that is wider than we think takes one line all the same
	wrapOn      = "\x1b[?7h"
)

// above writes lines over the board.
func above(lines []string) (s string) {
	for _, l := range lines {
		s += l + eraseRight + "\r\n"
	}
	return s
}

// draw draws the board below the notes.
func (b *Board) draw(now time.Time, notes []string) {
	width, height := b.size()
	if width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	lines := b.fit(now, width, height)
	if b.over || lines == nil {
		return
	}
	s := "\r" + above(notes)
	if have := (area{width, height, len(lines)}); len(notes) > 0 || b.needsRoom(have) {
		b.room = have
		if n := len(lines) - 1; n > 0 {
			s += strings.Repeat("\n", n) + fmt.Sprintf("\x1b[%dA\r", n)
		}
	}
	b.frames++
	s += saveCursor + wrapOff + strings.Join(lines, eraseRight+"\r"+down) + eraseBelow + wrapOn + backToSaved
	b.drawn = true
	b.log.write(s)
}

// fit returns the lines of the board: a blank one, and the frame. One line of the screen
// stays for what is above the board, if there are enough of them.
func (b *Board) fit(now time.Time, width, height int) []string {
	columns, rows := max(width-1, 8), max(height-1, 1) // some terminals wrap after the last column
	if rows < 4 {
		return b.board.frame(now, columns, rows)
	}
	frame := b.board.frame(now, columns, rows-1)
	if frame == nil {
		return nil
	}
	return append([]string{""}, frame...)
}

// needsRoom reports whether there may be too few lines below the cursor.
func (b *Board) needsRoom(want area) bool {
	same := b.room.width == want.width && b.room.height == want.height && b.room.lines >= want.lines
	return !same || b.frames%roomInterval == 0
}
