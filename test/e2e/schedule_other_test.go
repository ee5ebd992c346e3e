//go:build !linux

package e2e

import (
	"testing"

	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/moto"
)

func schedule(t *testing.T, _ *moto.Front) {
	t.Helper()
	able.Without(t, "the service scheduler of the tests needs Linux")
}
