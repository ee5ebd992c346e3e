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
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) unlockCommand() *cobra.Command {
	var yes, asJSON bool
	c := &cobra.Command{
		Use: "unlock", Short: "Show who holds the environment lock, and remove it",
		Long: `Show who holds the environment lock, ask for confirmation, and remove the lock.
Up and down hold it while they run, so that only one run changes an environment
at a time. The lock of a dead run expires on its own within two minutes.`,
		Example: `  flowbed unlock
  flowbed unlock --yes     without confirmation
  flowbed unlock --json    show the lock, and leave it`,
		Args: noArgs,
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "skip the confirmation")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document (docs/json.md); removes only with --yes")
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
		id, caller, err := a.identity(ctx, f, cfg)
		if err != nil {
			return err
		}
		a.busy("Reading the lock of environment %s", id.Env)
		l := a.lease(ssm.NewFromConfig(cfg), id, "unlock", 0)
		if !asJSON {
			return a.unlock(ctx, l, yes)
		}
		h := view.Header{Environment: id.Env, Account: id.Account, Caller: caller, Region: id.Region, Sandbox: a.sandbox}
		a.setEndpoints(&h, cfg)
		return a.unlockJSON(ctx, l, h, yes)
	}
	return c
}

// lease is the environment's lease for a command. wait is how long the command waits for
// another run.
func (a *app) lease(api *ssm.Client, id resource.Identity, command string, wait time.Duration) *lease.Lease {
	return &lease.Lease{
		API: api, ID: id, Command: command, Wait: wait, Settle: a.settle(), TTL: lockTTL(),
		Notify: func(h lease.Held) {
			a.say("Waiting up to %s for the lock, held by %s.", wait, h)
			a.busy("Waiting for the lock")
		},
	}
}

// lockLength is set by the linker, for a test that waits for the end of a lock.
var lockLength string

// lockTTL is how long a lock stays in force without a renewal; 0 means the usual time.
func lockTTL() time.Duration {
	d, _ := time.ParseDuration(lockLength)
	return d
}

// settle is how long AWS may take to show a change to everybody. A run waits that long after
// a killed run on the same machine, and before it deletes what environments share.
// FLOWBED_SETTLE overrides it.
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
		_, err := fmt.Fprintf(a.out, "%s is not locked.\n", l.ID.Env)
		return err
	}
	showLock(a.out, l.ID, *held, time.Now())
	if !yes {
		if err := a.requireTerminal(yes, false, "unlock"); err != nil {
			return err
		}
		if err := a.confirm(ctx, "Remove the lock? If that run is still alive, it stops.", "yes"); err != nil {
			return err
		}
	}
	if err := breakLock(ctx, l, held.Nonce); err != nil {
		return err
	}
	a.note("Removed the lock. If that run is still alive, it stops within %s.", (held.TTL / 3).Round(time.Second))
	return nil
}

// unlockJSON shows the lock as a document, and removes it only with yes.
func (a *app) unlockJSON(ctx context.Context, l *lease.Lease, h view.Header, yes bool) error {
	held, err := l.Current(ctx)
	if err != nil {
		return err
	}
	if held == nil {
		return view.LockJSON(a.out, h, nil, false)
	}
	if yes {
		if err := breakLock(ctx, l, held.Nonce); err != nil {
			return err
		}
	}
	lock := view.Lock{Holder: held.Holder, Command: held.Command, PID: held.PID, Since: held.Since, Expires: held.Expires}
	return view.LockJSON(a.out, h, &lock, yes)
}

func breakLock(ctx context.Context, l *lease.Lease, nonce string) error {
	err := l.Break(ctx, nonce)
	if errors.Is(err, lease.ErrChanged) {
		return &hinted{err, "nothing was removed; run `flowbed unlock` again to see who holds the lock now"}
	}
	return err
}

// showLock prints the holder of a lock. The durations use this machine's clock.
func showLock(w io.Writer, id resource.Identity, h lease.Held, now time.Time) {
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
	span := func(d time.Duration) string { return max(d, 0).Round(time.Second).String() }
	user, host, _ := strings.Cut(h.Holder, "@")
	fmt.Fprintf(w, "Environment %s in account %s, region %s, is locked:\n", id.Env, id.Account, id.Region)
	fmt.Fprintf(w, "  holder   %s\n", user)
	fmt.Fprintf(w, "  host     %s\n", host)
	fmt.Fprintf(w, "  command  flowbed %s, process %d\n", h.Command, h.PID)
	fmt.Fprintf(w, "  since    %s (%s ago)\n", at(h.Since), span(now.Sub(h.Since)))
	fmt.Fprintf(w, "  expires  %s (in %s, unless renewed)\n", at(h.Expires), span(h.Expires.Sub(now)))
}
