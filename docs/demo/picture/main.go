// Picture records the session that README.md shows: it types commands into a terminal (tmux),
// takes what the terminal shows, and writes it as an animated SVG. The program is the real
// one, in its sandbox.
//
// Usage: go run ./docs/demo/picture PATH-TO-FLOWBED > docs/demo/session.svg
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	columns = 92
	lines   = 26
)

// scene is what is typed, and the answer to the question that then comes, if any.
type scene struct{ command, answer string }

var scenes = []scene{{"flowbed plan", ""}, {"flowbed up", "yes"}, {"flowbed hello", ""}, {"flowbed down", "yes"}}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./docs/demo/picture PATH-TO-FLOWBED > docs/demo/session.svg")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program string, w io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "flowbed-picture-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t, err := open(ctx, dir, program)
	if err != nil {
		return err
	}
	defer func() { _, _ = t.tmux("kill-server") }()
	for _, s := range scenes {
		if err := t.play(s); err != nil {
			return fmt.Errorf("%s: %w", s.command, err)
		}
	}
	return draw(w, t.frames)
}

// frame is what the terminal shows, with its sequences, and for how long.
type frame struct {
	screen []string
	shown  time.Duration
}

// terminal is a pane of tmux with a shell.
type terminal struct {
	ctx         context.Context //nolint:containedctx // it lives as long as the program
	socket, dir string
	frames      []frame
}

// open starts a shell in which flowbed is the program.
func open(ctx context.Context, dir, program string) (*terminal, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile("docs/demo/config.hcl")
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.WriteFile(filepath.Join(dir, "config.hcl"), config, 0o644), os.Symlink(program, filepath.Join(dir, "flowbed")))
	if err != nil {
		return nil, err
	}
	t := &terminal{ctx: ctx, socket: filepath.Join(dir, "tmux"), dir: dir}
	if _, err := t.tmux("new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(lines), "-c", dir, "sh"); err != nil {
		return nil, err
	}
	return t, t.until(prompted)
}

func (t *terminal) tmux(args ...string) (string, error) {
	c := exec.CommandContext(t.ctx, "tmux", append([]string{"-f", "/dev/null", "-u", "-S", t.socket}, args...)...)
	c.Env = []string{"HOME=" + t.dir, "PATH=" + t.dir + ":" + os.Getenv("PATH"), "PS1=$ ", "LANG=C.UTF-8", "SHELL=/bin/sh",
		"FLOWBED_SANDBOX=1", "FLOWBED_VAR_api_key=pnu_only_a_demonstration"}
	out, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}

// Times of the picture. What the program does takes as long as it does, but no frame is
// shorter than a reader sees, or longer than he waits.
const (
	keystroke = 60 * time.Millisecond
	shortest  = 150 * time.Millisecond
	longest   = 1500 * time.Millisecond
	toRead    = 4 * time.Second
)

// play types a command and records what follows, until the prompt is back.
func (t *terminal) play(s scene) error {
	if err := t.write(s.command); err != nil {
		return err
	}
	if s.answer != "" {
		if err := t.until(asked); err != nil {
			return err
		}
		t.frames[len(t.frames)-1].shown = toRead
		if err := t.write(s.answer); err != nil {
			return err
		}
	}
	if err := t.until(prompted); err != nil {
		return err
	}
	t.frames[len(t.frames)-1].shown = toRead
	return nil
}

// write types a line. It does not wait for the program, whose output may come at once.
func (t *terminal) write(line string) error {
	for _, key := range line {
		if _, err := t.tmux("send-keys", "-l", string(key)); err != nil {
			return err
		}
		if err := t.look(keystroke); err != nil {
			return err
		}
	}
	_, err := t.tmux("send-keys", "Enter")
	return err
}

// until records until the last line that is not empty is as it should be.
func (t *terminal) until(good func(last string) bool) error {
	for range 1000 {
		time.Sleep(50 * time.Millisecond)
		if err := t.look(shortest); err != nil {
			return err
		}
		screen := t.frames[len(t.frames)-1].screen
		for i := len(screen) - 1; i >= 0; i-- {
			if text := plain(screen[i]); text != "" {
				if good(text) {
					return nil
				}
				break
			}
		}
	}
	return errors.New("the terminal does not show what it should")
}

func prompted(last string) bool { return last == "$" }

func asked(last string) bool {
	return strings.Contains(last, "? Only yes") || strings.HasSuffix(last, ":")
}

// look adds a frame if the terminal has changed; otherwise the last one is shown longer.
func (t *terminal) look(shown time.Duration) error {
	out, err := t.tmux("capture-pane", "-e", "-p")
	if err != nil {
		return err
	}
	screen := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if n := len(t.frames); n > 0 && strings.Join(t.frames[n-1].screen, "\n") == strings.Join(screen, "\n") {
		t.frames[n-1].shown = min(t.frames[n-1].shown+50*time.Millisecond, longest)
		return nil
	}
	t.frames = append(t.frames, frame{screen, shown})
	return nil
}
