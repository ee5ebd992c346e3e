package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowbed/flowbed/provision/awserr"
)

// Current is the run that holds the lease. It is nil if nobody does, or if the lease
// has expired.
func (l *Lease) Current(ctx context.Context) (*Held, error) {
	h, err := l.read(ctx)
	if err != nil {
		return nil, err
	}
	return h.current(), nil
}

// Break ends a lease; the run that holds it then stops. The nonce names the lease
// that the user saw. If another lease is in force, Break changes nothing and returns
// ErrChanged. A lease that has already ended is not an error.
func (l *Lease) Break(ctx context.Context, nonce string) error {
	ctx, cancel := context.WithTimeout(ctx, settle+cleanup)
	defer cancel()
	var wrote int64
	for pause := firstPause; ; pause = min(pause*3/2, maxPause) {
		h, err := l.read(ctx)
		held := h.current()
		switch {
		case err != nil:
		case held != nil && held.Nonce != nonce:
			return fmt.Errorf("%w: %s", ErrChanged, held)
		case held == nil && h.Newest >= wrote || h.Versions == 0:
			return nil
		case wrote == 0 || h.Newest >= wrote:
			wrote, err = l.write(ctx, l.entry(release, nonce), h)
		}
		if err != nil && !awserr.Retry(err) && !errors.Is(err, errVanished) {
			return fmt.Errorf("unlock environment %s: %w", l.ID.Env, err)
		}
		if err := sleep(ctx, jitter(pause)/4); err != nil {
			return err
		}
	}
}

// Tidy deletes the parameter if nobody holds the lease. A down that was killed at the
// very end leaves it behind. Tidy reports whether the parameter existed. If another
// run holds the lease, the error is a *HeldError.
func (l *Lease) Tidy(ctx context.Context) (found bool, err error) {
	h, err := l.read(ctx)
	if err != nil || h.Versions == 0 {
		return false, err
	}
	now := *l
	now.Wait = min(l.Wait, time.Second)
	handle, _, err := now.Acquire(ctx, nil)
	if err != nil {
		return true, err
	}
	return true, handle.Release(true)
}
