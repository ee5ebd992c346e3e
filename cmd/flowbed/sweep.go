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

	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

// sweepFlags are the flags and arguments of sweep.
type sweepFlags struct {
	runFlags
	data      force
	all       bool
	match     string
	olderThan time.Duration
	names     []string
}

func (a *app) sweepCommand() *cobra.Command {
	var w sweepFlags
	c := &cobra.Command{
		Use: "sweep [environment]...", Short: "Remove expired environments",
		Long: `List the environments whose ttl has expired. With --yes, remove each of them
the way down does. To remove an environment that has not expired, or that has
no ttl, give its name. Sweep needs no config.hcl.`,
		Example: `  flowbed sweep --all-regions
  flowbed sweep --match 'ci-*' --older-than 12h --yes
  flowbed sweep ci-4711 --yes    this environment, even if it has not expired`,
	}
	c.ValidArgsFunction = a.completeEnvironments
	f := c.Flags()
	f.StringVar(&w.match, "match", "", "only names that match the `pattern`, e.g. 'ci-*'")
	f.DurationVar(&w.olderThan, "older-than", 0, "only environments older than this, e.g. 12h")
	f.BoolVar(&w.all, "all-regions", false, "search all regions of the account")
	f.BoolVarP(&w.yes, "yes", "y", false, "remove the listed environments")
	f.BoolVar(&w.asJSON, "json", false, "print JSON (docs/json.md)")
	w.data.add(c, "also delete all data that the environments hold", "also delete all that is in their buckets")
	w.data.addDeployments(c, "also delete the deployments of their work pools")
	w.addTimeout(c)
	w.addEndpoints(c, "go on if AWS services have different endpoints")
	c.RunE = func(c *cobra.Command, names []string) error {
		w.names = names
		if _, err := path.Match(w.match, ""); err != nil {
			return usageOf(c, fmt.Errorf("--match %q: %w", w.match, err))
		}
		return a.sweep(c.Context(), w)
	}
	return c
}

func (a *app) sweep(ctx context.Context, w sweepFlags) error {
	found, failed := a.findEnvironments(ctx, w.all)
	if found == nil {
		return failed
	}
	now := time.Now()
	due := w.due(found.list, now)
	o := a.options(os.Stdout)
	o.Verb, o.Header, o.Hint, o.Incomplete = "sweep", found.header, a.hint, failed != nil
	var shown error
	if w.asJSON {
		shown = view.EnvironmentsJSON(a.out, due, now, failed, w.yes, o)
	} else {
		shown = view.Environments(a.out, due, now, o)
	}
	refused := checkEndpoints(found.header, w.endpoints || !w.yes)
	if err := errors.Join(shown, failed, w.notFound(due, found), refused); err != nil || len(due) == 0 {
		return err
	}
	if !w.yes {
		if !w.asJSON {
			a.say("\nNothing was removed. Next: add --yes to remove these environments.")
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

// due selects the environments to remove: the named ones, or else the expired ones that
// match the flags.
func (w sweepFlags) due(list []view.Environment, now time.Time) (due []view.Environment) {
	for _, e := range list {
		matches, _ := path.Match(w.match, e.Name) // the pattern was checked before
		switch expired := !e.Expires.IsZero() && !e.Expires.After(now); {
		case len(w.names) > 0 && !slices.Contains(w.names, e.Name), e.Protected:
		case len(w.names) > 0:
			e.Why = "named"
			due = append(due, e)
		case !expired, w.match != "" && !matches:
		case w.olderThan > 0 && (e.Created.IsZero() || now.Sub(e.Created) < w.olderThan):
		default:
			e.Why = "expired"
			due = append(due, e)
		}
	}
	return due
}

// notFound is an error if a named environment does not exist: the name may be
// misspelled, or the account or the region may be wrong.
func (w sweepFlags) notFound(due []view.Environment, found *environmentList) error {
	var names []string
	for _, n := range w.names {
		if slices.ContainsFunc(found.list, func(e view.Environment) bool { return e.Name == n && e.Protected }) {
			return &hinted{
				fmt.Errorf("environment %s is protected from deletion, so sweep leaves it alone", n),
				fmt.Sprintf("to remove it, run `flowbed down -e %s`, which asks for its name", n)}
		}
		if !slices.ContainsFunc(due, func(e view.Environment) bool { return e.Name == n }) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return nil
	}
	h, where := found.header, "all regions"
	if h.Region != "" {
		where = "region " + h.Region
	}
	return &hinted{
		fmt.Errorf("environment %s not found in account %s, %s", strings.Join(names, ", "), h.Account, where),
		"`flowbed list` shows the environments; check --profile and --region"}
}

// sweepOne runs down for one environment.
func (a *app) sweepOne(ctx context.Context, w sweepFlags, e view.Environment) (err error) {
	f, err := spec.Bare(e.Name, spec.Options{Region: e.Region})
	if err != nil {
		return fmt.Errorf("remove environment %s: %w", e.Name, err)
	}
	s, err := a.openFile(ctx, f, w.data.options(stack.Options{Destroy: true, Fence: new(lease.Fence)}))
	if err != nil {
		return err
	}
	defer s.keep(&err)
	if !w.asJSON {
		fmt.Fprintln(a.out)
	}
	return a.newRun(s, "down", w.runFlags).down(ctx)
}
