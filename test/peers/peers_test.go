package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2/hclparse"
	"go.yaml.in/yaml/v3"
)

// TestFilesParse: what each tool is given is a file of its language. What it does, only `make peers`
// shows.
func TestFilesParse(t *testing.T) {
	parser := hclparse.NewParser()
	text, err := fs.ReadFile(files, "terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	if _, diags := parser.ParseHCL(text, "main.tf"); diags.HasErrors() {
		t.Error(diags)
	}
	if _, diags := parser.ParseHCL([]byte(config), "config.hcl"); diags.HasErrors() {
		t.Error(diags)
	}
	for name, least := range map[string]int{"ansible/up.yml": 20, "ansible/down.yml": 12} {
		var plays []struct{ Tasks []map[string]any }
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, &plays); err != nil || len(plays) != 1 || len(plays[0].Tasks) < least {
			t.Errorf("%s: %v, %d plays", name, err, len(plays))
		}
	}
}

func TestReport(t *testing.T) {
	took := func(seconds ...int) (list []result) {
		for _, s := range seconds {
			list = append(list, result{wall: time.Duration(s) * time.Second, calls: 10 * s, objects: 15})
		}
		return list
	}
	tools := []*tool{{name: "flowbed", version: "flowbed 1", lines: 16}, {name: "terraform", version: "Terraform 2", lines: 271}}
	found := map[string]map[string][]result{"flowbed": {"build": took(1, 3, 2)}, "terraform": {"build": took(9, 9, 4)}}
	kills := []killed{{tool: "terraform", at: 3, writes: 9, there: objects{"role a"}, again: "Error: it | exists", left: objects{"role a"}}}
	report := render(options{delay: time.Second, runs: 3}, tools, []string{"ansible is not here"}, found, kills)
	for _, want := range []string{
		"| flowbed | build | 2.00 s (1.00–3.00) | 1.0 |", "| terraform | build | 9.00 s (4.00–9.00) | 3.0 |", "flowbed 1, Terraform 2",
		"Not measured: ansible is not here.", "| terraform | 3 of 9 | 1 | fails: Error: it \\| exists | 0 | succeeds | 1: role a |",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q:\n%s", want, report)
		}
	}
}

func TestReplacePart(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("# Benchmarks\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"one\n", "two\n"} {
		if err := replacePart(page, part); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if want := "# Benchmarks\n\n" + marker + "two\n"; err != nil || string(have) != want {
		t.Errorf("have %q, %v, want %q", have, err, want)
	}
}

func TestWritten(t *testing.T) {
	if n := written("#!/bin/sh\n# a comment\n\na = 1\n  b = 2\n"); n != 3 {
		t.Errorf("have %d lines, want 3", n)
	}
}

// TestReason: of what a tool says when it fails, the line that names the error is shown.
func TestReason(t *testing.T) {
	for text, want := range map[string]string{
		"terraform: build: exit status 1\na\nError: creating a role: CreateRole, https response error StatusCode: 409, RequestID: 1, EntityAlreadyExists: it is there\nb": "Error: creating a role: CreateRole, EntityAlreadyExists: it is there",
		"flowbed: build: exit status 1\nnothing that looks like one": "nothing that looks like one",
	} {
		if have := reason(failure(text)); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
}

type failure string

func (f failure) Error() string { return string(f) }
