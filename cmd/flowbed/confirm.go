package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/term"
)

// mustAsk stops a run that would have to ask, and has nobody to answer.
func (a *app) mustAsk(yes, asJSON bool, verb string) error {
	if yes || !asJSON && term.IsTerminal(int(a.in.Fd())) {
		return nil
	}
	return usage(&hinted{
		fmt.Errorf("%s asks before it changes anything, and there is no terminal to ask on", verb),
		"add --yes to let it go on without asking"})
}

var errDeclined = coded{exitFailed, errors.New("not confirmed; nothing was changed")}

// confirm asks on stderr. Only the word yes is taken for it.
func (a *app) confirm(ctx context.Context, question string) error {
	fmt.Fprintf(a.err, "\n%s Only yes is taken for yes: ", question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case s := <-answer:
		if s != "yes" {
			return errDeclined
		}
		return nil
	}
}
