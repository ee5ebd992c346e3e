package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "Check the file, without calling AWS",
		Long: `Validate reads config.hcl and says everything that is wrong with it. It needs
neither credentials nor a network.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			f, err := a.load(false)
			if err != nil {
				return err
			}
			if err := a.warn(f); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s is valid: environment %s.\n", a.config, f.EnvName())
			return nil
		},
	}
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, "flowbed", version)
			return err
		},
	}
}

// noArgs refuses arguments as wrong usage, which cobra's own check does not.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageOf(c, fmt.Errorf("%s takes no argument, but there is one", c.CommandPath())) // it may be a secret
}
