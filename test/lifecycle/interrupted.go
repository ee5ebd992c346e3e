package lifecycle

import (
	"context"
	"fmt"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// Interrupted stops up and down after each of their writes, each time in a new account,
// and checks that the next run continues.
func Interrupted(ctx context.Context, t *testing.T, empty func() *World, c Case) {
	for n := 1; ; n++ {
		l := life{t, empty(), c, nil}
		up := func(ctx context.Context, g *provision.Graph) error { return g.Up(ctx) }
		if !l.cutShort(ctx, n, up) {
			break
		}
		l.up(ctx)
		l.wantUnchanged(ctx, fmt.Sprintf("up was stopped after write %d and run again", n))
	}
	for n := 1; ; n++ {
		l := life{t, empty(), c, nil}
		l.up(ctx)
		down := func(ctx context.Context, g *provision.Graph) error {
			_, err := g.Down(ctx)
			return err
		}
		if !l.cutShort(ctx, n, down) {
			break
		}
		l.down(ctx)
		l.wantGone(ctx)
	}
}

// cutShort stops a run when write n has returned, and reports whether the run made that
// many writes.
func (l life) cutShort(ctx context.Context, n int, run func(context.Context, *provision.Graph) error) (cut bool) {
	l.t.Helper()
	ctx, end := context.WithCancel(ctx)
	defer end()
	made := 0
	l.w.tell(func(call string) {
		if reads(call) {
			return
		}
		if made++; made == n {
			cut = true
			end()
		}
	})
	err := run(ctx, l.graph())
	l.w.tell(nil)
	if err == nil || cut {
		return cut
	}
	l.t.Fatalf("an uninterrupted run: %v", err)
	return false
}
