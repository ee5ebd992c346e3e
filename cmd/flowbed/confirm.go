package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/flowbed/flowbed/provision/columns"
)

// requireTerminal stops a run that needs confirmation but has no terminal.
func (a *app) requireTerminal(yes, asJSON bool, verb string) error {
	if yes || !asJSON && term.IsTerminal(int(a.in.Fd())) {
		return nil
	}
	return usage(&hinted{
		fmt.Errorf("%s needs confirmation, but there is no terminal", verb),
		"add --yes to skip the confirmation"})
}

var errDeclined = coded{exitFailed, errors.New("not confirmed; nothing was changed")}

// confirm asks on stderr. Only the word confirms. What was typed before the question is
// thrown away: it cannot be the answer to a plan that nobody has seen.
func (a *app) confirm(ctx context.Context, question, word string) error {
	if term.IsTerminal(int(a.in.Fd())) {
		if err := forgetTyped(a.in); err != nil {
			return fmt.Errorf("discard what was typed before the question: %w", err)
		}
	}
	s, err := a.ask(ctx, "\n"+asking(question, word, width(os.Stderr)))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil && s != word {
		err = errDeclined
	}
	return err
}

// ask asks a question on stderr, and returns the answer without the blanks around it. At the
// end of the input without an answer, the error is io.EOF.
func (a *app) ask(ctx context.Context, question string) (string, error) {
	a.idle()
	fmt.Fprint(a.err, question)
	type reply struct {
		line string
		err  error
	}
	answer := make(chan reply, 1)
	go func() {
		line, err := bufio.NewReader(a.in).ReadString('\n')
		answer <- reply{strings.TrimSpace(line), err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case r := <-answer:
		if r.line != "" {
			r.err = nil
		}
		return r.line, r.err
	}
}

// asking is a question that leaves room for the answer on its last line.
func asking(question, word string, width int) string {
	if width > 0 {
		width = max(width-columns.Of(word)-2, 16)
	}
	return wrap(fmt.Sprintf("%s Type %q to continue:", question, word), width) + " "
}
