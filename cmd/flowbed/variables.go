package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flowbed/flowbed/provision/spec"
)

// variableOf is the environment variable that sets a flag; empty if none does.
//
// FLOWBED_REGION is not one, because `flowbed outputs --format env` sets it: the region of the
// environment that a shell has looked at must not decide about another one. Variables of the
// config file are FLOWBED_VAR_name, and may have any name.
func variableOf(f *pflag.Flag) string {
	switch f.Name {
	case "help", "version", "var":
		return ""
	case "region":
		return "FLOWBED_AWS_REGION"
	case "var-file":
		return "FLOWBED_VARFILE"
	}
	return "FLOWBED_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// envVar is an environment variable, and what it does.
type envVar struct{ name, does string }

// variablesRule stands above a list of variables.
const variablesRule = `A flag on the command line takes precedence over its variable. A flag without a value is set by 1, not by 0.`

// moreVariables set no flag. Those of AWS, Prefect and the network are in docs/guide.md.
var moreVariables = []envVar{
	{"FLOWBED_PUBLIC_IP", "the public address of this machine, so that flowbed does not ask for it"},
	{"FLOWBED_SETTLE", "how long AWS may take to show a change to everybody (default 15s)"},
	{"FLOWBED_VAR_name", "the value of the variable of that name in the config file"},
	{"NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE", "disable color, or use it also without a terminal"},
}

// variablesOf are the environment variables that a command reads: those of its own flags, and for
// the whole program those of the flags of all commands, and others.
func variablesOf(c *cobra.Command) (list []envVar) {
	if slices.Contains(unprepared, c.Name()) || c.HasParent() && slices.Contains(unprepared, c.Parent().Name()) {
		return nil
	}
	flags := c.NonInheritedFlags()
	if !c.HasParent() {
		flags = c.PersistentFlags()
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if name := variableOf(f); name != "" && !f.Hidden {
			_, usage := pflag.UnquoteUsage(f)
			list = append(list, envVar{name, "--" + f.Name + ": " + usage})
		}
	})
	if !c.HasParent() {
		list = append(list, moreVariables...)
		slices.SortFunc(list, func(a, b envVar) int { return strings.Compare(a.name, b.name) })
	}
	return list
}

// silent are the flags whose effect nobody has to be told.
var silent = []string{"sandbox", "no-color", "verbose", "quiet", "json"}

// fromEnvironment sets the flags of a command that the command line does not have, and the
// environment has. An empty variable is none.
func (a *app) fromEnvironment(c *cobra.Command) error {
	var errs []error
	var told []string
	a.fromEnv = map[string]string{}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		name := variableOf(f)
		value := os.Getenv(name)
		if f.Changed || name == "" || value == "" {
			return
		}
		switch set, err := setFlag(f, value); {
		case err != nil:
			errs = append(errs, usage(&hinted{fmt.Errorf("%s: %w", name, err), "correct or unset this environment variable; it sets --" + f.Name}))
		case set:
			f.Changed = true
			a.fromEnv[f.Name] = name
			if !slices.Contains(silent, f.Name) {
				told = append(told, fmt.Sprintf("--%s (%s)", f.Name, name))
			}
		}
	})
	if len(errs) > 0 {
		return errs[0]
	}
	if len(told) > 0 {
		a.note("Set by the environment: %s.", strings.Join(told, ", "))
	}
	return nil
}

// setFlag gives a flag the value of a variable. It reports whether that is a setting: the value
// "false" is none. The error does not show the value, because it may be anything.
func setFlag(f *pflag.Flag, value string) (bool, error) {
	switch f.Value.Type() {
	case "bool":
		on, err := parseSwitch(value)
		if err != nil || !on {
			return false, err
		}
		return true, f.Value.Set("true")
	case "duration":
		if _, err := time.ParseDuration(value); err != nil {
			return false, errors.New(wantDuration)
		}
	case "int":
		if _, err := strconv.Atoi(value); err != nil {
			return false, errors.New(wantNumber)
		}
	case "stringArray":
		for _, one := range filepath.SplitList(value) {
			if err := f.Value.Set(one); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return true, f.Value.Set(value)
}

func parseSwitch(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "yes", "on":
		return true, nil
	case "no", "off":
		return false, nil
	}
	on, err := strconv.ParseBool(strings.ToLower(value))
	if err != nil {
		return false, errors.New(wantSwitch)
	}
	return on, nil
}

// flagName is a flag for a message: if a variable has set it, that variable.
func (a *app) flagName(name string) string {
	if v := a.fromEnv[name]; v != "" {
		return v
	}
	return "--" + name
}

// blaming names the variable in an error about the value of a flag that a variable has set.
func (a *app) blaming(err error) error {
	if wrong, ok := errors.AsType[*spec.Error](err); ok {
		for flag, name := range a.fromEnv {
			for _, d := range wrong.Diags {
				if rest, about := strings.CutPrefix(d.Detail, "--"+flag+" "); about {
					d.Detail = name + " (--" + flag + ") " + rest
				}
			}
		}
		return err
	}
	c, ok := errors.AsType[coded](err)
	if !ok || c.code != exitUsage || c.err == nil {
		return err
	}
	for flag, name := range a.fromEnv {
		rest, about := strings.CutPrefix(c.err.Error(), "--"+flag)
		if !about || rest != "" && !strings.ContainsRune(" :", rune(rest[0])) {
			continue
		}
		hint := "correct or unset " + name
		if h, ok := errors.AsType[*hinted](err); ok {
			hint = h.hint + "; " + hint
		}
		return usage(&hinted{fmt.Errorf("%s (--%s)%s", name, flag, rest), hint})
	}
	return err
}

// prepare does what comes before each command: it reads the environment, and changes to the
// directory of -C.
func (a *app) prepare(c *cobra.Command, _ []string) error {
	if !c.HasParent() || slices.Contains(unprepared, c.Name()) || slices.Contains(unprepared, c.Parent().Name()) {
		return nil
	}
	a.job = a.newJob(c.Name())
	if err := a.fromEnvironment(c); err != nil {
		return err
	}
	return a.changeDirectory()
}

// unprepared are the commands that explain flowbed, or that the shell calls.
var unprepared = []string{"help", "flags", "exit-codes", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}

func (a *app) changeDirectory() error {
	if a.dir == "" {
		return nil
	}
	if err := os.Chdir(a.dir); err != nil {
		return usage(&hinted{fmt.Errorf("%s %s: %w", a.flagName("chdir"), a.dir, failure(err)), "name the directory of the config file"})
	}
	return nil
}
