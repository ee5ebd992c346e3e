package view

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// play shows the story on a terminal, with a plan above it. It calls look after each event.
func play(t *testing.T, s *terminal, o Options, look func(b *Board, i int)) *Board {
	t.Helper()
	b := NewBoard(s, s.size, o)
	if _, err := b.Write([]byte("Plan: many\nlines\n")); err != nil {
		t.Fatal(err)
	}
	b.Begin(7)
	begun := time.Now()
	for i, e := range story() {
		time.Sleep(time.Until(begun.Add(e.Time.Sub(start))))
		e.Time = time.Now()
		b.Notify(e)
		time.Sleep(150 * time.Millisecond)
		look(b, i)
	}
	return b
}

// rows are the lines of a terminal that can only be the last of a board.
func rows(lines []string) (list []string) {
	for _, l := range lines {
		if strings.Contains(l, " of 7 done, ") {
			list = append(list, l)
		}
	}
	return list
}

// TestBoard plays the story in terminals of several sizes, also of sizes that change. The
// board is on the screen once, never in the scrollback, and gone in the end.
func TestBoard(t *testing.T) {
	for name, sizes := range map[string][][2]int{
		"80x24": {{80, 24}}, "80x12": {{80, 12}}, "120x40": {{120, 40}}, "80x4": {{80, 4}}, "80x2": {{80, 2}}, "40x1": {{40, 1}},
		"lower":             {{80, 24}, {80, 4}},
		"higher":            {{80, 4}, {80, 24}},
		"wider":             {{80, 12}, {120, 12}},
		"narrower":          {{80, 12}, {40, 12}},
		"again and again":   {{80, 24}, {80, 3}, {80, 24}, {40, 6}, {120, 40}, {80, 2}},
		"of unknown size":   {{0, 0}},
		"of no size at all": {{80, 12}, {80, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				width, height := sizes[0][0], sizes[0][1]
				if width == 0 {
					width, height = 80, 24
				}
				s := newTerminal(width, height)
				b := play(t, s, Options{Color: true}, func(_ *Board, i int) {
					if all := s.all(); len(rows(s.shown())) != 1 || len(rows(all)) != 1 || strings.Join(all, "\n") != strings.Join(slices.Compact(all), "\n") {
						t.Errorf("after event %d:\n%s", i, strings.Join(all, "\n"))
					}
					next := sizes[(i+1)%len(sizes)]
					if next[0] > 0 {
						s.resize(next[0], next[1])
						time.Sleep(150 * time.Millisecond)
					}
				})
				if err := b.Done(outcome); err != nil {
					t.Fatal(err)
				}
				if have := rows(s.all()); have != nil {
					t.Errorf("left of the board: %q", have)
				}
				if s.unknown != nil || s.noWrap {
					t.Errorf("unknown sequences %q, wraps: %v", s.unknown, !s.noWrap)
				}
				if len(sizes) == 1 && width == 80 {
					golden(t, "run/board-final", strings.Join(s.all(), "\n")+"\n")
				}
			})
		})
	}
}

// TestNotes: what is written while the board is on the screen stays above it, in order.
func TestNotes(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {80, 6}, {30, 6}, {80, 2}} {
		synctest.Test(t, func(t *testing.T) {
			s := newTerminal(size[0], size[1])
			var want []string
			b := play(t, s, Options{}, func(b *Board, i int) {
				note := fmt.Sprintf("note %d", i)
				want = append(want, note)
				if _, err := b.Write([]byte("\n" + note + "\n")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(250 * time.Millisecond)
				all := s.all()
				if have := rows(all); len(have) == 0 || all[len(all)-1] != have[len(have)-1] {
					t.Errorf("%v: the board is not below the note:\n%s", size, strings.Join(all, "\n"))
				}
			})
			have := slices.DeleteFunc(s.all(), func(l string) bool { return !strings.HasPrefix(l, "note ") })
			if !slices.Equal(have, want) {
				t.Errorf("%v: have %q, want %q", size, have, want)
			}
			if err := b.Done(outcome); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Write([]byte("after the end\n")); err != nil {
				t.Fatal(err)
			}
			if all := s.all(); all[len(all)-1] != "after the end" {
				t.Errorf("%v: have %q at the end", size, all[len(all)-1])
			}
		})
	}
}

