//go:build !windows

package sandbox_test

import (
	"os"
	"syscall"
	"testing"
)

// held locks a file as another process does.
func held(t *testing.T, f *os.File) {
	t.Helper()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}
