package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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
	fmt.Fprint(a.err, "\n"+asking(question, word, width(os.Stderr)))
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case s := <-answer:
		if s != word {
			return errDeclined
		}
		return nil
	}
}

// asking is a question that leaves room for the answer on its last line.
func asking(question, word string, width int) string {
	if width > 0 {
		width = max(width-columns.Of(word)-2, 16)
	}
	return wrap(fmt.Sprintf("%s Type %q to continue:", question, word), width) + " "
}
