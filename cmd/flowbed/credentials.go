package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/conn"
)

// explained are the credentials of a configuration, with errors that tell what to do. Until
// the first credentials are there, it gets them only once, and an error stays: several calls
// begin at the same time, and a person is asked for one code.
type explained struct {
	aws.CredentialsProvider
	profile config.SharedConfig // where the credentials come from
	asks    *mfa

	had    atomic.Bool // whether there were credentials
	mu     sync.Mutex
	failed error // after a code was asked for
}

// Retrieve implements aws.CredentialsProvider.
func (e *explained) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if e.had.Load() {
		return e.retrieve(ctx)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed != nil {
		return aws.Credentials{}, e.failed
	}
	c, err := e.retrieve(ctx)
	if err == nil {
		e.had.Store(true)
	} else if e.asks.begun() {
		e.failed = err
	}
	return c, err
}

func (e *explained) retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := e.CredentialsProvider.Retrieve(ctx)
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	return c, e.explain(err)
}

// explain returns the error with its exit code. What is of the network does not mean that the
// credentials are wrong.
func (e *explained) explain(err error) error {
	if _, own := errors.AsType[coded](err); own || errors.Is(err, errInterrupted) {
		return &credentialsError{err: err, text: text(err), hint: awserr.Hint(err)}
	}
	if _, own := errors.AsType[*conn.Error](err); own || awserr.Classify(err) == awserr.Transient {
		return &credentialsError{err: err, text: "get AWS credentials: " + text(err), hint: awserr.Hint(err)}
	}
	return coded{exitDenied, e.denied(err)}
}

// denied explains an error that is about the credentials themselves.
func (e *explained) denied(err error) *credentialsError {
	p, out := e.profile, &credentialsError{err: err, text: "get AWS credentials: " + text(err), hint: awserr.Hint(err)}
	_, ran := errors.AsType[*processcreds.ProviderError](err)
	role := awserr.Service(err) == "STS" && awserr.Code(err) != "" // STS itself has refused
	switch {
	case ran: // the SDK's text may contain what the command has printed
		out.text = fmt.Sprintf("get AWS credentials: the credential_process of AWS profile %q failed, or printed no credentials", p.Profile)
		out.hint = "run the command in credential_process to see why"
	case role && strings.Contains(err.Error(), "MultiFactorAuthentication failed"):
		out.hint = "run the same command again with the next code of the device: AWS accepts a code once"
	case role && awserr.Classify(err) == awserr.Denied:
		out.hint = "check that the trust policy of the role lets the caller of AWS profile " + p.Profile + " assume it, and the external_id and mfa_serial of the profile"
	case role:
	case signIn(p) != "":
		out.text = fmt.Sprintf("get AWS credentials: the session of AWS profile %q has ended, or was not started", p.Profile)
		out.hint = signIn(p)
	case strings.Contains(err.Error(), "no EC2 IMDS role found"): // the last place where the SDK looks
		out.text = "no AWS credentials: none in the environment, the profile, or the instance metadata"
		out.hint += "; to try flowbed without AWS, add --sandbox"
	}
	return out
}

// signIn is the hint for a profile whose credentials come from a session of a person; empty
// for others.
func signIn(p config.SharedConfig) string {
	command := ""
	switch {
	case p.Credentials.HasKeys(): // they take precedence
	case p.SSOSession != nil || p.SSOStartURL != "":
		command = "aws sso login"
	case p.LoginSession != "":
		command = "aws login"
	}
	if command == "" {
		return ""
	}
	return withProfile(command, p.Profile) + " starts a new session; then run the same command again"
}

// expired is the hint if AWS says that the credentials have expired.
func (a *app) expired(err error) string {
	if !strings.HasPrefix(awserr.Code(err), "ExpiredToken") || a.profile == "" && os.Getenv("AWS_ACCESS_KEY_ID") != "" {
		return ""
	}
	return signIn(a.source)
}

// text is an error's text without what the SDK adds to it.
func text(err error) string {
	if p, ok := errors.AsType[interface {
		error
		Plain() string
	}](err); ok {
		return p.Plain()
	}
	if c, ok := errors.AsType[coded](err); ok {
		return c.Error()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return awserr.Service(err) + " " + awserr.Operation(err) + ": " + api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return strings.TrimPrefix(err.Error(), "failed to refresh cached credentials, ")
}

// credentialsError tells why there are no credentials. The call that needs them is not tried
// again: the calls that get them have been.
type credentialsError struct {
	err        error
	text, hint string
}

func (e *credentialsError) Error() string        { return e.text }
func (e *credentialsError) Unwrap() error        { return e.err }
func (e *credentialsError) Plain() string        { return e.text }
func (e *credentialsError) Hint() string         { return e.hint }
func (e *credentialsError) RetryableError() bool { return false }
