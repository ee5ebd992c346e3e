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
	"github.com/flowbed/flowbed/provision/crash"
)

// Handle is a lease that this run holds. It renews the lease until Release, or until
// the lease is lost.
type Handle struct {
	l      *Lease
	fence  *Fence
	nonce  string
	parent context.Context // never ends: Release makes calls after an interruption
	end    context.CancelCauseFunc
	stop   context.CancelFunc // stops the renewals
	done   chan struct{}      // closed when the renewals have stopped
	alone  bool

	// The renewals use these, and Release after they have stopped.
	last history // the last read
	lost error

	release sync.Once
	err     error // of the release
}

// Alone reports whether no other run can have held the lease since the view that
// Acquire was given.
func (k *Handle) Alone() bool { return k.alone }

func (l *Lease) hold(ctx context.Context, nonce string, from instant, h history) (*Handle, context.Context) {
	run, end := context.WithCancelCause(ctx)
	// An interrupted run keeps the lease while it finishes its running steps.
	parent := context.WithoutCancel(ctx)
	renewing, stop := context.WithCancel(parent)
	k := &Handle{l: l, fence: l.fence(), nonce: nonce, parent: parent, end: end, stop: stop, done: make(chan struct{}), last: h}
	first := l.term(from, time.Time{})
	if h.Held != nil {
		first.server = h.Held.Expires.Add(-l.margin())
	}
	k.fence.open(l.ID.Env, first, end)
	go func() {
		defer close(k.done)
		// After stop, an error of a renewal does not mean that the lease is lost.
		if err := crash.Do(func() error { return k.keep(renewing) }); renewing.Err() == nil {
			k.lost = err
			k.fence.close(err)
			end(err)
		}
	}()
	return k, run
}

// margin is how long before its expiry in AWS the holder treats its lease as lost. It
// covers a machine's clock that is slow.
func (l *Lease) margin() time.Duration { return l.ttl() / 8 }

// term is the term of an entry that was written after from, and after AWS's clock showed
// the time server, if that is known.
func (l *Lease) term(from instant, server time.Time) term {
	t := term{from: from, length: l.ttl() - l.margin()}
	if !server.IsZero() {
		t.server = server.Add(t.length)
	}
	return t
}

// fenced makes a call of the lease itself pass the fence.
func (k *Handle) fenced(o *ssm.Options) { o.APIOptions = append(o.APIOptions, k.fence.middleware) }

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

// renew tries to renew the lease for as long as it is certainly in force.
func (k *Handle) renew(ctx context.Context) error {
	var doubt time.Time // since when reads are older than the last one
	var err error
	for pause := firstPause; k.fence.Check() == nil; pause = min(pause*3/2, k.l.ttl()/12) {
		call, cancel := context.WithTimeout(ctx, k.fence.left())
		var h history
		if h, err = k.l.read(call); err == nil {
			switch {
			case h.Newest < k.last.Newest:
				// The read is stale, or somebody deleted the parameter.
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
				from := k.fence.now()
				k.last = h
				if err = k.l.append(call, renew, k.nonce, h, k.fenced); err == nil && k.fence.extend(k.l.term(from, h.now)) {
					cancel()
					return nil
				}
			}
		}
		cancel()
		if err != nil {
			k.fence.fail(err)
		}
		if sleep(ctx, min(jitter(pause), k.fence.left())) != nil {
			return ctx.Err()
		}
	}
	return k.fence.Check()
}

// Release releases the lease and ends the context of the run. With remove, as at the
// end of down, it also deletes the parameter. It works after an interruption, and a
// second call does nothing. The error is a *LostError if the lease was lost before.
// If the release fails, the lease expires on its own.
//
//nolint:contextcheck // the caller's context may have ended
func (k *Handle) Release(remove bool) error {
	k.release.Do(func() {
		k.stop()
		<-k.done
		defer k.end(context.Canceled)
		defer k.fence.close(errReleased)
		if k.err = k.lost; k.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(k.parent, cleanup)
		defer cancel()
		if k.err = k.releaseNow(ctx, remove); k.err != nil {
			k.err = fmt.Errorf("release the lock on environment %s: %w", k.l.ID.Env, k.err)
		}
	})
	return k.err
}

func (k *Handle) releaseNow(ctx context.Context, remove bool) error {
	if err := k.fence.Check(); err != nil {
		return err
	}
	if remove {
		err := k.remove(ctx)
		if err == nil {
			return nil
		}
		// The parameter cannot be deleted, but no other run should have to wait.
		return errors.Join(err, k.free(ctx))
	}
	return k.free(ctx)
}

// free appends the release.
func (k *Handle) free(ctx context.Context) error {
	for pause := firstPause; ; pause = min(pause*3/2, maxPause) {
		err := k.l.append(ctx, release, k.nonce, k.last, k.fenced)
		if err == nil || errors.Is(err, errVanished) {
			return nil
		}
		if !awserr.Retry(err) || sleep(ctx, jitter(pause)) != nil {
			return err
		}
	}
}

// remove deletes the parameter while this run holds the lease. Entries that other
// runs append in the meantime have no effect, so deleting them loses nothing. The SDK
// must not retry the call: after a deletion that worked, a retry could delete the new
// lease of another run.
func (k *Handle) remove(ctx context.Context) error {
	once := func(o *ssm.Options) { o.Retryer = aws.NopRetryer{} }
	for pause := firstPause; ; pause = min(pause*3/2, maxPause) {
		_, err := k.l.API.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String(k.l.parameter())}, once, k.fenced)
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
			return nil // deleted; if a parameter exists, it is another run's
		}
	}
}
