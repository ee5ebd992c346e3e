package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/view"
)

// TestMark: an annotation is one line, nothing in it is a command of its own, and no secret is in
// it, however it would be escaped.
func TestMark(t *testing.T) {
	const secret = "p%w:rd,5entine1"
	var b bytes.Buffer
	a := &app{secrets: []string{secret}}
	a.err = &notes{Writer: a.guarded(&b)}
	a.mark([]view.Annotation{
		{Severity: "error", File: "a,b:c.hcl", Line: 3, Column: 7, Title: "100%, or " + secret, Text: "100% of " + secret + "\r\n::add-mask::x\n→ do it"},
		{Severity: "warning", Text: "plain"},
	})
	want := "::error file=a%2Cb%3Ac.hcl,line=3,col=7,title=100%25%2C or (secret)::100%25 of (secret)\\r%0A::add-mask::x%0A→ do it\n" +
		"::warning title=flowbed::plain\n"
	if have := b.String(); have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}

// TestDisarm: on GitHub, only mark's lines are commands of the runner, whatever others have written.
func TestDisarm(t *testing.T) {
	t.Setenv("GITHUB_ACTIONS", "true")
	var b bytes.Buffer
	a := &app{}
	a.err = &notes{Writer: disarm(a.guarded(&b))}
	a.say("%s", "the log says:\n::error::a\n \t::add-mask::b\nc ::error::, \x1b[2J\r::stop-commands::d ##[debug]e\n\n::f")
	a.mark([]view.Annotation{{Severity: "warning", Text: "plain"}})
	want := "the log says:\n\\x3a:error::a\n \t\\x3a:add-mask::b\nc ::error::, \\x1b[2J\\r::stop-commands::d \\x23#[debug]e\n\n\\x3a:f\n::warning title=flowbed::plain\n"
	if have := b.String(); have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}

func TestInRepository(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	for _, c := range []struct{ root, path, want string }{
		{"", "config.hcl", "config.hcl"}, {root, "config.hcl", "config.hcl"}, {filepath.Dir(root), "config.hcl", filepath.Base(root) + "/config.hcl"},
		{filepath.Join(root, "sub"), "config.hcl", "config.hcl"}, {root, "", ""}, {root, filepath.Join(root, "sub", "x.hcl"), "sub/x.hcl"},
	} {
		t.Setenv("GITHUB_WORKSPACE", c.root)
		if have := inRepository(c.path); have != c.want {
			t.Errorf("%q in %q: have %q, want %q", c.path, c.root, have, c.want)
		}
	}
}

// TestInFence: a summary has room for long plans, and no text ends its fence.
func TestInFence(t *testing.T) {
	if have := inFence("\n"); have != "" {
		t.Errorf("no text: %q", have)
	}
	if have := inFence("a\n````\nb\n"); have != "`````text\na\n````\nb\n`````\n\n" {
		t.Errorf("a fence: %q", have)
	}
	long := inFence(strings.Repeat("ä", mostSummary))
	if len(long) > mostSummary+100 || !strings.HasSuffix(long, "ä\n```\n\nThe rest is in the log of the job.\n\n") {
		t.Errorf("long: %d bytes, ends with %q", len(long), long[len(long)-60:])
	}
}

// TestSetOutputs: the outputs of a step that has failed are not set.
func TestSetOutputs(t *testing.T) {
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	for code, want := range map[int]bool{exitOK: true, exitChanges: true, exitFailed: false, exitDenied: false} {
		j := &job{a: a, command: "plan", changes: new(true)}
		if have := strings.HasPrefix(j.setOutputs(coded{code: code}), "changes<<end-"); have != want {
			t.Errorf("exit code %d: set: %v", code, have)
		}
	}
}
