package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowbed/flowbed/test/e2e/able"
)

// pane is a real terminal: a pane of tmux, which keeps a scrollback of 2,000 lines.
type pane struct {
	*testing.T
	socket, dir string
}

func newPane(t *testing.T, width, height string, args ...string) *pane {
	t.Helper()
	p := &pane{t, filepath.Join(t.TempDir(), "tmux"), configured(t, waitingConfig)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(p.dir, args[0])
	if err := os.Symlink(self, named); err != nil {
		t.Fatal(err)
	}
	args[0] = named
	t.Cleanup(func() {
		ctx := context.Background()             // that of the test has ended
		_ = p.command(ctx, "kill-server").Run() // it may have ended with the program
		if p.command(ctx, "has-session").Run() == nil {
			t.Error("tmux still runs")
		}
	})
	// The shell keeps the pane when the program has ended.
	shell := "trap : INT; " + strings.Join(args, " ") + `; echo "exit code $?"; exec sleep 1000000`
	p.tmux("new-session", "-d", "-x", width, "-y", height, "-c", p.dir, shell)
	p.tmux("pipe-pane", "cat >> "+filepath.Join(p.dir, "drawn"))
	return p
}

func (p *pane) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "tmux", append([]string{"-f", "/dev/null", "-u", "-S", p.socket}, args...)...)
	c.Env = []string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH"), "FLOWBED_SANDBOX=1", "LANG=C.UTF-8", "SHELL=/bin/sh"}
	return c
}

func (p *pane) tmux(args ...string) string {
	p.Helper()
	out, err := p.command(p.Context(), args...).CombinedOutput()
	if err != nil {
		p.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

// all is the scrollback and the screen; shown is only the screen.
func (p *pane) all() string   { p.Helper(); return p.tmux("capture-pane", "-p", "-S", "-") }
func (p *pane) shown() string { p.Helper(); return p.tmux("capture-pane", "-p") }

// until waits until the screen shows something. It ends only with the test.
func (p *pane) until(what string) {
	p.Helper()
	for !strings.Contains(p.shown(), what) {
		time.Sleep(20 * time.Millisecond)
	}
}

// drawings waits until the board was drawn anew often enough to show whether drawing leaves
// copies.
func (p *pane) drawings() {
	p.Helper()
	drawn := func() int {
		text, err := os.ReadFile(filepath.Join(p.dir, "drawn"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.Fatal(err)
		}
		return bytes.Count(text, []byte("\x1b[?7l"))
	}
	for was := drawn(); drawn() < was+15; {
		time.Sleep(20 * time.Millisecond)
	}
}

// lastRow is the last line of a board.
var lastRow = regexp.MustCompile(`(?m)^\d+ of \d+ done, `)

// copies counts the boards.
func copies(text string) int { return len(lastRow.FindAllString(text, -1)) }

// TestTmux: in panes of several sizes, also of sizes that change, there is one board on the
// screen, and nothing of it in the scrollback. Messages stay, and the board goes in the end.
func TestTmux(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		able.Without(t, "tmux")
	}
	for name, sizes := range map[string][][2]string{
		"80x24": {{"80", "24"}}, "80x12": {{"80", "12"}}, "120x40": {{"120", "40"}}, "80x4": {{"80", "4"}}, "60x2": {{"60", "2"}},
		"lower":           {{"80", "24"}, {"80", "12"}, {"80", "5"}},
		"higher":          {{"80", "5"}, {"80", "12"}, {"80", "40"}},
		"wider":           {{"80", "12"}, {"120", "12"}},
		"again and again": {{"80", "24"}, {"80", "6"}, {"80", "30"}, {"80", "6"}, {"120", "40"}, {"120", "8"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPane(t, sizes[0][0], sizes[0][1], "flowbed-endless", "up", "--yes")
			p.until(" 1 running")
			for _, s := range sizes {
				p.tmux("resize-window", "-x", s[0], "-y", s[1])
				p.drawings()
				if have := copies(p.shown()); have != 1 {
					t.Errorf("%v: %d boards on the screen:\n%s", s, have, p.shown())
				}
				if have := copies(p.all()); have != 1 {
					t.Errorf("%v: %d boards with the scrollback:\n%s", s, have, p.all())
				}
			}
			p.tmux("send-keys", "C-c")
			p.until("exit code 130")
			all := p.all()
			for _, want := range []string{"Plan: 15 to create", "Stopping: ", "! worker: interrupted (", "1 interrupted in ", "error: interrupted;"} {
				if strings.Count(all, want) != 1 {
					t.Errorf("%d times %q:\n%s", strings.Count(all, want), want, all)
				}
			}
			for _, not := range []string{"failed", " of 15 done", "… and ", "waiting: "} {
				if strings.Contains(all, not) {
					t.Errorf("%q in the end:\n%s", not, all)
				}
			}
		})
	}
}

// TestTmuxNarrower: tmux wraps the lines of a pane that gets narrower, and so a part of the
// board can get to the scrollback: at most once for each change, and never more by drawing.
func TestTmuxNarrower(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		able.Without(t, "tmux")
	}
	t.Parallel()
	p := newPane(t, "120", "14", "flowbed-endless", "up", "--yes")
	p.until(" done, 1 running")
	p.tmux("resize-window", "-x", "40", "-y", "14")
	p.drawings()
	before := strings.Count(p.all(), "agent instance profile")
	p.drawings()
	if have := strings.Count(p.all(), "agent instance profile"); have != before {
		t.Errorf("have %d lines, want %d:\n%s", have, before, p.all())
	}
	if have := copies(p.shown()); have != 1 {
		t.Errorf("%d boards on the screen:\n%s", have, p.shown())
	}
	p.tmux("send-keys", "C-c")
	p.until("exit code 130")
	if have := copies(p.all()); have != 0 {
		t.Errorf("%d boards in the end:\n%s", have, p.all())
	}
}
