package view

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStatusMoves: on a terminal, something moves within 300 ms, counts, gives way to what
// others write, and leaves nothing behind.
func TestStatusMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		screen := newTerminal(40, 6)
		s := NewStatus(screen, func() int { return 40 }, true)
		signs := map[rune]bool{}
		look := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			have := strings.Join(screen.all(), "\n")
			for _, sign := range spinner {
				if strings.ContainsRune(have, sign) {
					signs[sign] = true
					have = strings.ReplaceAll(have, string(sign), "*")
				}
			}
			if have != strings.Join(want, "\n") {
				t.Errorf("have %q, want %q", have, want)
			}
		}
		s.Begin("Searching for environments")
		look(150 * time.Millisecond)
		look(150*time.Millisecond, "* Searching for environments")
		s.Count(12, 17, "regions")
		look(time.Second, "* Searching for environments: 12 of 17…")
		if _, err := s.Over(screen, []byte("a note\n")); err != nil {
			t.Fatal(err)
		}
		look(0, "a note")
		look(100*time.Millisecond, "a note", "* Searching for environments: 12 of 17…")
		s.Begin("Reading")
		look(100*time.Millisecond, "a note", "* Reading")
		if _, err := s.Over(screen, []byte("half a line")); err != nil {
			t.Fatal(err)
		}
		look(time.Second, "a note", "half a line") // the rest comes at once
		if _, err := s.Over(screen, []byte(" and its end\n")); err != nil {
			t.Fatal(err)
		}
		look(100*time.Millisecond, "a note", "half a line and its end", "* Reading (1s)")
		s.End()
		s.End()
		look(time.Minute, "a note", "half a line and its end")
		if len(screen.unknown) > 0 {
			t.Errorf("unknown sequences %q", screen.unknown)
		}
		s.Begin("Again")
		look(time.Minute, "a note", "half a line and its end", "* Again (1m0s)")
		s.End()
		if len(signs) < 4 {
			t.Errorf("only %d signs: nothing moves", len(signs))
		}
	})
}

// TestStatusElsewhere: off a terminal, there is one line every ten seconds, and none before.
func TestStatusElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		s := NewStatus(&b, func() int { return 0 }, false)
		s.Begin("Searching")
		time.Sleep(9 * time.Second)
		if b.String() != "" {
			t.Errorf("after 9s: %q", &b)
		}
		s.Count(12, 17, "regions")
		time.Sleep(12 * time.Second)
		if _, err := s.Over(io.Discard, []byte("x\n")); err != nil {
			t.Fatal(err)
		}
		s.End()
		if have, want := b.String(), "Searching: 12 of 17 regions (10s)\nSearching: 12 of 17 regions (20s)\n"; have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	})
}

// TestStatusThroughPhases: the time until the first line counts from the beginning of the wait,
// also if what the command waits for changes meanwhile. The line counts the time of the phase.
func TestStatusThroughPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		screen := newTerminal(40, 6)
		moving := NewStatus(screen, func() int { return 40 }, true)
		moving.Begin("Checking")
		time.Sleep(190 * time.Millisecond)
		moving.Begin("Reading")
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if have := strings.Join(screen.all(), "\n"); !strings.HasSuffix(have, " Reading") {
			t.Errorf("after 210 ms: %q", have)
		}
		moving.End()

		var b strings.Builder
		s := NewStatus(&b, func() int { return 0 }, false)
		for _, phase := range []string{"Checking", "Reading", "Planning"} {
			s.Begin(phase)
			time.Sleep(9 * time.Second)
		}
		s.End()
		if have, want := b.String(), "Reading (1s)\nPlanning (2s)\n"; have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	})
}
