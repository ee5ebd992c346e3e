package lifecycle

import (
	"context"
	"fmt"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// Interrupted ends up and down after each of their writing calls, in an account
// of its own each time: the next run goes on from there.
func Interrupted(ctx context.Context, t *testing.T, empty func() *World, c Case) {
	for n := 1; ; n++ {
		l := life{t, empty(), c}
		up := func(ctx context.Context, g *provision.Graph) error { return g.Up(ctx) }
		if !l.cutShort(ctx, n, up) {
			break
		}
		l.up(ctx)
		l.wantUnchanged(ctx, fmt.Sprintf("up was ended after its writing call %d, and run again", n))
	}
	for n := 1; ; n++ {
		l := life{t, empty(), c}
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

// cutShort ends a run when writing call n has been answered, and reports whether
// there was such a call.
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
	l.t.Fatalf("a run without an interruption: %v", err)
	return false
}
