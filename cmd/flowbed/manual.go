package main

import (
	"fmt"
	"os"
	"path/filepath"
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
