package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// dialog is the real program in a terminal.
type dialog struct {
	*testing.T
	cmd    *exec.Cmd
	master *os.File
	said   strings.Builder
}

// talk starts the program in a terminal of 80 columns. typed is what the user has typed
// before it starts.
func talk(t *testing.T, dir, typed string, env []string, args ...string) *dialog {
	t.Helper()
	d := &dialog{T: t, cmd: program(t, dir, "flowbed", args...)}
	var slave *os.File
	d.master, slave = openTerminal(t)
	d.cmd.Stdin, d.cmd.Stdout, d.cmd.Stderr = slave, slave, slave
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	d.cmd.Env = append(d.cmd.Env, env...)
	err := unix.IoctlSetWinsize(int(d.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	d.answer(typed)
	if err := errors.Join(err, d.cmd.Start(), slave.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.master.Close() })
	return d
}

// answer types an answer.
func (d *dialog) answer(text string) {
	d.Helper()
	if _, err := d.master.WriteString(text); err != nil {
		d.Fatal(err)
	}
}

// until reads until the program has said something, or has ended.
func (d *dialog) until(what string) bool {
	d.Helper()
	b := make([]byte, 1<<12)
	for what == "" || !strings.Contains(d.said.String(), what) {
		n, err := d.master.Read(b)
		d.said.Write(b[:n])
		if err != nil {
			return false
		}
	}
	return true
}

// end waits for the end of the program, and returns its exit code and all that it said.
func (d *dialog) end() (code int, said string) {
	d.Helper()
	d.until("")
	_ = d.cmd.Wait()
	return d.cmd.ProcessState.ExitCode(), strings.ReplaceAll(d.said.String(), "\r\n", "\n")
}

const bareConfig = `environment "dev" { region = "us-east-1" }`

// configured is a folder with a config file.
func configured(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

const prompt = "continue: " // the end of the question

// TestQuestion: only the word confirms, and only if it is typed after the question.
func TestQuestion(t *testing.T) {
	for name, c := range map[string]struct {
		typed, answer string
		code          int
		want          string
	}{
		"yes":            {"", "yes\n", exitOK, "Up: "},
		"with blanks":    {"", "  yes \n", exitOK, "Up: "},
		"no":             {"", "no\n", exitFailed, "error: not confirmed; nothing was changed"},
		"y":              {"", "y\n", exitFailed, "error: not confirmed; nothing was changed"},
		"nothing":        {"", "\n", exitFailed, "error: not confirmed; nothing was changed"},
		"end of input":   {"", "\x04", exitFailed, "error: not confirmed; nothing was changed"},
		"yes too early":  {"yes\n", "no\n", exitFailed, "error: not confirmed; nothing was changed"},
		"many too early": {"yes\nyes\nyes\nye", "s\n", exitFailed, "error: not confirmed; nothing was changed"},
		"no too early":   {"no\n", "yes\n", exitOK, "Up: "},
	} {
		t.Run(name, func(t *testing.T) {
			d := talk(t, configured(t, bareConfig), c.typed, []string{"TERM=dumb"}, "up")
			if !d.until(prompt) {
				t.Fatalf("asked nothing: %s", &d.said)
			}
			d.answer(c.answer)
			code, said := d.end()
			if code != c.code || !strings.Contains(said, c.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, c.code, c.want, said)
			}
		})
	}
}

// TestQuestionFits: the question and its answer are on lines of their own, none of which is
// broken by the terminal.
func TestQuestionFits(t *testing.T) {
	for width := 30; width <= 200; width++ {
		for _, word := range []string{"yes", "an-environment-with-a-long-name"} {
			text := asking("Remove environment dev in account 123456789012, region ap-southeast-1?", word, width)
			for _, l := range strings.Split(text+word, "\n") {
				if len(l) >= width && len(word) < 20 {
					t.Errorf("%d columns: %q", width, l)
				}
			}
			if !strings.HasSuffix(strings.Join(strings.Fields(text), " ")+" ", "? Type \""+word+"\" to continue: ") {
				t.Errorf("%d columns: %q", width, text)
			}
		}
	}
}

// TestLooks: what a terminal gets depends on what it can do.
func TestLooks(t *testing.T) {
	const color, motion, utf8 = "\x1b[1m", "\x1b[?7l", "✓"
	dir := configured(t, waitingConfig)
	for name, c := range map[string]struct {
		env  []string
		want []string
	}{
		"a good one":       {[]string{"TERM=xterm-256color", "LANG=en_US.UTF-8"}, []string{color, motion, utf8}},
		"without a locale": {[]string{"TERM=xterm-256color"}, []string{color, motion, utf8}},
		"no color":         {[]string{"TERM=xterm-256color", "NO_COLOR=1"}, []string{motion, utf8}},
		"CI":               {[]string{"TERM=xterm-256color", "CI=true"}, []string{color, utf8}},
		"dumb":             {[]string{"TERM=dumb"}, []string{utf8}},
		"unknown":          {nil, []string{utf8}},
		"LANG=C":           {[]string{"TERM=xterm-256color", "LANG=C"}, []string{color, motion}},
		"LC_ALL=POSIX":     {[]string{"TERM=dumb", "LC_ALL=POSIX", "LANG=en_US.UTF-8"}, nil},
		"LC_CTYPE":         {[]string{"TERM=dumb", "LC_CTYPE=de_DE.utf8", "LANG=C"}, []string{utf8}},
		"latin":            {[]string{"TERM=dumb", "LANG=de_DE.ISO-8859-1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			code, up := talk(t, dir, "", c.env, "up", "--yes").end()
			if code != exitOK {
				t.Errorf("up: exit code %d:\n%s", code, up)
			}
			code, down := talk(t, dir, "", c.env, "down", "--yes").end()
			if code != exitOK {
				t.Errorf("down: exit code %d:\n%s", code, down)
			}
			for _, part := range []string{color, motion, utf8} {
				want := false
				for _, w := range c.want {
					want = want || w == part
				}
				if have := strings.Contains(up+down, part); have != want {
					t.Errorf("%q: have %v, want %v:\n%s", part, have, want, up)
				}
			}
			if !strings.Contains(strings.Join(c.want, ""), utf8) && strings.ContainsFunc(up+down, func(r rune) bool { return r > 0x7f }) {
				t.Errorf("not ASCII:\n%s%s", up, down)
			}
		})
	}
}
