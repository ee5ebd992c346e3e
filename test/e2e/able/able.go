// Package able decides which tests run, and what happens if a machine lacks what a
// test needs.
//
// The variable FLOWBED_TESTS is the only switch:
//
//   - check: only tests that need no server and no virtual environment. A test of a
//     matrix runs only part of it.
//   - unset, or test: also the tests that need .venv, which has moto and the tools
//     that judge policies and scripts. Crashes of the real program are a sample.
//   - all: everything, in full: whole matrices, real flows, agents of Prefect 1.
//
// go test does not show skipped tests, so only this package may skip one. Under "all",
// and in CI (the variable CI is set), nothing is skipped: if the machine lacks
// something, the test fails.
package able

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/flowbed/flowbed/test/e2e/venv"
)

// variable is the name of the switch.
const variable = "FLOWBED_TESTS"

// level returns the value of the switch. A misspelled value ends the test binary, so
// that it cannot silently run fewer tests.
func level() string {
	switch l := os.Getenv(variable); l {
	case "check", "all":
		return l
	case "", "test":
		return "test"
	default:
		panic(fmt.Sprintf("%s=%s: want check, test or all", variable, l))
	}
}

// Check reports whether only tests run that need no server and no virtual
// environment.
func Check() bool { return level() == "check" }

// All reports whether everything runs.
func All() bool { return level() == "all" }

// Slow skips a test that takes minutes, unless everything runs.
func Slow(t testing.TB) {
	t.Helper()
	if !All() {
		t.Skip("this test takes minutes: it runs in `make test-all`")
	}
}

// Without ends a test on a machine that lacks what no command of ours can install, such
// as root or systemd. what names it. In CI, or if everything runs, the test fails;
// elsewhere it is skipped.
func Without(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" || All() {
		t.Fatal(what)
	}
	t.Skip(what)
}

// missing says why tools are missing. inMain says whether Main will report it.
var (
	mu      sync.Mutex
	missing error
	inMain  bool
)

// Tool returns the path of a program in .venv, for example parliament. Without
// .venv it skips the test, and Main fails the package. `make check` leaves the
// test to `make test`.
func Tool(t testing.TB, name string) string {
	t.Helper()
	if Check() {
		t.Skipf("this test needs %s from .venv: it runs in `make test`", name)
	}
	dir, err := venv.Tools()
	if err == nil {
		return filepath.Join(dir, "bin", name)
	}
	mu.Lock()
	missing = err
	mu.Unlock()
	if !inMain {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// Main runs a package whose tests use Tool. Call it in TestMain. If .venv is missing,
// the other tests run, and the package fails with one line that says what is missing
// and how to install it.
func Main(m *testing.M) {
	level()
	inMain = true
	code := m.Run()
	if missing != nil {
		fmt.Fprintf(os.Stderr, "Some tests of this package did not run: %v\n", missing)
		code = max(code, 1)
	}
	os.Exit(code)
}
