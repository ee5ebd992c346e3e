package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestCommandReference: docs/commands.md has the help of each command as it is. `make docs`
// writes it.
func TestCommandReference(t *testing.T) {
	const page = "../../docs/commands.md"
	have := commandReference(t)
	if *update {
		if err := os.WriteFile(page, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if readPage(t, page) != have {
		t.Error("docs/commands.md is out of date: run `make docs`")
	}
}

// commandReference is the help of all commands that are not hidden, as Markdown.
func commandReference(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	root := (&app{out: &out}).command()
	page := "<!-- Written by \"make docs\" from the help of the commands. -->\n\n# Commands\n\nThis is what `--help` prints for each command.\n"
	count := 0
	for _, c := range allCommands(root) {
		if !c.IsAvailableCommand() && c.HasParent() || strings.HasPrefix(c.CommandPath(), "flowbed completion ") {
			continue
		}
		out.Reset()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		count++
		page += "\n## " + c.CommandPath() + "\n\n```text\n" + strings.TrimSpace(out.String()) + "\n```\n"
	}
	if count < 15 {
		t.Errorf("only %d commands", count)
	}
	return page
}
