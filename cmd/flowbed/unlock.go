package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/resource"
)

func (a *app) unlockCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "unlock", Short: "Show who is at work on the environment, and remove their lease",
		Long: `Unlock shows who holds the environment's lease, asks, and removes it. Up and
down take the lease, so that they do not work on one environment at the same
time. The lease of a run that died runs out by itself within two minutes.`,
		Example: `  flowbed unlock
  flowbed unlock --yes    without asking`,
		Args: noArgs,
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		ctx := c.Context()
		f, err := a.load(true)
		if err != nil {
			return err
		}
		cfg, save, err := a.configuration(ctx, f)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, save()) }()
		id, _, err := a.identity(ctx, f, cfg)
		if err != nil {
			return err
		}
		return a.unlock(ctx, a.lease(ssm.NewFromConfig(cfg), id, "unlock", 0), yes)
	}
	return c
}

// lease is the environment's, for a command that changes something; wait is how
// long it waits for another holder.
func (a *app) lease(api *ssm.Client, id resource.Identity, command string, wait time.Duration) *lease.Lease {
	return &lease.Lease{
		API: api, ID: id, Command: command, Wait: wait, Settle: a.settle(),
		Notify: func(h lease.Held) {
			fmt.Fprintf(a.err, "Waiting for %s, at most %s.\n", h, wait)
		},
	}
}

// settle is how long a run keeps away after one of this machine was killed: by
// then EC2 and IAM show what that one has done. FLOWBED_SETTLE changes it.
func (a *app) settle() time.Duration {
	if a.sandbox {
		return 0
	}
	if d, err := time.ParseDuration(os.Getenv("FLOWBED_SETTLE")); err == nil {
		return d
	}
	return 15 * time.Second
}

func (a *app) unlock(ctx context.Context, l *lease.Lease, yes bool) error {
	held, err := l.Current(ctx)
	if err != nil {
		return err
	}
	if held == nil {
		fmt.Fprintf(a.out, "Nobody is at work on environment %s in account %s, %s: there is no lease to remove.\n",
			l.ID.Env, l.ID.Account, l.ID.Region)
		return nil
	}
	showLease(a.out, l.ID, *held, time.Now())
	if !yes {
		if err := a.mustAsk(yes, false, "unlock"); err != nil {
			return err
		}
		if err := a.confirm(ctx, "Remove the lease? If that run is alive, it stops where it is."); err != nil {
			return err
		}
	}
	if err := l.Break(ctx, held.Nonce); err != nil {
		if errors.Is(err, lease.ErrChanged) {
			return &hinted{err, "nothing was removed; run `flowbed unlock` again to see who holds it now"}
		}
		return err
	}
	fmt.Fprintf(a.err, "Removed. If that run is alive, it notices within %s, and stops.\n", (held.TTL / 3).Round(time.Second))
	return nil
}

// showLease says whose a lease is; how long ago and how soon are by this
// machine's clock.
func showLease(w io.Writer, id resource.Identity, h lease.Held, now time.Time) {
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
	span := func(d time.Duration) string { return max(d, 0).Round(time.Second).String() }
	user, host, _ := strings.Cut(h.Holder, "@")
	fmt.Fprintf(w, "Environment %s in account %s, %s, is in use:\n", id.Env, id.Account, id.Region)
	fmt.Fprintf(w, "  holder   %s\n", user)
	fmt.Fprintf(w, "  host     %s\n", host)
	fmt.Fprintf(w, "  command  flowbed %s, process %d\n", h.Command, h.PID)
	fmt.Fprintf(w, "  since    %s (%s ago)\n", at(h.Since), span(now.Sub(h.Since)))
	fmt.Fprintf(w, "  expires  %s (in %s, unless renewed)\n", at(h.Expires), span(h.Expires.Sub(now)))
}
