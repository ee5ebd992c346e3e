package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/columns"
)

// allCommands are a command and those below it.
func allCommands(c *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		list = append(list, allCommands(sub)...)
	}
	return list
}

// TestHelpFits: help about each command fits on a screen of 24 lines and 80 columns.
func TestHelpFits(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out}
	root := a.command()
	all := allCommands(root)
	if len(all) < 20 {
		t.Fatalf("only %d commands", len(all))
	}
	for _, c := range all {
		out.Reset()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) > 24 || len(lines) < 3 {
			t.Errorf("%s: %d lines:\n%s", c.CommandPath(), len(lines), &out)
		}
		for _, l := range lines {
			if columns.Of(l) > helpWidth {
				t.Errorf("%s: %d columns: %s", c.CommandPath(), columns.Of(l), l)
			}
		}
	}
}

// TestNarrowHelp: in a narrow terminal, help is wrapped at words.
func TestNarrowHelp(t *testing.T) {
	h := help{width: 40}
	h.text(rootText)
	h.flags("Flags:", (&app{}).command().PersistentFlags())
	for _, l := range h.lines {
		if columns.Of(l) > 40 {
			t.Errorf("%d columns: %s", columns.Of(l), l)
		}
	}
}
