package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/awserr"
)

// Handle is a lease in our hands. It renews itself until it is released or lost.
type Handle struct {
	l      *Lease
	nonce  string
	parent context.Context // without its end: leaving needs calls after it
	end    context.CancelCauseFunc
	stop   context.CancelFunc // ends the renewing
	done   chan struct{}      // closed when the renewing has ended
	alone  bool

	// Only the renewing uses these, and Release after it has ended.
	until time.Time // by our clock; the lease is in force for some time after it
	last  history   // as read last
	lost  error

	release sync.Once
	err     error // of the release
}

// Alone reports whether nobody can have held the lease between the view that
// Acquire was given and now.
func (k *Handle) Alone() bool { return k.alone }

func (l *Lease) hold(ctx context.Context, nonce string, sent time.Time, h history) (*Handle, context.Context) {
	run, end := context.WithCancelCause(ctx)
	// An interrupted run is still finishing what is under way, under the lease.
	parent := context.WithoutCancel(ctx)
	renewing, stop := context.WithCancel(parent)
	k := &Handle{l: l, nonce: nonce, parent: parent, end: end, stop: stop, done: make(chan struct{}),
		until: l.until(sent), last: h}
	go func() {
		defer close(k.done)
		// Once it is to stop, an error of the renewing says nothing of the lease.
		if err := k.keep(renewing); renewing.Err() == nil {
			k.lost = err
			end(err)
		}
	}()
	return k, run
}

// until is when a lease that was written after a moment has to be taken for
// lost: before it runs out, however slow our clock.
func (l *Lease) until(sent time.Time) time.Time { return sent.Add(l.ttl() - l.ttl()/8) }

// keep renews the lease until its context ends or the lease is lost, and returns
// the reason.
func (k *Handle) keep(ctx context.Context) error {
	for {
		if err := sleep(ctx, k.l.ttl()/3); err != nil {
			return err
		}
		if err := k.renew(ctx); err != nil {
			return err
		}
	}
}

// renew tries to renew the lease for as long as it is surely in force.
func (k *Handle) renew(ctx context.Context) error {
	var doubt time.Time // since when the log does not show what it must
	var err error
	for pause := firstPause; time.Now().Before(k.until); pause = min(pause*3/2, k.l.ttl()/12) {
		call, cancel := context.WithDeadline(ctx, k.until)
		var h history
		if h, err = k.l.read(call); err == nil {
			switch {
			case h.Newest < k.last.Newest:
				// An old view of the log, or the parameter has been deleted.
				if err = errVanished; doubt.IsZero() {
					doubt = time.Now()
				}
				if time.Since(doubt) >= settle {
					cancel()
					return &LostError{Env: k.l.ID.Env, Now: h.current()}
				}
			case h.current() == nil || h.Held.Nonce != k.nonce:
				cancel()
				return &LostError{Env: k.l.ID.Env, Now: h.current()}
			default:
				sent := time.Now()
				k.last = h
				if err = k.l.append(call, renew, k.nonce, h); err == nil && time.Now().Before(k.until) {
					cancel()
					k.until = k.l.until(sent)
					return nil
				}
			}
		}
		cancel()
		if sleep(ctx, min(jitter(pause), max(time.Until(k.until), 0))) != nil {
			return ctx.Err()
		}
	}
	return &LostError{Env: k.l.ID.Env, Err: err}
}

// Release gives the lease back, and ends the context of the run. With remove,
// as at the end of down, the parameter goes as well. It works after an
// interruption, and does nothing the second time. The error is the *LostError
// if there was nothing left to give back. If the release fails, the lease runs
// out by itself.
//
//nolint:contextcheck // the caller's context may have ended
func (k *Handle) Release(remove bool) error {
	k.release.Do(func() {
		k.stop()
		<-k.done
		defer k.end(context.Canceled)
		if k.err = k.lost; k.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(k.parent, leave)
		defer cancel()
		if k.err = k.giveBack(ctx, remove); k.err != nil {
			k.err = fmt.Errorf("give back the lease on environment %s: %w", k.l.ID.Env, k.err)
		}
	})
	return k.err
}

func (k *Handle) giveBack(ctx context.Context, remove bool) error {
	if !time.Now().Before(k.until) {
		return &LostError{Env: k.l.ID.Env}
	}
	if remove {
		err := k.remove(ctx)
		if err == nil {
			return nil
		}
		// It cannot be deleted, but nobody shall have to wait for us.
		return errors.Join(err, k.free(ctx))
	}
	return k.free(ctx)
}

// free appends the release.
func (k *Handle) free(ctx context.Context) error {
	for pause := firstPause; ; pause = min(pause*3/2, mostPause) {
		err := k.l.append(ctx, release, k.nonce, k.last)
		if err == nil || errors.Is(err, errVanished) {
			return nil
		}
		if !awserr.Retry(err) || sleep(ctx, jitter(pause)) != nil {
			return err
		}
	}
}

// remove deletes the parameter while the lease is ours: an entry that somebody
// appends meanwhile is passed over anyhow, so nothing of theirs is lost with it.
// The SDK must not repeat the call by itself: if the first one has worked, the
// next one could meet the lease of another, who was quick to make a new one.
func (k *Handle) remove(ctx context.Context) error {
	once := func(o *ssm.Options) { o.Retryer = aws.NopRetryer{} }
	for pause := firstPause; ; pause = min(pause*3/2, mostPause) {
		_, err := k.l.API.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String(k.l.parameter())}, once)
		if err = awserr.Gone(err); err == nil {
			return nil
		}
		err = fmt.Errorf("delete parameter %s: %w", k.l.parameter(), err)
		if !awserr.Retry(err) || sleep(ctx, jitter(pause)) != nil {
			return err
		}
		h, readErr := k.l.read(ctx)
		switch {
		case readErr != nil && !awserr.Retry(readErr):
			return errors.Join(err, readErr)
		case readErr != nil:
			continue
		case h.Versions == 0, h.Held == nil || h.Held.Nonce != k.nonce:
			return nil // gone; if there is one, it is a new one
		}
	}
}
