package view

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/flowbed/flowbed/provision/crash"
)

// Status tells on one line what a command is doing while it has nothing else to show. On a
// terminal, the line moves, and goes when the command has something to show. Elsewhere, a line
// appears every ten seconds.
type Status struct {
	w      io.Writer
	width  func() int
	motion bool

	mu          sync.Mutex
	text, of    string
	done, total int
	phase       time.Time // when the command began what the text says
	began, said time.Time // when it began to wait, and when it last said so
	frames      int
	drawn       bool // whether the line is on the screen
	broken      bool // whether what others wrote has not ended its line
	err         error
	stop        chan struct{} // nil if the command is not waiting
	idle        crash.Group
}

const (
	statusDelay = 200 * time.Millisecond // before the first drawing: most waits are shorter
	statusFrame = 100 * time.Millisecond // between two drawings
)

// NewStatus returns a status that shows nothing yet. motion means that the writer is a terminal
// that can show a line that moves; width is its width, or 0.
func NewStatus(w io.Writer, width func() int, motion bool) *Status {
	return &Status{w: w, width: width, motion: motion}
}

// Begin says what the command is doing from now on. The text completes no sentence, and has no
// period, such as "Reading environment dev".
func (s *Status) Begin(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.text, s.done, s.total, s.phase = clean(text, false), 0, 0, now
	if s.stop != nil {
		return // it waits on: the line comes when it would have come
	}
	stop := make(chan struct{})
	s.stop, s.broken, s.began, s.said = stop, false, now, now
	s.idle.Go(func() { s.run(stop) })
}

// Count says how far the command is: done of total. of is what is counted, in the plural. Calls
// may overtake each other, so a lower number than before is ignored.
func (s *Status) Count(done, total int, of string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if total == s.total {
		done = max(done, s.done)
	}
	s.done, s.total, s.of = done, total, of
}

// End takes the line away.
func (s *Status) End() {
	s.mu.Lock()
	stop := s.stop
	s.stop = nil
	s.hide()
	s.mu.Unlock()
	if stop != nil {
		close(stop)
		s.idle.Wait()
	}
}

// Over writes what has to stand above the line, on another stream of the same terminal or on the
// same one.
func (s *Status) Over(w io.Writer, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hide()
	if len(p) > 0 {
		s.broken = p[len(p)-1] != '\n'
	}
	return w.Write(p)
}

// run shows the line until stop is closed.
func (s *Status) run(stop <-chan struct{}) {
	t := time.NewTicker(statusFrame)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-t.C:
			s.tick(now)
		}
	}
}

func (s *Status) tick(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stop == nil || s.broken:
	case s.motion && (s.drawn || now.Sub(s.began) >= statusDelay):
		s.draw(now)
	case !s.motion && now.Sub(s.said) >= repeatInterval:
		s.said = now
		s.write(s.line(now) + "\n")
	}
}

// spinner are the signs that move.
var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// draw draws the line, and leaves the cursor at its start.
func (s *Status) draw(now time.Time) {
	width := s.width()
	if width <= 0 {
		width = 80
	}
	sign := string(spinner[s.frames%len(spinner)])
	s.frames++
	s.drawn = true
	s.write("\r" + cut(sign+" "+s.line(now), max(width-1, 8)) + eraseRight + "\r")
}

// hide takes the line off the screen. It comes again with the next drawing.
func (s *Status) hide() {
	if s.drawn {
		s.drawn = false
		s.write("\r" + eraseRight)
	}
}

func (s *Status) line(now time.Time) string {
	text := s.text
	if s.total > 0 {
		text += fmt.Sprintf(": %d of %d", s.done, s.total)
		if s.of != "" {
			text += " " + s.of
		}
	}
	if took := now.Sub(s.phase).Truncate(time.Second); took > 0 {
		text += fmt.Sprintf(" (%s)", took)
	}
	return text
}

func (s *Status) write(text string) {
	if err := write(s.w, text); s.err == nil {
		s.err = err
	}
}
