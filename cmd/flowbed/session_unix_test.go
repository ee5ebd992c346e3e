//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// programs puts shell scripts on the PATH, and nothing else but the shell's own programs.
func programs(t *testing.T, scripts map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o700); err != nil { //nolint:gosec // it has to be run
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

// TestSession: the session is the command that was shown, and ends as that does. Without the
// programs that it needs, the error says where they are.
func TestSession(t *testing.T) {
	command := sessionCommand("i-0a1", "eu-central-1", "my team")
	if have, want := typed(command), "aws ssm start-session --target i-0a1 --region eu-central-1 --profile 'my team'"; have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	dir := programs(t, map[string]string{"aws": `printf '%s|' "$@" >"${0%/*}/ran"; kill -INT $PPID; [ "$4" = i-0a1 ]`, "session-manager-plugin": ""})
	if err := runSession(t.Context(), command, os.Stdin); err != nil {
		t.Error(err)
	}
	if ran, err := os.ReadFile(filepath.Join(dir, "ran")); err != nil || string(ran) != strings.Join(command[1:], "|")+"|" {
		t.Errorf("ran %q, %v", ran, err)
	}
	command[4] = "i-0b2"
	if err := runSession(t.Context(), command, os.Stdin); exitCode(err) != exitFailed || err.Error() != "" {
		t.Errorf("a session that fails: %v", err)
	}
	for _, missing := range []string{"session-manager-plugin", "aws"} {
		if err := os.Remove(filepath.Join(dir, missing)); err != nil {
			t.Fatal(err)
		}
		if err := runSession(t.Context(), command, os.Stdin); err == nil || !strings.Contains(err.Error(), missing+" is not installed") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

// TestBrowse: the browser gets the URL, whatever is in it, as one argument.
func TestBrowse(t *testing.T) {
	dir := programs(t, map[string]string{"browser": `printf '%s|' "$@" >"${0%/*}/opened"`})
	pipe := filepath.Join(dir, "opened")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BROWSER", "browser --new")
	const u = "https://r.console.aws.amazon.com/x?region=r#$252F;id&x y"
	if err := browse(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if opened, err := os.ReadFile(pipe); err != nil || string(opened) != "--new|"+u+"|" { // waits for the browser
		t.Errorf("opened %q, %v", opened, err)
	}
	t.Setenv("BROWSER", "nothing-like-it")
	if err := browse(t.Context(), u); err == nil {
		t.Error("a browser that does not exist has started")
	}
}
