package main

import (
	"fmt"
	"os"

	"github.com/flowbed/flowbed/provision/view"
)

// busy says on stderr what the command is doing from now on, until idle. Every command that
// waits for somebody calls it, so that something moves soon.
func (a *app) busy(format string, args ...any) {
	if a.quiet {
		return
	}
	s := a.err.status.Load()
	if s == nil {
		s = view.NewStatus(a.err.Writer, func() int { return width(os.Stderr) }, a.motion())
		a.err.status.Store(s)
	}
	s.Begin(fmt.Sprintf(format, args...))
}

// counted says how far the command is.
func (a *app) counted(done, total int, of string) {
	if s := a.err.status.Load(); s != nil {
		s.Count(done, total, of)
	}
}

// idle ends what busy has begun: the command shows something itself, or asks.
func (a *app) idle() {
	if s := a.err.status.Load(); s != nil {
		s.End()
	}
}

// reading says that the command reads an environment.
func (a *app) reading(h view.Header) {
	a.busy("Reading environment %s in account %s, region %s", h.Environment, h.Account, h.Region)
}
