package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/middleware"
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/conn"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/view"
)

// app holds the streams of the process and the flags that all commands share.
type app struct {
	in  *os.File
	out io.Writer
	err *notes

	results results // what out has written

	dir     string
	config  string
	env     string
	vars    []string
	varFile []string
	profile string
	region  string
	sandbox bool
	noColor bool
	verbose bool
	quiet   bool
	fromEnv map[string]string // the variables that have set flags, by flag

	apiOptions []func(*middleware.Stack) error // for every AWS client; set by tests

	account *sandbox.Account            // with --sandbox, after it is loaded
	reads   []string                    // paths of the files that were read
	secrets []string                    // values that the guard removes from all output
	learned learned                     // values that a run has read, which the guard removes, too
	network conn.Options                // what all transports of the command share
	source  config.SharedConfig         // the AWS profile that the credentials come from
	decoder decoder                     // of refusals
	fence   atomic.Pointer[lease.Fence] // of the run that has begun last
	crashes crashes
	job     *job // nil unless GitHub wants to know of the command
}

func newApp(in, out, errs *os.File) *app {
	a := &app{in: in}
	a.results.Writer = a.guarded(legible(out))
	a.out, a.err = &a.results, &notes{Writer: disarm(a.guarded(legible(errs)))}
	a.results.notes = a.err
	a.network = conn.Options{Say: func(line string) { a.say("%s", line) }}.Shared()
	return a
}

const defaultConfig = "config.hcl"

const rootText = `Build a place on AWS where Prefect flows run, from one HCL file. There is no
state file: flowbed reads the account every time.`

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use: "flowbed", Short: "Build a place on AWS where Prefect flows run, from one file",
		Long: rootText, Version: version,
		SilenceErrors: true, SilenceUsage: true, Args: requireCommand,
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: a.prepare,
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageOf(c, plainFlag(err)) })
	f := root.PersistentFlags()
	f.StringVarP(&a.config, "config", "c", defaultConfig, "config file")
	f.StringVarP(&a.env, "env", "e", "", "environment to use, if the file has several")
	f.StringArrayVar(&a.vars, "var", nil, "set a variable of the file (repeatable): `name=value`")
	f.StringArrayVar(&a.varFile, "var-file", nil, "read variables from this HCL or JSON `file` (repeatable)")
	f.StringVar(&a.profile, "profile", "", "AWS profile")
	f.StringVar(&a.region, "region", "", "AWS region (overrides the file)")
	f.BoolVar(&a.sandbox, "sandbox", false, "simulate an AWS account here (FLOWBED_SANDBOX=1)")
	f.BoolVar(&a.noColor, "no-color", false, "disable color (NO_COLOR=1)")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "show whole policies and scripts, and all calls to AWS")
	f.StringVarP(&a.dir, "chdir", "C", "", "change to this `directory` first")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "show results, questions, warnings and errors only")
	root.AddCommand(a.initCommand(), a.planCommand(), a.upCommand(), a.downCommand(), a.validateCommand(), a.fmtCommand(),
		a.showCommand(), a.graphCommand(), a.outputsCommand(), a.openCommand(), a.helloCommand(), a.logsCommand(), a.agentCommand(), a.listCommand(), a.sweepCommand(), a.unlockCommand(),
		a.policyCommand(), a.doctorCommand(), a.versionCommand(), a.exitCodesCommand(), a.flagsCommand(), a.manualCommand())
	cobra.EnableCommandSorting = false // they are in the order in which people need them
	root.SetHelpFunc(a.showHelp)
	root.SetHelpCommand(helpCommand())
	strictCompletion(root)
	a.completeFlags(root)
	return root
}

// requireCommand rejects an unknown command as wrong usage.
func requireCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see `" + c.CommandPath() + " --help`"
	if name := suggestion(c, args[0]); name != "" {
		hint = "did you mean `" + c.CommandPath() + " " + name + "`?"
	}
	return usage(&hinted{fmt.Errorf("unknown command %q", args[0]), hint})
}

// suggestion is the command that a word probably means: a word that other tools use
// for it, or else a similar name. It is empty if there is none.
func suggestion(c *cobra.Command, word string) string {
	for _, sub := range c.Commands() {
		if slices.Contains(sub.SuggestFor, strings.ToLower(word)) {
			return sub.Name()
		}
	}
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(word); len(near) > 0 {
		return near[0]
	}
	return ""
}

// usageOf makes a usage error whose hint names the command's help.
func usageOf(c *cobra.Command, err error) error {
	return usage(&hinted{err, "see `" + c.CommandPath() + " --help`"})
}

// hinted is an error with a hint: what the user can do, as a phrase without a final
// period.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// selection are the flags that select the environment, and the account that it is in, for
// commands in messages.
func (a *app) selection() string {
	text := ""
	for _, f := range []struct{ name, value, usual string }{
		{"-C", a.dir, ""}, {"-c", a.config, defaultConfig}, {"-e", a.env, ""}, {"--region", a.region, ""},
	} {
		if f.value != f.usual {
			text += " " + f.name + " " + quoted(f.value)
		}
	}
	return text + a.accountFlags()
}

// accountFlags are the flags that select the AWS account.
func (a *app) accountFlags() (flags string) {
	if a.profile != "" {
		flags = " --profile " + quoted(a.profile)
	}
	if a.sandbox && a.fromEnv["sandbox"] == "" { // the variable also holds for the next command
		flags += " --sandbox"
	}
	return flags
}

// quoted quotes a word for the shell, if it needs quotes.
func quoted(word string) string {
	if word != "" && !strings.ContainsFunc(word, special) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// special reports whether a character may mean something to the shell.
func special(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:@%+,=", r)
}

// say prints a notice on stderr, wrapped at the width of the terminal. What others have named cannot
// move the cursor.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.err, wrap(view.Clean(fmt.Sprintf(format, args...)), width(os.Stderr)))
}

// note is say for what is neither a question, nor a warning, nor an error.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		a.say(format, args...)
	}
}

func truthy(s string) bool { return s != "" && s != "0" && !strings.EqualFold(s, "false") }

func (a *app) options(f *os.File) view.Options {
	return view.Options{Color: a.colour(f), Width: width(f), Full: a.verbose, Quiet: a.quiet}
}
