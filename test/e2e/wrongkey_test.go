//go:build linux

package e2e

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowbed/flowbed/test/e2e/hypervisor"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
)

// TestWrongSecret gives the machine a wrong secret, while up itself calls Prefect with the
// right one. With a wrong secret up would not start.
func TestWrongSecret(t *testing.T) {
	needMachine(t)
	t.Parallel()
	server := prefectServer(t, prefectserver.Options{Auth: "user:hunter2", CSRF: true})
	s := newSession(t, withWorker(t, server), "hunter2")
	const revoked = "/revoked"
	putSecret(t, s.front, revoked, "user:revoked")
	var machine atomic.Pointer[hypervisor.Machine]
	s.front.Console = func(string) string { return machine.Load().Console() }
	s.front.Parameter = func(key, name string) string {
		if key == workerKey && name == secretParameter {
			return revoked
		}
		return name
	}
	up := s.start("up", "--yes", "--no-wait")
	id, userData := launched(t, up)
	machine.Store(boot(t, id, userData, s.front, server))
	up.wait(0)
	eventually(t, "the worker's last words", func() bool {
		return strings.Contains(machine.Load().Console(), "401 Unauthorized")
	})

	// Much shorter than the default, so that the test notices an ignored flag even on a
	// slow machine.
	const wait, byDefault = 5 * time.Second, 10 * time.Minute
	begun := time.Now()
	out, progress := s.start("up", "--yes", "--timeout", wait.String()).wait(1)
	if took := time.Since(begun); took < wait || took >= byDefault {
		t.Errorf("up took %s, want it to wait for %s", took, wait)
	}
	for _, want := range []string{"dev-" + id, "FAILED: the agent ended", "Client error '401 Unauthorized'"} {
		if said := out + progress; !strings.Contains(said, want) {
			t.Errorf("up does not say %q:\n%s", want, said)
		}
	}
}
