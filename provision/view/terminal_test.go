package view

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// terminal is one as tmux is: of a size, with a scrollback. It knows what the board uses, and
// keeps a list of the rest. For it, every character has one column. TestTmux in cmd/flowbed
// is about the real one.
type terminal struct {
	mu            sync.Mutex
	width, height int
	history       []string
	lines         [][]string // height lines of one string for each column
	x, y          int
	saved         [2]int
	noWrap        bool
	unknown       []string
}

func newTerminal(width, height int) *terminal {
	t := &terminal{width: width, height: height}
	for range height {
		t.lines = append(t.lines, nil)
	}
	return t
}

func (t *terminal) size() (int, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.width, t.height
}

// resize does what tmux does, except that it cuts lines off instead of wrapping them anew: a
// lower terminal loses lines below the cursor first, and then moves lines to the
// scrollback; a higher one gets them back.
func (t *terminal) resize(width, height int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.width = width
	for i, l := range t.lines {
		t.lines[i] = l[:min(len(l), width)]
	}
	below := min(max(t.height-height, 0), t.height-1-t.y)
	t.lines = t.lines[:len(t.lines)-below]
	for len(t.lines) > height {
		t.scroll()
		t.y--
	}
	for len(t.lines) < height && len(t.history) > 0 {
		last := len(t.history) - 1
		t.lines = slices.Insert(t.lines, 0, strings.Split(t.history[last], ""))
		t.history = t.history[:last]
		t.y++
	}
	for len(t.lines) < height {
		t.lines = append(t.lines, nil)
	}
	t.height = height
}

func (t *terminal) scroll() {
	t.history = append(t.history, strings.Join(t.lines[0], ""))
	t.lines = t.lines[1:]
}

// shown is what can be seen; without lines that are blank at the end.
func (t *terminal) shown() (lines []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lines {
		lines = append(lines, strings.TrimRight(strings.Join(l, ""), " "))
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// all is the scrollback and what can be seen.
func (t *terminal) all() []string {
	shown := t.shown()
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(slices.Clone(t.history), shown...)
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := string(p); s != ""; {
		n := t.control(s)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(s)
			t.put(s[:n])
		}
		s = s[n:]
	}
	return len(p), nil
}

func (t *terminal) put(r string) {
	if t.x == t.width {
		if t.noWrap {
			return
		}
		t.x = 0
		t.feed()
	}
	for len(t.lines[t.y]) <= t.x {
		t.lines[t.y] = append(t.lines[t.y], " ")
	}
	t.lines[t.y][t.x] = r
	t.x++
}

func (t *terminal) feed() {
	if t.y++; t.y == t.height {
		t.scroll()
		t.lines = append(t.lines, nil)
		t.y--
	}
}

// control carries out the control character or sequence at the start, and returns its
// length; 0 if there is none.
func (t *terminal) control(s string) int {
	switch s[0] {
	case '\r':
		t.x = 0
		return 1
	case '\n': // the kernel adds the carriage return
		t.x = 0
		t.feed()
		return 1
	case 0x1b:
	default:
		return 0
	}
	end := 1
	if s[1] == '[' {
		end = 2 + strings.IndexFunc(s[2:], func(r rune) bool { return r >= '@' })
	}
	t.sequence(s[1 : end+1])
	return end + 1
}

func (t *terminal) sequence(s string) {
	line := &t.lines[t.y]
	switch {
	case s == "[K":
		*line = (*line)[:min(len(*line), t.x)]
	case s == "[J" && t.x == 0 && t.y == 0:
		for range t.lines {
			t.scroll()
			t.lines = append(t.lines, nil)
		}
	case s == "[J":
		*line = (*line)[:min(len(*line), t.x)]
		clear(t.lines[t.y+1:])
	case s == "[B":
		t.y = min(t.y+1, t.height-1)
	case s == "7":
		t.saved = [2]int{t.x, t.y}
	case s == "8":
		t.x, t.y = t.saved[0], t.saved[1]
	case s == "[?7l":
		t.noWrap = true
	case s == "[?7h":
		t.noWrap = false
	case strings.HasSuffix(s, "m"):
	case strings.HasSuffix(s, "A"):
		n := 0
		if _, err := fmt.Sscanf(s, "[%dA", &n); err != nil {
			t.unknown = append(t.unknown, s)
		}
		t.y = max(t.y-n, 0)
	default:
		t.unknown = append(t.unknown, s)
	}
}
