package resource_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision/resource/resourcetest"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// Time is virtual here: the sandbox's instances take a while to start and stop.
func inSandbox(t *testing.T, f func(context.Context, *testing.T, func() *resourcetest.World, resourcetest.Case)) {
	for _, c := range resourcetest.Cases {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f(t.Context(), t, func() *resourcetest.World {
					return resourcetest.NewWorld(sandbox.New().Config("us-east-1"), sandbox.DefaultAccount)
				}, c)
			})
		})
	}
}

func TestLife(t *testing.T)        { inSandbox(t, resourcetest.Live) }
func TestInterrupted(t *testing.T) { inSandbox(t, resourcetest.Interrupted) }
