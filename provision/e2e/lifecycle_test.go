package e2e

import (
	"testing"

	"github.com/flowbed/flowbed/provision/resource/resourcetest"
)

func TestLife(t *testing.T) {
	for _, c := range resourcetest.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			resourcetest.Live(t, func() *resourcetest.World {
				f := account(t)
				return resourcetest.NewWorld(f.Config("us-east-1"), f.Account)
			}, c)
		})
	}
}
