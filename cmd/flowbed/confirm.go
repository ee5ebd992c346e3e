package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
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

// confirm asks on stderr. Only the word confirms.
func (a *app) confirm(ctx context.Context, question, word string) error {
	fmt.Fprint(a.err, "\n"+wrap(fmt.Sprintf("%s Type %q to continue:", question, word), width(os.Stderr))+" ")
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
