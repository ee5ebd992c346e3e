package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/flowbed/flowbed/provision/columns"
	"github.com/flowbed/flowbed/provision/view"
)

// results is stdout. It remembers the first error, because not every text that is written
// there, such as help, comes with a check.
type results struct {
	io.Writer
	notes *notes // whose status gives way
	mu    sync.Mutex
	err   error
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.notes.over(r.Writer, p)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.err == nil {
			r.err = err
		}
	}
	return n, err
}

// written is the error of a command, or of what it wrote: a result that nobody gets is no
// success.
func (a *app) written(err error) error {
	a.results.mu.Lock()
	defer a.results.mu.Unlock()
	if a.results.err == nil || err != nil && err.Error() != "" {
		return err
	}
	return fmt.Errorf("write to stdout: %w", a.results.err)
}

// notes is stderr. While there is a board or a status, what is written goes above it.
type notes struct {
	io.Writer
	board  atomic.Pointer[view.Board]
	status atomic.Pointer[view.Status]
}

func (n *notes) Write(p []byte) (int, error) {
	if b := n.board.Load(); b != nil {
		return n.over(b, p)
	}
	return n.over(n.Writer, p)
}

// commands is where flowbed writes its own commands for GitHub's runner.
func (n *notes) commands() io.Writer {
	if d, ok := n.Writer.(disarmed); ok {
		return d.Writer
	}
	return n
}

// over writes to one of the streams above the status.
func (n *notes) over(w io.Writer, p []byte) (int, error) {
	if s := n.status.Load(); s != nil {
		return s.Over(w, p)
	}
	return w.Write(p)
}

// asciiSigns are the signs of flowbed for a terminal that has no others.
var asciiSigns = strings.NewReplacer("… and", "... and", "→", "->", "✓", "*", "✗", "x", "·", ".", "±", "%", "…", "~",
	"⠋", "|", "⠙", "/", "⠹", "-", "⠸", `\`, "⠼", "|", "⠴", "/", "⠦", "-", "⠧", `\`, "⠇", "|", "⠏", "/")

// ascii replaces flowbed's signs.
type ascii struct{ w io.Writer }

func (a ascii) Write(p []byte) (int, error) {
	if _, err := asciiSigns.WriteString(a.w, string(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// legible returns a writer to a stream that writes only signs that its terminal has.
func legible(f *os.File) io.Writer {
	if plainSigns(f) {
		return ascii{f}
	}
	return f
}

// plainSigns reports whether a stream is a terminal of a locale that has only ASCII for sure.
// Without a locale, as in many containers, terminals know UTF-8 all the same.
func plainSigns(f *os.File) bool {
	locale := firstOf(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	name := strings.ReplaceAll(strings.ToLower(locale), "-", "")
	return locale != "" && !strings.Contains(name, "utf8") && runtime.GOOS != "windows" && term.IsTerminal(int(f.Fd()))
}

// leave takes a board and a status off the screen, because the process ends.
func (n *notes) leave() {
	if s := n.status.Load(); s != nil {
		s.End()
	}
	if b := n.board.Load(); b != nil {
		b.Leave()
	}
}

// newBoard returns a board on stderr; nil if stderr is not a terminal that can show one.
func (a *app) newBoard(o view.Options) *view.Board {
	if !a.motion() {
		return nil
	}
	a.idle()
	b := view.NewBoard(a.err.Writer, func() (int, int) { return size(os.Stderr) }, o)
	a.err.board.Store(b)
	return b
}

// chatter is where to write what --quiet leaves out.
func (a *app) chatter() io.Writer {
	if a.quiet {
		return io.Discard
	}
	return a.err
}

// colour reports whether to color the output on a stream. FORCE_COLOR and CLICOLOR_FORCE say so
// for streams that are no terminal, such as the log of a CI job; NO_COLOR is stronger. See
// https://no-color.org, https://force-color.org and https://bixense.com/clicolors.
func (a *app) colour(f *os.File) bool {
	force := os.Getenv("FORCE_COLOR")
	switch {
	case a.noColor || os.Getenv("NO_COLOR") != "" || force != "" && !truthy(force):
		return false
	case force != "" || truthy(os.Getenv("CLICOLOR_FORCE")):
		return true
	}
	return !dumb() && isTerminal(f)
}

// motion reports whether to draw a live board on stderr.
func (a *app) motion() bool {
	return !a.quiet && !dumb() && os.Getenv("CI") == "" && isTerminal(os.Stderr)
}

// dumb reports whether terminals understand no sequences. Only Windows does without TERM.
func dumb() bool {
	t := os.Getenv("TERM")
	return t == "dumb" || t == "" && runtime.GOOS != "windows"
}

// isTerminal reports whether a stream is a terminal that understands sequences, once they
// are allowed: a console of Windows needs to be told.
func isTerminal(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && allowSequences(f)
}

func width(f *os.File) int {
	w, _ := size(f)
	return w
}

// size is the size of the terminal; 0 if the stream is not a terminal.
func size(f *os.File) (width, height int) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	if plainSigns(f) {
		w = max(w-2, 1) // for the arrows, which take one column more
	}
	return w, h
}

func wrap(s string, width int) string { return strings.Join(columns.Wrap(s, width), "\n") }
