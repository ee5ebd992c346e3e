package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/spec"
)

// The exit codes are a promise to scripts; `flowbed help exit-codes` lists them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitChanges     = 2
	exitUsage       = 3
	exitDenied      = 4
	exitInterrupted = 130
)

const exitCodesText = `flowbed ends with one of these codes:

    0  done, or nothing to do
    1  failed; the message says in which step, and what to do
    2  there are changes: plan with --detailed-exitcode, and only then
    3  wrong usage, or an error in config.hcl; nothing was looked at or changed
    4  credentials or a permission are missing, or it is the wrong account
  130  interrupted; the same command goes on from where it was
`

func exitCodesHelp() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesText}
}

// coded is an error that decides the exit code.
type coded struct {
	code int
	err  error // nil: there is nothing to say
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

// denied looks through joined errors: one refusal among them is what a person
// has to see to first.
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
