package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowbed/flowbed/provision/awserr"
)

// Current is who holds the lease at present; nil if nobody does, or if what was
// held has run out.
func (l *Lease) Current(ctx context.Context) (*Held, error) {
	h, err := l.read(ctx)
	if err != nil {
		return nil, err
	}
	return h.current(), nil
}

// Break ends a lease for its holder, who then stops. The nonce is that of the
// one that was shown: if another one is in force by now, nothing is changed and
// the error is ErrChanged. A lease that has ended meanwhile is no error.
func (l *Lease) Break(ctx context.Context, nonce string) error {
	ctx, cancel := context.WithTimeout(ctx, settle+leave)
	defer cancel()
	var wrote int64
	for pause := firstPause; ; pause = min(pause*3/2, mostPause) {
		h, err := l.read(ctx)
		held := h.current()
		switch {
		case err != nil:
		case held != nil && held.Nonce != nonce:
			return fmt.Errorf("%w: it is held by %s", ErrChanged, held)
		case held == nil && h.Newest >= wrote || h.Versions == 0:
			return nil
		case wrote == 0 || h.Newest >= wrote:
			wrote, err = l.write(ctx, l.entry(release, nonce), h)
		}
		if err != nil && !awserr.Retry(err) && !errors.Is(err, errVanished) {
			return fmt.Errorf("remove the lease on environment %s: %w", l.ID.Env, err)
		}
		if err := sleep(ctx, jitter(pause)/4); err != nil {
			return err
		}
	}
}

// Tidy deletes the parameter if nobody holds the lease: a run of down that was
// killed at the very end leaves it behind. It reports whether there was one; a
// *HeldError says that it is in use.
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
