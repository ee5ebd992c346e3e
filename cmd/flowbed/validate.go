package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) validateCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "validate", Short: "Check the config file without calling AWS", SuggestFor: []string{"check", "lint"},
		Long: `Check config.hcl and report every mistake in it: all its environments, and
their names against each other, or only the environment that -e names. Validate
needs no variables, no credentials and no network.`,
		Example: `  flowbed validate
  flowbed validate --json | jq '.problems[] | {line, summary}'`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document (docs/json.md)")
	c.RunE = func(*cobra.Command, []string) error {
		o, err := a.fileOptions()
		if err != nil {
			return err
		}
		f, err := spec.Validate(a.config, o)
		if wrong, ok := errors.AsType[*spec.Error](err); ok && asJSON {
			err := view.ValidationJSON(a.out, view.Validation{Config: a.config, Problems: problems(wrong.Problems())})
			return errors.Join(err, coded{code: exitCode(wrong)})
		}
		if err != nil {
			return err
		}
		a.secrets = f.Secrets()
		names := f.Names()
		if f.EnvName() != "" {
			names = []string{f.EnvName()}
		}
		if asJSON {
			return view.ValidationJSON(a.out, view.Validation{Config: a.config, Valid: true, Environments: names, Problems: problems(f.Problems())})
		}
		if err := a.warn(f); err != nil {
			return err
		}
		what := "environment"
		if len(names) > 1 {
			what = "environments"
		}
		_, err = fmt.Fprintf(a.out, "%s is valid: %s %s.\n", a.config, what, strings.Join(names, ", "))
		return err
	}
	return c
}

func problems(list []spec.Problem) (out []view.Problem) {
	for _, p := range list {
		out = append(out, view.Problem(p))
	}
	return out
}

// noArgs rejects arguments as wrong usage; cobra's own check has no exit code.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageOf(c, errors.New("unexpected argument"+quotedArgument(c, args[0])))
}

// longestArgument is the longest unexpected argument that a message shows. A longer one
// may be a key.
const longestArgument = 20

// quotedArgument is an argument for a message. It is empty if the argument may be a
// secret: the value of a --var that has none, or of an environment variable.
func quotedArgument(c *cobra.Command, arg string) string {
	vars, err := c.Flags().GetStringArray("var")
	if err != nil || len(arg) > longestArgument || strings.Contains(arg, "=") {
		return ""
	}
	for _, v := range vars {
		if _, value, _ := strings.Cut(v, "="); value == "" {
			return ""
		}
	}
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); value == arg && strings.HasPrefix(name, "FLOWBED_VAR_") {
			return ""
		}
	}
	return fmt.Sprintf(" %q", arg)
}
