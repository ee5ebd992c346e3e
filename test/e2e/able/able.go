// Package able says what becomes of a test on a machine that lacks what the test
// needs and that no package of ours can bring: the right to make namespaces,
// systemd, an old Python. On a person's machine it is skipped, and says why; in
// CI (CI is set) that is a failure.
package able

import (
	"os"
	"testing"
)

// Without ends a test that cannot run; what is the reason, and the remedy.
func Without(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}
