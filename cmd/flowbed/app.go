package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/smithy-go/middleware"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/view"
)

// app is one run of the program: its streams and the flags that all commands have.
type app struct {
	in       *os.File
	out, err io.Writer

	config  string
	env     string
	vars    []string
	profile string
	region  string
	sandbox bool
	noColor bool
	verbose bool

	apiOptions []func(*middleware.Stack) error // of every client; for tests

	account *sandbox.Account // with --sandbox, once it is read
	secrets []string         // values that are struck out of whatever is printed
	decoder decoder          // of refusals
}

func newApp(in, out, errs *os.File) *app {
	a := &app{in: in}
	a.out, a.err = a.guarded(out), a.guarded(errs)
	return a
}

const defaultConfig = "config.hcl"

const rootText = `Flowbed turns one HCL file into a place where data flows run on AWS: roles,
bucket, log group, Fargate cluster, and an agent that starts flows in it.
There is no state file: every run looks at the account afresh.
"flowbed help exit-codes" says how it ends.`

const rootExample = `  flowbed plan                 show what up would do
  flowbed up                   build it, or repair it
  flowbed outputs              names, ARNs and commands of what is there
  flowbed down                 remove it
  flowbed plan --sandbox       the same in an account that exists only on this machine`

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use: "flowbed", Short: "A place where data flows run on AWS, from one file",
		Long: rootText, Example: rootExample, Version: version,
		SilenceErrors: true, SilenceUsage: true, Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageOf(c, err) })
	f := root.PersistentFlags()
	f.StringVarP(&a.config, "config", "c", defaultConfig, "the file that describes the environment")
	f.StringVarP(&a.env, "env", "e", "", "which environment, if the file has several")
	f.StringArrayVar(&a.vars, "var", nil, "set a variable of the file, as name=value; repeatable")
	f.StringVar(&a.profile, "profile", "", "profile of the AWS configuration")
	f.StringVar(&a.region, "region", "", "AWS region, before that of the file")
	f.BoolVar(&a.sandbox, "sandbox", truthy(os.Getenv("FLOWBED_SANDBOX")), "act in an account that exists only on this machine (FLOWBED_SANDBOX=1)")
	f.BoolVar(&a.noColor, "no-color", false, "no colour (NO_COLOR)")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "show whole policies, and each call to AWS")
	root.AddCommand(a.planCommand(), a.upCommand(), a.downCommand(), a.validateCommand(),
		a.outputsCommand(), a.agentCommand(), a.listCommand(), a.sweepCommand(), a.unlockCommand(),
		a.policyCommand(), a.doctorCommand(), a.versionCommand(), exitCodesHelp())
	root.SetHelpCommand(helpCommand())
	strictCompletion(root)
	return root
}

// knownCommand refuses what is no command as wrong usage.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see `" + c.CommandPath() + " --help`"
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean `" + c.CommandPath() + " " + near[0] + "`?"
	}
	return usage(&hinted{fmt.Errorf("there is no command %q", args[0]), hint})
}

// usageOf adds to a usage error where help is to be found.
func usageOf(c *cobra.Command, err error) error {
	return usage(&hinted{err, "see `" + c.CommandPath() + " --help`"})
}

// hinted is an error that knows what to do about it.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

func truthy(s string) bool { return s != "" && s != "0" && !strings.EqualFold(s, "false") }

// colour reports whether a stream may be coloured.
func (a *app) colour(f *os.File) bool {
	return !a.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// motion reports whether a live board may be drawn on stderr.
func (a *app) motion() bool {
	return os.Getenv("TERM") != "dumb" && os.Getenv("CI") == "" && term.IsTerminal(int(os.Stderr.Fd()))
}

func width(f *os.File) int {
	w, _ := size(f)
	return w
}

// size is that of the terminal; 0 if the stream is none.
func size(f *os.File) (width, height int) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return w, h
}

func (a *app) options(f *os.File) view.Options {
	return view.Options{Color: a.colour(f), Width: width(f), Full: a.verbose}
}
