package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// program runs flowbed, as a user would.
type program interface {
	// run runs one command in the folder with the config file: as the caller, or with
	// other credentials.
	run(ctx context.Context, as *aws.Credentials, args ...string) (output, error)
}

// output is what a command printed, and its exit code.
type output struct {
	Results, Progress string
	Code              int
}

// Exit codes of flowbed that matter here; `flowbed help exit-codes` has all.
const (
	exitChanges = 2
	exitUsage   = 3
)

// last returns the last lines that say how it ended: of stderr, or else of stdout.
func (o output) last() string {
	var lines []string
	for line := range strings.Lines(cmp.Or(strings.TrimSpace(o.Progress), o.Results)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "call ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// binary is flowbed in a file.
type binary struct {
	path, dir string
	region    string
	env       []string // of its own, beside those of this process
}

// build builds flowbed in a folder.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "flowbed")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", path, "github.com/flowbed/flowbed/cmd/flowbed")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build flowbed: %w\n%s", err, out)
	}
	return path, nil
}

// credentialNames are the variables with which credentials reach a program.
var credentialNames = []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

func (b binary) run(ctx context.Context, as *aws.Credentials, args ...string) (output, error) {
	cmd := exec.CommandContext(ctx, b.path, args...)
	cmd.Dir = b.dir
	cmd.Env = append(b.environ(as), b.env...)
	// flowbed stops at an interrupt as soon as the running calls have ended, and must
	// not be killed before. Ctrl-C reaches it through here, not through the terminal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 2 * time.Minute
	var results, progress bytes.Buffer
	cmd.Stdout, cmd.Stderr = &results, &progress
	err := cmd.Run()
	out := output{results.String(), progress.String(), cmd.ProcessState.ExitCode()}
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && (!exited || ctx.Err() != nil) {
		return out, fmt.Errorf("run flowbed %s: %w", args[0], errors.Join(context.Cause(ctx), err))
	}
	return out, nil
}

// environ is this process's environment, with the credentials in place of its own.
func (b binary) environ(as *aws.Credentials) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return as != nil && slices.Contains(credentialNames, name) ||
			slices.Contains([]string{"FLOWBED_SANDBOX", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING"}, name)
	})
	env = append(env, "NO_COLOR=1", "CI=true", "AWS_REGION="+b.region)
	if as != nil {
		env = append(env, "AWS_ACCESS_KEY_ID="+as.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+as.SecretAccessKey, "AWS_SESSION_TOKEN="+as.SessionToken)
	}
	return env
}
