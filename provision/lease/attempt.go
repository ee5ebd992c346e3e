package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowbed/flowbed/provision/awserr"
)

// attempt is the state of one call of Acquire.
type attempt struct {
	l        *Lease
	begun    time.Time
	nonce    string
	sent     time.Time // before the nonce's first claim that may take effect; zero if there is none
	from     instant   // the same by all clocks
	tried    time.Time // before its last claim
	number   int64     // the version of its last claim, if known
	notified string    // the nonce of the last holder that Notify was called with
	other    *Held     // the run that holds the lease

	blocked time.Time // since when nobody holds the lease and this run cannot get it
}

// read reads the log, unless the caller has a view of it.
func (a *attempt) read(ctx context.Context, seen *View) (history, error) {
	if seen != nil {
		return seen.h, nil
	}
	return a.l.read(ctx)
}

// errUnseen means that reads do not show the last write yet.
var errUnseen = errors.New("reads do not show the last write yet")

// holds reports whether this run holds the lease, with enough time left.
func (a *attempt) holds(h history) bool {
	held := h.current()
	return held != nil && held.Nonce == a.nonce && !a.sent.IsZero() && time.Since(a.sent) < a.l.ttl()/2
}

// next acts on a log in which this run does not hold the lease. If it returns nil,
// it has written a claim, and the caller reads the log again.
func (a *attempt) next(ctx context.Context, h history) error {
	held := h.current()
	if held == nil {
		return a.claim(ctx, h)
	}
	if held.Nonce == a.nonce {
		// This run holds it, but the replies took so long that it is about to expire.
		return a.end(ctx, a.nonce, h)
	}
	if h.Newest >= a.number {
		a.sent = time.Time{} // the claim had no effect
	}
	if a.l.orphaned(held) && a.l.silence(held, h) >= a.l.Settle {
		return a.end(ctx, held.Nonce, h) // its process is dead
	}
	a.other = held
	if a.l.Notify != nil && a.notified != held.Nonce {
		a.notified = held.Nonce
		a.l.Notify(*held)
	}
	return &HeldError{Env: a.l.ID.Env, Held: *held, Waited: time.Since(a.begun)}
}

// orphaned reports whether the holder is a dead process on this machine.
func (l *Lease) orphaned(held *Held) bool {
	w := l.self()
	return held.Machine != "" && held.Machine == w.machine && held.PID > 1 && w.dead(held.PID)
}

// silence is the time since the holder's last write, by AWS's clock.
func (l *Lease) silence(held *Held, h history) time.Duration {
	return l.ttl() - held.Expires.Sub(h.now)
}

// end appends the release of a lease that nobody uses.
func (a *attempt) end(ctx context.Context, nonce string, h history) error {
	if err := a.l.append(ctx, release, nonce, h); err != nil {
		return err
	}
	return errUnseen
}

func (a *attempt) claim(ctx context.Context, h history) (err error) {
	if a.number > h.Newest && time.Since(a.tried) < settle {
		return errUnseen
	}
	if h.Last == a.nonce || h.Held != nil && h.Held.Nonce == a.nonce {
		a.nonce, a.sent = newNonce(), time.Time{} // a nonce can hold the lease only once
	}
	a.tried, a.number = time.Now(), 0
	if a.sent.IsZero() {
		a.sent, a.from = a.tried, a.l.fence().now()
	}
	a.number, err = a.l.write(ctx, a.l.entry(claim, a.nonce), h)
	return err
}

// judge returns nil for an error that is a reason to try again. Only a live holder
// counts against Wait; other obstacles have a time limit of their own.
func (a *attempt) judge(err error) error {
	waited := time.Since(a.begun)
	if held, ok := errors.AsType[*HeldError](err); ok {
		a.blocked = time.Time{}
		if waited < a.l.Wait {
			return nil
		}
		return held
	}
	if errors.Is(err, errUnseen) || errors.Is(err, errVanished) || awserr.Retry(err) {
		if a.blocked.IsZero() {
			a.blocked = time.Now()
		}
		if waited < a.l.Wait || time.Since(a.blocked) < nameReuse {
			return nil
		}
	}
	return fmt.Errorf("lock environment %s: %w", a.l.ID.Env, err)
}

// shorten ends a pause when the holder's lease expires or Wait is over.
func (a *attempt) shorten(pause time.Duration, h history) time.Duration {
	if a.other == nil {
		return pause
	}
	left := min(a.other.Expires.Sub(h.now), a.l.Wait-time.Since(a.begun))
	return max(min(pause, left), firstPause/3)
}

// abandon releases the claim of an attempt that ends without the lease.
func (a *attempt) abandon(ctx context.Context) {
	if a.sent.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(outside(context.WithoutCancel(ctx)), cleanup)
	defer cancel()
	h, err := a.l.read(ctx)
	if err != nil || h.Versions == 0 {
		return // a claim that may exist expires
	}
	if held := h.current(); held != nil && held.Nonce == a.nonce || h.Newest < a.number {
		_ = a.l.append(ctx, release, a.nonce, h)
	}
}
