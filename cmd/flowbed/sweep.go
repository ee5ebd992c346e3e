package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

// sweep are the flags of the command.
type sweep struct {
	runFlags
	data  force
	all   bool
	match string
	older time.Duration
	names []string
}

func (a *app) sweepCommand() *cobra.Command {
	var w sweep
	c := &cobra.Command{
		Use: "sweep [environment]...", Short: "Remove the environments that have expired",
		Long: `Sweep lists the environments whose ttl is over, and with --yes removes each of
them as down does. An environment without a ttl, or whose time has not come, it
touches only if it is named. It needs no config.hcl.`,
		Example: `  flowbed sweep --all-regions
  flowbed sweep --match 'ci-*' --older-than 12h --yes
  flowbed sweep ci-4711 --yes    this one, whether it has expired or not`,
	}
	f := c.Flags()
	f.StringVar(&w.match, "match", "", "only environments of such names, as 'ci-*'")
	f.DurationVar(&w.older, "older-than", 0, "only environments that were made so long ago, as 12h")
	f.BoolVar(&w.all, "all-regions", false, "look in all regions that the account has enabled")
	f.BoolVarP(&w.yes, "yes", "y", false, "remove what is listed")
	f.BoolVar(&w.asJSON, "json", false, "JSON on stdout (docs/json.md)")
	w.data.add(c, "also delete all data that the environments hold", "also delete all objects and versions in their buckets")
	w.addTimeout(c)
	c.RunE = func(c *cobra.Command, names []string) error {
		w.names = names
		if _, err := path.Match(w.match, ""); err != nil {
			return usageOf(c, fmt.Errorf("--match %q: %w", w.match, err))
		}
		return a.sweep(c.Context(), w)
	}
	return c
}

func (a *app) sweep(ctx context.Context, w sweep) error {
	found, failed := a.census(ctx, w.all)
	if found == nil {
		return failed
	}
	now := time.Now()
	due := w.due(found.list, now)
	o := a.options(os.Stdout)
	o.Verb, o.Header, o.Hint = "sweep", found.header, a.hint
	var shown error
	if w.asJSON {
		shown = view.EnvironmentsJSON(a.out, due, now, failed, w.yes, o)
	} else {
		shown = view.Environments(a.out, due, now, o)
	}
	if err := errors.Join(shown, failed, w.missing(due, found.header)); err != nil || len(due) == 0 {
		return err
	}
	if !w.yes {
		if !w.asJSON {
			fmt.Fprintln(a.err, "\nNothing was removed: --yes removes them.")
		}
		return nil
	}
	var errs []error
	for _, e := range due {
		if ctx.Err() != nil {
			errs = append(errs, context.Cause(ctx))
			break
		}
		if err := a.sweepOne(ctx, w, e); err != nil {
			a.report(err)
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return coded{code: exitCode(errors.Join(errs...))}
	}
	return nil
}

// due chooses what is to go: what is named, or else what has expired and is not
// ruled out.
func (w sweep) due(list []view.Environment, now time.Time) (due []view.Environment) {
	for _, e := range list {
		matches, _ := path.Match(w.match, e.Name) // the pattern is known to be good
		switch expired := !e.Expires.IsZero() && !e.Expires.After(now); {
		case len(w.names) > 0 && !slices.Contains(w.names, e.Name):
		case len(w.names) > 0:
			e.Why = "named"
			due = append(due, e)
		case !expired, w.match != "" && !matches:
		case w.older > 0 && (e.Created.IsZero() || now.Sub(e.Created) < w.older):
		default:
			e.Why = "expired"
			due = append(due, e)
		}
	}
	return due
}

// missing is an error if a name was given that there is not: it may be misspelt,
// or the account or region another one.
func (w sweep) missing(due []view.Environment, h view.Header) error {
	var names []string
	for _, n := range w.names {
		if !slices.ContainsFunc(due, func(e view.Environment) bool { return e.Name == n }) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return nil
	}
	where := "all regions"
	if h.Region != "" {
		where = "region " + h.Region
	}
	return fmt.Errorf("there is no environment %s in account %s, %s", strings.Join(names, ", "), h.Account, where)
}

// sweepOne is down for one environment.
func (a *app) sweepOne(ctx context.Context, w sweep, e view.Environment) (err error) {
	f, err := spec.Bare(e.Name, spec.Options{Region: e.Region})
	if err != nil {
		return fmt.Errorf("remove environment %s: %w", e.Name, err)
	}
	s, err := a.openFile(ctx, f, w.data.options(stack.Options{Removal: true}))
	if err != nil {
		return err
	}
	defer s.keep(&err)
	if !w.asJSON {
		fmt.Fprintln(a.out)
	}
	return a.newRun(s, "down", w.runFlags).down(ctx)
}
