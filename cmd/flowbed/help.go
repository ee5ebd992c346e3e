package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flowbed/flowbed/provision/columns"
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

// strictCompletion makes cobra's completion command reject an unknown shell, and its help
// as short as that of others.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args = requireCommand
		c.Short = "Generate the completion script for a shell"
		c.Long = ""
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		for _, shell := range c.Commands() {
			shell.Long, shell.Example = "", loadCompletion[shell.Name()]
		}
	}
}

// loadCompletion is how each shell loads its completion script.
var loadCompletion = map[string]string{
	"bash":       "  source <(flowbed completion bash)    in this shell; needs bash-completion",
	"zsh":        "  source <(flowbed completion zsh)    in this shell; needs compinit",
	"fish":       "  flowbed completion fish | source    in this shell",
	"powershell": "  flowbed completion powershell | Out-String | Invoke-Expression",
}

// helpWidth is the width of help: that of old terminals, unless the terminal is narrower.
const helpWidth = 80

// showHelp prints the help of a command. It fits on one screen: 24 lines of 80 columns.
func (a *app) showHelp(c *cobra.Command, _ []string) {
	h := help{width: helpWidth}
	if w := width(os.Stdout); w > 0 {
		h.width = min(w, h.width)
	}
	h.text(firstOf(c.Long, c.Short+"."))
	h.gap()
	usage := c.UseLine()
	if c.HasAvailableSubCommands() {
		usage = c.CommandPath() + " COMMAND [flags]"
	}
	h.text("Usage: " + usage)
	if c.HasExample() {
		h.gap()
		h.lines = append(h.lines, "Examples:")
		for _, l := range strings.Split(c.Example, "\n") {
			h.text(l)
		}
	}
	if c.HasAvailableSubCommands() {
		h.commands(c)
	}
	if c.HasParent() {
		h.flags("Flags:", c.LocalNonPersistentFlags())
		h.text("For all commands: `flowbed help flags`.")
	} else {
		h.gap()
		h.text(globalFlags)
	}
	fmt.Fprintln(a.out, strings.Join(h.lines, "\n"))
}

const variablesText = `Each flag of each command has an environment variable: FLOWBED_LOCK_TIMEOUT=20m is ` +
	`--lock-timeout 20m, FLOWBED_YES=1 is --yes. Flags take precedence. --region has FLOWBED_AWS_REGION, ` +
	`--var-file FLOWBED_VARFILE, and the variable api_key of the file FLOWBED_VAR_api_key.`

const globalFlags = `See "flowbed COMMAND --help" for help about a command, and "flowbed help flags" for the ` +
	`flags of all commands, such as -c, -e, --profile and --sandbox.`

// flagsCommand prints the flags that all commands have, also as its help.
func (a *app) flagsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "flags", Short: "Explain the flags that all commands have", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			h := help{width: helpWidth}
			h.flags("All commands have these flags:", c.Root().PersistentFlags())
			h.text(variablesText)
			_, err := fmt.Fprintln(a.out, strings.Join(h.lines[1:], "\n"))
			return err
		},
	}
	c.SetHelpFunc(func(c *cobra.Command, args []string) { _ = c.RunE(c, args) })
	return c
}

// help are the lines of a help text.
type help struct {
	width int
	lines []string
}

func (h *help) gap() { h.lines = append(h.lines, "") }

// text adds a text. Its line breaks in the source mean nothing; those of examples do.
func (h *help) text(s string) {
	if !strings.HasPrefix(s, " ") {
		s = strings.ReplaceAll(s, "\n", " ")
	}
	if strings.HasPrefix(s, " ") && columns.Of(s) <= h.width { // the columns of examples stay
		h.lines = append(h.lines, s)
		return
	}
	h.lines = append(h.lines, columns.Wrap(s, h.width)...)
}

// commands lists the commands in their order. Those of the whole program come in groups, and
// those in no group share a line.
func (h *help) commands(c *cobra.Command) {
	h.gap()
	if !c.HasParent() {
		h.grouped(c)
		return
	}
	h.lines = append(h.lines, "Commands:")
	var rows [][2]string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			rows = append(rows, [2]string{"  " + sub.Name(), sub.Short})
		}
	}
	h.table(rows)
}

// groups are the groups of commands in the help of the whole program. Their names stand in a
// column of their own, because the help has to fit on a screen.
var groups = []struct {
	title    string
	commands []string
}{
	{"Build", []string{"init", "validate", "plan", "up", "down"}},
	{"Use", []string{"outputs", "open", "hello", "logs", "agent"}},
	{"Account", []string{"list", "sweep", "doctor", "policy"}},
}

func (h *help) grouped(root *cobra.Command) {
	var rows [][2]string
	also := map[string]bool{}
	var order []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			order, also[c.Name()] = append(order, c.Name()), true
		}
	}
	for _, g := range groups {
		title := g.title
		for _, name := range g.commands {
			c, _, err := root.Find([]string{name})
			if err != nil || c == root {
				continue
			}
			rows = append(rows, [2]string{columns.Pad(title, 9) + name, c.Short})
			also[name], title = false, ""
		}
	}
	h.table(rows)
	order = slices.DeleteFunc(order, func(name string) bool { return !also[name] })
	h.text("Also: " + strings.Join(order, ", ") + ".")
}

// flags lists flags, except --help.
func (h *help) flags(title string, set *pflag.FlagSet) {
	var rows [][2]string
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "      --" + f.Name
		if f.Shorthand != "" {
			name = "  -" + f.Shorthand + ", --" + f.Name
		}
		kind, text := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		if !slices.Contains([]string{"", "false", "[]", "0", "0s"}, f.DefValue) {
			text += " (default " + f.DefValue + ")"
		}
		if v := variableOf(f); v != "" && os.Getenv(v) != "" {
			text += " (" + v + " is set)"
		}
		rows = append(rows, [2]string{name, text})
	})
	if len(rows) == 0 {
		return
	}
	h.gap()
	h.lines = append(h.lines, title)
	h.table(rows)
}

// table adds rows of two columns, and wraps the second.
func (h *help) table(rows [][2]string) {
	first := 0
	for _, r := range rows {
		first = max(first, columns.Of(r[0])+3)
	}
	if h.width-first < 24 { // too narrow for columns
		for _, r := range rows {
			h.lines = append(h.lines, r[0])
			h.lines = append(h.lines, columns.Wrap("        "+r[1], h.width)...)
		}
		return
	}
	for _, r := range rows {
		for i, l := range columns.Wrap(r[1], h.width-first) {
			if i > 0 {
				r[0] = ""
			}
			h.lines = append(h.lines, columns.Pad(r[0], first)+l)
		}
	}
}
