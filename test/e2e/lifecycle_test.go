package e2e

import (
	"testing"

	"github.com/flowbed/flowbed/test/lifecycle"
)

func TestLife(t *testing.T) {
	for _, c := range lifecycle.Cases {
		if c.NotInMoto != "" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			lifecycle.Live(t.Context(), t, func() *lifecycle.World {
				f := account(t)
				return lifecycle.NewWorld(f.Config("us-east-1"), f.Account)
			}, c)
		})
	}
}
