package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manualCommand writes the files that a package of flowbed has beside the program: a man page
// for each command, and the completion scripts. It is for releases, and so it is hidden.
func (a *app) manualCommand() *cobra.Command {
	return &cobra.Command{
		Use: "manual directory", Short: "Write the man pages and the completion scripts to a directory", Hidden: true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageOf(c, fmt.Errorf("want a directory"))
			}
			return noArgs(c, args[1:])
		},
		RunE: func(c *cobra.Command, args []string) error { return writeManual(c.Root(), args[0]) },
	}
}

func writeManual(root *cobra.Command, dir string) error {
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	for _, d := range []string{man, completions} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	date, err := time.Parse(time.RFC3339, built.Date)
	if err != nil {
		date = time.Unix(0, 0) // a page without a date would get that of today, and each build another page
	}
	root.DisableAutoGenTag = true
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "flowbed " + version, Manual: "flowbed", Date: &date}, man); err != nil {
		return fmt.Errorf("write the man pages: %w", err)
	}
	if err := addEnvironment(root, man); err != nil {
		return fmt.Errorf("write the man pages: %w", err)
	}
	for file, write := range map[string]func(string) error{
		"flowbed.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
		"_flowbed":     root.GenZshCompletionFile,
		"flowbed.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
		"flowbed.ps1":  root.GenPowerShellCompletionFileWithDesc,
	} {
		if err := write(filepath.Join(completions, file)); err != nil {
			return fmt.Errorf("write the completion scripts: %w", err)
		}
	}
	return nil
}

// addEnvironment adds a section with the environment variables to the man page of each command
// that reads them, and to those of the commands below it.
func addEnvironment(c *cobra.Command, dir string) error {
	if !c.IsAvailableCommand() && c.HasParent() {
		return nil
	}
	for _, sub := range c.Commands() {
		if err := addEnvironment(sub, dir); err != nil {
			return err
		}
	}
	list := variablesOf(c)
	if len(list) == 0 {
		return nil
	}
	path := filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// The last sections are examples and other pages.
	at := len(page)
	for _, section := range []string{"\n.SH EXAMPLE\n", "\n.SH SEE ALSO\n"} {
		if i := bytes.Index(page, []byte(section)); i >= 0 {
			at = min(at, i)
		}
	}
	text := "\n.SH ENVIRONMENT\n" + roff(variablesRule) + "\n"
	for _, v := range list {
		text += "\n.TP\n\\fB" + roff(v.name) + "\\fP\n" + roff(v.does) + "\n"
	}
	return os.WriteFile(path, slices.Insert(page, at, []byte(text)...), 0o644)
}

// roff is a text for a man page, in which a plain hyphen is no minus sign.
func roff(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(text)
}
