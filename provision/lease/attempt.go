package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowbed/flowbed/provision/awserr"
)

// attempt is one Acquire on its way.
type attempt struct {
	l      *Lease
	begun  time.Time
	nonce  string
	sent   time.Time // before the nonce's first claim that may still count; zero: there is none
	tried  time.Time // before its last claim
	number int64     // the version of its last claim, if known
	told   string    // the nonce of the holder that Notify knows of
	other  *Held     // holds it

	trouble time.Time // since when nobody holds it, and yet we do not get it
}

// read reads the log, unless there is a view of it.
func (a *attempt) read(ctx context.Context, seen *View) (history, error) {
	if seen != nil {
		return seen.h, nil
	}
	return a.l.read(ctx)
}

// errUnseen says that what has been written cannot be read yet.
var errUnseen = errors.New("what was written cannot be read yet")

// got reports whether the log shows the lease in our hands, and for long enough.
func (a *attempt) got(h history) bool {
	held := h.current()
	return held != nil && held.Nonce == a.nonce && !a.sent.IsZero() && time.Since(a.sent) < a.l.ttl()/2
}

// next does what is to be done about a log that does not show us as the holder.
// Without an error a claim has been written, and the log is to be read again.
func (a *attempt) next(ctx context.Context, h history) error {
	held := h.current()
	if held == nil {
		return a.claim(ctx, h)
	}
	if held.Nonce == a.nonce {
		// Ours, but the replies took so long that its end is near.
		return a.end(ctx, a.nonce, h)
	}
	if h.Newest >= a.number {
		a.sent = time.Time{} // the claim has been passed over
	}
	if a.l.orphaned(held) && a.l.silence(held, h) >= a.l.Settle {
		return a.end(ctx, held.Nonce, h) // nobody is left to do it
	}
	a.other = held
	if a.l.Notify != nil && a.told != held.Nonce {
		a.told = held.Nonce
		a.l.Notify(*held)
	}
	return &HeldError{Env: a.l.ID.Env, Held: *held, Waited: time.Since(a.begun)}
}

// orphaned reports whether the holder was a process of this machine that is dead.
func (l *Lease) orphaned(held *Held) bool {
	me := l.me()
	return held.Machine != "" && held.Machine == me.machine && held.PID > 1 && me.dead(held.PID)
}

// silence is how long ago the holder wrote last, by AWS's clock.
func (l *Lease) silence(held *Held, h history) time.Duration {
	return l.ttl() - held.Expires.Sub(h.now)
}

// end appends the release of a lease that is of no use to anybody.
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
		a.nonce, a.sent = newNonce(), time.Time{} // a nonce holds the lease once
	}
	a.tried, a.number = time.Now(), 0
	if a.sent.IsZero() {
		a.sent = a.tried
	}
	a.number, err = a.l.write(ctx, a.l.entry(claim, a.nonce), h)
	return err
}

// judge turns an error that is a reason to wait into nil. Only a living holder
// uses up Wait; what else keeps us from the lease has some time of its own.
func (a *attempt) judge(err error) error {
	waited := time.Since(a.begun)
	if held, ok := errors.AsType[*HeldError](err); ok {
		a.trouble = time.Time{}
		if waited < a.l.Wait {
			return nil
		}
		return held
	}
	if errors.Is(err, errUnseen) || errors.Is(err, errVanished) || awserr.Retry(err) {
		if a.trouble.IsZero() {
			a.trouble = time.Now()
		}
		if waited < a.l.Wait || time.Since(a.trouble) < rest {
			return nil
		}
	}
	return fmt.Errorf("take the lease on environment %s: %w", a.l.ID.Env, err)
}

// shorten ends a pause when the holder's lease or our patience runs out.
func (a *attempt) shorten(pause time.Duration, h history) time.Duration {
	if a.other == nil {
		return pause
	}
	left := min(a.other.Expires.Sub(h.now), a.l.Wait-time.Since(a.begun))
	return max(min(pause, left), firstPause/3)
}

// abandon releases what an attempt that ends without success may have claimed.
func (a *attempt) abandon(ctx context.Context) {
	if a.sent.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leave)
	defer cancel()
	h, err := a.l.read(ctx)
	if err != nil || h.Versions == 0 {
		return // what there may be runs out
	}
	if held := h.current(); held != nil && held.Nonce == a.nonce || h.Newest < a.number {
		_ = a.l.append(ctx, release, a.nonce, h)
	}
}
