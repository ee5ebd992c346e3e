package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// One word for one idea, in all texts for users:
//
//   - resource: something in AWS that flowbed manages. An object is an S3 object.
//   - create, change, replace, delete: what flowbed does to a resource. release: give
//     up a shared resource that others still use. skip: leave a resource alone.
//   - environment: up builds or repairs it; down and sweep remove it. "Destroy" is only
//     in force-destroy, which deletes a resource together with its contents.
//   - own, adopt, external: the ownership of a resource. created outside flowbed: nobody
//     owns it. conflict: an owner or a resource is in the way.
//   - lock: only one run at a time changes an environment. A run holds the lock, waits
//     for it, and releases it; unlock removes it. (In the code it is a lease.)
//   - run: one execution of a command. continue: finish an interrupted run.
//   - config file: config.hcl. plan, drift, step, hint (the line with →): as they are.

// helpCommand works as cobra's help command, but an unknown topic is wrong usage.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Show help for a command",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usageOf(c.Root(), fmt.Errorf("no help topic %q", args[len(args)-1]))
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// strictCompletion makes cobra's completion command reject an unknown shell.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args = requireCommand
			c.Short = "Generate the completion script for a shell"
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}
