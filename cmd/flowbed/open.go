package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flowbed/flowbed/provision/stack"
)

// pages are what open opens, by the outputs that have their URLs. The agent is on an instance or in a
// service.
var pages = []struct{ name, output string }{
	{"prefect", "prefect_url"}, {"cluster", "cluster_url"}, {"logs", "log_url"}, {"bucket", "bucket_url"},
	{"agent", "service_url"}, {"agent", "instance_url"},
}

func (a *app) openCommand() *cobra.Command {
	var printOnly bool
	c := &cobra.Command{
		Use: "open [page]", Short: "Open Prefect or the AWS console in the browser", SuggestFor: []string{"browse", "console", "ui"},
		Long: `Open a page about the environment in the browser, and print its URL: prefect (the
work pool in Prefect's pages), or in the AWS console cluster, logs, bucket or
agent (the agent's instance or service). Without a page, open prefect, or else
cluster. Without a terminal, only print the URL. BROWSER names another browser.`,
		Example: `  flowbed open
  flowbed open logs
  flowbed open bucket --print    only print the URL`,
		Args: oneOf(pageNames()), ValidArgs: pageNames(),
	}
	c.Flags().BoolVar(&printOnly, "print", false, "only print the URL")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		s, err := a.open(c.Context(), stack.Options{Destroy: true, NoPrefect: true})
		if err != nil {
			return err
		}
		defer s.keep(&err)
		if err := s.Graph.Read(c.Context()); err != nil {
			return err
		}
		u, err := s.page(a, args)
		if err != nil {
			return err
		}
		a.idle()
		if _, err := fmt.Fprintln(a.out, u); err != nil || printOnly || !term.IsTerminal(int(os.Stdout.Fd())) {
			return err
		}
		if err := browse(c.Context(), u); err != nil {
			a.say("Cannot start a browser: %v.", err)
		}
		return nil
	}
	return c
}

func pageNames() (names []string) {
	for _, p := range pages {
		names = append(names, p.name)
	}
	return slices.Compact(names)
}

// oneOf accepts one of a few arguments, or none.
func oneOf(list []string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return noArgs(c, args[1:])
		case len(args) == 1 && !slices.Contains(list, args[0]):
			return usageOf(c, fmt.Errorf("unknown page%s: want %s or %s", quotedArgument(c, args[0]), strings.Join(list[:len(list)-1], ", "), list[len(list)-1]))
		}
		return nil
	}
}

// page is the URL of a page, or of the usual one.
func (s *session) page(a *app, args []string) (string, error) {
	urls := map[string]string{}
	for _, o := range s.outputs() {
		urls[o.Name] = o.Value
	}
	for _, p := range pages {
		if u := urls[p.output]; u != "" && (len(args) == 0 || args[0] == p.name) {
			return u, nil
		}
	}
	if len(args) == 1 {
		return "", &hinted{fmt.Errorf("environment %s has no page %s", s.env.Name, args[0]),
			"`flowbed outputs" + a.selection() + "` shows what it has"}
	}
	return "", &hinted{fmt.Errorf("environment %s does not exist yet", s.env.Name), "run `flowbed up" + a.selection() + "` to build it"}
}

// browse starts the browser, and does not wait for it.
func browse(ctx context.Context, u string) error {
	command := map[string][]string{"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}[runtime.GOOS]
	switch own := strings.Fields(os.Getenv("BROWSER")); {
	case len(own) > 0:
		command = own
	case command == nil && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "":
		return errors.New("there is no display")
	case command == nil:
		command = []string{"xdg-open"}
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	browser := exec.CommandContext(context.WithoutCancel(ctx), path, append(slices.Clone(command[1:]), u)...)
	return browser.Start()
}
