package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/spec"
)

// Scripts rely on the exit codes; `flowbed help exit-codes` lists them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitChanges     = 2
	exitUsage       = 3
	exitDenied      = 4
	exitInterrupted = 130
)

const exitCodesText = `flowbed exits with one of these codes:

    0  success, or nothing to do
    1  failure; the message names the step and what to do
    2  plan --detailed-exitcode found changes
    3  wrong usage, or an error in config.hcl; nothing was read or changed
    4  missing credentials, a missing permission, or the wrong account
  130  interrupted; run the same command again to continue
`

// exitCodesCommand prints the exit codes, also as its help.
func (a *app) exitCodesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "exit-codes", Short: "Explain the exit codes", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(a.out, exitCodesText)
			return err
		},
	}
	c.SetHelpFunc(func(c *cobra.Command, args []string) { _ = c.RunE(c, args) })
	return c
}

// coded is an error with an exit code.
type coded struct {
	code int
	err  error // nil if there is no message to print
}

func (c coded) Error() string {
	if c.err == nil {
		return ""
	}
	return c.err.Error()
}
func (c coded) Unwrap() error { return c.err }

func usage(err error) error { return coded{exitUsage, err} }

func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[*crash.Error](err); ok {
		return exitFailed
	}
	if c, ok := errors.AsType[coded](err); ok {
		return c.code
	}
	if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if _, ok := errors.AsType[*spec.Error](err); ok {
		return exitUsage
	}
	if denied(err) {
		return exitDenied
	}
	return exitFailed
}

// joined is several errors in one.
type joined interface {
	error
	Unwrap() []error
}

// denied looks through joined errors: if AWS denied one call, the user has to fix that
// first.
func denied(err error) bool {
	if errors.Is(err, prefect.ErrUnauthorized) {
		return true
	}
	switch awserr.Classify(err) {
	case awserr.Denied, awserr.Credentials:
		return true
	}
	all, ok := errors.AsType[joined](err)
	return ok && slices.ContainsFunc(all.Unwrap(), denied)
}