// TestEnterKey: the terminal shows the line breaks that a user types. The board moves down,
// and leaves nothing behind.
func TestEnterKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTerminal(80, 12)
		play(t, s, Options{}, func(_ *Board, i int) {
			if _, err := s.Write([]byte("\n")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(roomInterval * frameInterval)
			if have := rows(s.all()); len(have) != 1 {
				t.Errorf("after event %d:\n%s", i, strings.Join(s.all(), "\n"))
			}
		}).Leave()
	})
}

// stopped is a run that the user stops: one step is done, one is stopped, two have not begun.
func stopped() []provision.Event {
	cause := fmt.Errorf("%w; run the same command again", provision.ErrInterrupted)
	event := func(step string, k provision.EventKind, after time.Duration, err error) provision.Event {
		return provision.Event{Time: start.Add(after), Step: step, Op: provision.Create, Kind: k, Elapsed: after, Err: err, Detail: "base"}
	}
	return []provision.Event{
		event("bucket", provision.Started, 0, nil), event("worker", provision.Started, 0, nil),
		event("bucket", provision.Done, time.Second, nil), event("worker", provision.Waiting, time.Second, nil),
		event("worker", provision.Failed, 3*time.Second, &provision.StepError{Step: "worker", Doing: "wait", Err: cause}),
		event("work pool", provision.Skipped, 3*time.Second, cause), event("queue", provision.Skipped, 3*time.Second, cause),
	}
}

// TestInterrupted: what the user stops has not failed.
func TestInterrupted(t *testing.T) {
	var log strings.Builder
	l := NewLog(&log, Options{})
	b := board{total: 6}
	for _, e := range stopped() {
		l.Notify(e)
		b.apply(e)
	}
	if err := l.Done(Outcome{Elapsed: 3 * time.Second}); err != nil {
		t.Fatal(err)
	}
	golden(t, "run/interrupted", log.String()+"---\n"+strings.Join(b.frame(start.Add(3*time.Second), 80, 20), "\n")+"\n")
	for _, word := range []string{"fail", "because"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("%q in:\n%s", word, &log)
		}
	}
}

// TestLeave: a process that ends at once says what is not finished, and leaves no board.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTerminal(80, 12)
		b := NewBoard(s, s.size, Options{})
		for _, e := range stopped()[:4] {
			e.Time = time.Now()
			b.Notify(e)
		}
		time.Sleep(2 * time.Second)
		b.Leave()
		b.Leave()
		if err := b.Done(outcome); err != nil {
			t.Fatal(err)
		}
		want := []string{"✓ bucket: created (1.0s)", "! worker: not finished (2.0s)"}
		if have := s.all(); !slices.Equal(have, want) {
			t.Errorf("have %q, want %q", have, want)
		}
	})
}

// TestSentences: lines of progress are wrapped at words, with and without color.
func TestSentences(t *testing.T) {
	e := provision.Event{Step: "task role", Kind: provision.Failed, Op: provision.Update, Elapsed: time.Second,
		Err: errors.New("put policy: AccessDenied: user ada is not authorized to perform iam:PutRolePolicy")}
	want := "✗ task role: failed (1.0s): put\n    policy: AccessDenied: user ada is\n    not authorized to perform\n    iam:PutRolePolicy"
	if have := (Options{Width: 40}).eventLine(e); have != want {
		t.Errorf("have %q, want %q", have, want)
	}
	if have := strip((Options{Width: 40, Color: true}).eventLine(e)); have != want {
		t.Errorf("in color: have %q, want %q", have, want)
	}
}
