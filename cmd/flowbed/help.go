package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// helpCommand is cobra's, but for a topic that does not exist: that is wrong
// usage, and no success.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about a command, or exit-codes",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usageOf(c.Root(), fmt.Errorf("there is no help on %q", args[len(args)-1]))
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// strictCompletion makes cobra's command for completion refuse a shell that it
// does not know.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args = knownCommand
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}
