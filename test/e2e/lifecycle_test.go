package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/flowbed/flowbed/test/lifecycle"
)

// Here time is real, and a step that waits in vain would wait for minutes.
const limit = 3 * time.Minute

func TestLife(t *testing.T) {
	for _, c := range lifecycle.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			lifecycle.Live(ctx, t, func() *lifecycle.World {
				f := account(t)
				return lifecycle.NewWorld(f.Config("us-east-1"), f.Account)
			}, c)
		})
	}
}
