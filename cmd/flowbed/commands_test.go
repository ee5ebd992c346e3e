package main

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
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
	page += variableTable(root)
	if count < 15 {
		t.Errorf("only %d commands", count)
	}
	return page
}

// variableTable lists the environment variables of all commands.
func variableTable(root *cobra.Command) string {
	commands := map[envVar][]string{}
	for _, c := range allCommands(root) {
		if !c.IsAvailableCommand() && c.HasParent() {
			continue
		}
		where := "all"
		if c.HasParent() {
			where = "`" + strings.TrimPrefix(c.CommandPath(), "flowbed ") + "`"
		}
		for _, v := range variablesOf(c) {
			if flag, _, ok := strings.Cut(v.does, ": "); ok && strings.HasPrefix(flag, "--") {
				v.does = "`" + flag + "`"
			}
			commands[v] = append(commands[v], where)
		}
	}
	text := "\n## Environment variables\n\n" + variablesRule + "\n\n| variable | sets | in |\n|---|---|---|\n"
	for _, v := range slices.SortedFunc(maps.Keys(commands), func(a, b envVar) int { return strings.Compare(a.name+a.does, b.name+b.does) }) {
		text += "| `" + v.name + "` | " + v.does + " | " + strings.Join(commands[v], ", ") + " |\n"
	}
	return text
}
