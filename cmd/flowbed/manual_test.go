package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestManual: each command has a man page, and each shell a completion script. Two builds of
// one commit have the same.
func TestManual(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		if err := writeManual((&app{}).command(), dir); err != nil {
			t.Fatal(err)
		}
	}
	read := func(dir, path string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	pages := 0
	for _, c := range allCommands((&app{}).command()) {
		page := filepath.Join("man", strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
		if !c.IsAvailableCommand() && c.HasParent() {
			if _, err := os.Stat(filepath.Join(dirs[0], page)); err == nil {
				t.Errorf("%s is hidden, and has a page", c.CommandPath())
			}
			continue
		}
		pages++
		text := read(dirs[0], page)
		if text != read(dirs[1], page) || !strings.Contains(text, shortOf(c)) {
			t.Errorf("%s:\n%s", page, text)
		}
		_, environment, _ := strings.Cut(text, ".SH ENVIRONMENT\n")
		environment, _, _ = strings.Cut(environment, "\n.SH ")
		if slices.Contains(unprepared, c.Name()) || c.HasParent() && c.Parent().Name() == "completion" {
			continue // it reads no variable
		}
		for _, f := range ownFlags(c) {
			if v := variableOf(f); v != "" && strings.Count(environment, `\fB`+v+`\fP`) != 1 {
				t.Errorf("%s: the section ENVIRONMENT does not have %s once:\n%s", page, v, environment)
			}
		}
	}
	if pages < 20 {
		t.Errorf("only %d pages", pages)
	}
	for file, part := range map[string]string{
		"flowbed.bash": "__start_flowbed", "_flowbed": "#compdef flowbed", "flowbed.fish": "complete -c flowbed", "flowbed.ps1": "Register-ArgumentCompleter",
	} {
		if text := read(dirs[0], filepath.Join("completions", file)); !strings.Contains(text, part) {
			t.Errorf("%s has no %q", file, part)
		}
	}
}

// ownFlags are the flags that the page of a command explains, and that of no other command.
func ownFlags(c *cobra.Command) (list []*pflag.Flag) {
	flags := c.LocalNonPersistentFlags()
	if !c.HasParent() {
		flags = c.PersistentFlags()
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			list = append(list, f)
		}
	})
	return list
}

// shortOf is what a man page says after the command's name. Roff needs some signs quoted.
func shortOf(c *cobra.Command) string {
	first, _, _ := strings.Cut(c.Short, "'")
	return first
}
