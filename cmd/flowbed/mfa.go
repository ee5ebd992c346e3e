package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/flowbed/flowbed/provision/crash"
)

// mfa asks for the code of an MFA device, once in a command.
type mfa struct {
	app     *app
	profile string
	stopped <-chan struct{} // closed when the command is to end
	cause   func() error    // why

	mu    sync.Mutex
	asked bool
}

var mfaCode = regexp.MustCompile(`^\d{6}$`)

// begun reports whether the code was asked for.
func (m *mfa) begun() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// ask implements the SDK's token provider.
func (m *mfa) ask() (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	export := "`eval \"$(aws configure export-credentials --profile " + quoted(m.profile) + " --format env)\"`"
	if m.asked {
		return "", coded{exitDenied, &hinted{fmt.Errorf("the role session of AWS profile %q has ended, and a new one needs another MFA code", m.profile),
			"run the same command again to continue; a larger duration_seconds in the profile makes sessions last longer"}}
	}
	m.asked = true
	if !term.IsTerminal(int(m.app.in.Fd())) {
		return "", coded{exitDenied, &hinted{fmt.Errorf("AWS profile %q needs an MFA code (mfa_serial), but there is no terminal to ask for it", m.profile),
			"run this command on a terminal, or get temporary credentials there first: " + export + ", then run it without --profile"}}
	}
	code, err := m.app.readHidden(fmt.Sprintf("MFA code for AWS profile %s: ", m.profile), m.stopped)
	if errors.Is(err, errStopped) {
		err = m.cause()
	}
	if err == nil && !mfaCode.MatchString(code) {
		err = coded{exitDenied, &hinted{errors.New("an MFA code has six digits"), "run the same command again"}}
	}
	return code, err
}

var errStopped = errors.New("stopped")

// readHidden asks a question on stderr, and reads a line from the terminal that is not shown.
func (a *app) readHidden(question string, stopped <-chan struct{}) (string, error) {
	fd := int(a.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for the MFA code: %w", err)
	}
	fmt.Fprint(a.err, question)
	var line []byte
	read := make(chan error, 1)
	go func() {
		read <- crash.Do(func() (err error) { line, err = term.ReadPassword(fd); return err })
	}()
	select {
	case err := <-read:
		fmt.Fprintln(a.err)
		if err != nil {
			return "", fmt.Errorf("read the MFA code: %w", err)
		}
		return strings.TrimSpace(string(line)), nil
	case <-stopped:
		_ = term.Restore(fd, before) // ReadPassword has turned the echo off, and does not return
		fmt.Fprintln(a.err)
		return "", errStopped
	}
}
