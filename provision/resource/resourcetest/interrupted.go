package resourcetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// Interrupted ends up and down after each of their writing calls, in an account
// of its own each time: the next run goes on from there.
func Interrupted(t *testing.T, empty func() *World, c Case) {
	for n := 1; ; n++ {
		l := life{t, empty(), c}
		up := func(ctx context.Context, g *provision.Graph) error { return g.Up(ctx) }
		if !l.cutShort(n, up) {
			break
		}
		l.up(t.Context())
		l.wantUnchanged(t.Context(), fmt.Sprintf("up was ended after its writing call %d, and run again", n))
	}
	for n := 1; ; n++ {
		l := life{t, empty(), c}
		l.up(t.Context())
		down := func(ctx context.Context, g *provision.Graph) error {
			_, err := g.Down(ctx)
			return err
		}
		if !l.cutShort(n, down) {
			break
		}
		l.down(t.Context())
		l.wantGone(t.Context())
	}
}

// cutShort ends a run when writing call n has been answered, and reports whether
// there was such a call.
func (l life) cutShort(n int, run func(context.Context, *provision.Graph) error) (cut bool) {
	l.t.Helper()
	ctx, end := context.WithCancel(l.t.Context())
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
	err := run(ctx, l.w.graph(l.c))
	l.w.tell(nil)
	if err == nil || cut {
		return cut
	}
	l.t.Fatalf("a run without an interruption: %v", err)
	return false
}
