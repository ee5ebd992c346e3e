package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/spec"
)

func answered(code string) error {
	return &smithy.OperationError{ServiceID: "IAM", OperationName: "CreateRole", Err: &smithy.GenericAPIError{Code: code}}
}

func TestExitCode(t *testing.T) {
	_, bad := spec.Load("testdata/there-is-none.hcl", spec.Options{})
	denied := &provision.StepError{Step: "role", Doing: "create", Err: answered("AccessDenied")}
	quota := &provision.StepError{Step: "role", Doing: "create", Err: answered("LimitExceeded")}
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"nothing", nil, exitOK},
		{"anything", errors.New("no"), exitFailed},
		{"a quota", quota, exitFailed},
		{"a permission", fmt.Errorf("x: %w", denied), exitDenied},
		{"expired", answered("ExpiredToken"), exitDenied},
		{"one permission among others", errors.Join(quota, errors.Join(errors.New("no"), denied)), exitDenied},
		{"no permission among others", errors.Join(quota, errors.New("no")), exitFailed},
		{"the file", fmt.Errorf("x: %w", bad), exitUsage},
		{"usage", usage(errors.New("no")), exitUsage},
		{"usage, however wrapped", errors.Join(errors.New("no"), &hinted{usage(denied), "hint"}), exitUsage},
		{"a decision goes before the cause", coded{exitFailed, denied}, exitFailed},
		{"changes", coded{code: exitChanges}, exitChanges},
		{"interrupted", fmt.Errorf("x: %w", errInterrupted), exitInterrupted},
		{"cancelled", errors.Join(errors.New("no"), context.Canceled), exitInterrupted},
		{"not confirmed", errDeclined, exitFailed},
	} {
		if have := exitCode(c.err); have != c.want {
			t.Errorf("%s: exit code %d, want %d", c.name, have, c.want)
		}
	}
}

func TestEachExitCodeIsInTheHelp(t *testing.T) {
	for _, code := range []int{exitOK, exitFailed, exitChanges, exitUsage, exitDenied, exitInterrupted} {
		if !strings.Contains(exitCodesText, " "+strconv.Itoa(code)+"  ") {
			t.Errorf("the help does not tell of %d", code)
		}
	}
}

func TestGuardStrikesOutSecrets(t *testing.T) {
	var b strings.Builder
	a := &app{secrets: []string{"pnu_secret", "short"}}
	text := "a pnu_secret, short: pnu_secret"
	n, err := a.guarded(&b).Write([]byte(text))
	if n != len(text) || err != nil {
		t.Errorf("have %d, %v: a shorter line must not look like a short write", n, err)
	}
	if want := "a (secret), short: (secret)"; b.String() != want {
		t.Errorf("have %q, want %q", &b, want)
	}
}

func TestConfirm(t *testing.T) {
	for text, want := range map[string]int{
		"yes\n": exitOK, "  yes \n": exitOK, "yes": exitOK,
		"y\n": exitFailed, "YES\n": exitFailed, "no\n": exitFailed, "\n": exitFailed, "": exitFailed,
	} {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_, err = out.WriteString(text)
		if err := errors.Join(err, out.Close()); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		a := &app{in: in, err: &notes{Writer: &said}}
		if have := exitCode(a.confirm(t.Context(), "Build this?", "yes")); have != want {
			t.Errorf("%q: exit code %d, want %d", text, have, want)
		}
		if !strings.Contains(said.String(), "Build this?") {
			t.Errorf("%q: asked %q", text, &said)
		}
		_ = in.Close() // it was only read
	}
}

func TestConfirmEndsWithItsContext(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(in.Close(), out.Close()) }() // nobody ever answers
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	var said strings.Builder
	a := &app{in: in, err: &notes{Writer: &said}}
	if have := exitCode(a.confirm(ctx, "Build this?", "yes")); have != exitInterrupted {
		t.Errorf("exit code %d", have)
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "''",
		"arn:aws:s3:::a/b":  "arn:aws:s3:::a/b",
		"subnet-1,subnet-2": "subnet-1,subnet-2",
		"two words":         "'two words'",
		"it's":              `'it'\''s'`,
		"$(reboot)":         "'$(reboot)'",
		"a;b":               "'a;b'",
		"ü":                 "'ü'",
		"~/x":               "'~/x'",
	} {
		if have := shellQuote(in); have != want {
			t.Errorf("%q: have %s, want %s", in, have, want)
		}
	}
}

func TestTruthy(t *testing.T) {
	for in, want := range map[string]bool{"": false, "0": false, "false": false, "False": false, "1": true, "true": true, "yes": true} {
		if have := truthy(in); have != want {
			t.Errorf("%q: %t", in, have)
		}
	}
}
