package resource_test

import (
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision/resource/resourcetest"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// Time is virtual here: the sandbox's instances take a while to start and stop.
func TestLife(t *testing.T) {
	for _, c := range resourcetest.Cases {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				resourcetest.Live(t, func() *resourcetest.World {
					return resourcetest.NewWorld(sandbox.New().Config("us-east-1"), sandbox.DefaultAccount)
				}, c)
			})
		})
	}
}
