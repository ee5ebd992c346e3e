package e2e

import (
	"testing"

	"github.com/flowbed/flowbed/test/lifecycle"
)

func TestLife(t *testing.T) {
	for _, c := range lifecycle.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			lifecycle.Live(t.Context(), t, func() *lifecycle.World {
				f := account(t)
				if c.Scheduled {
					schedule(t, f)
				}
				return lifecycle.NewWorld(f.Config("us-east-1"), f.Account)
			}, c)
		})
	}
}
