//go:build !windows

package core

import (
	"errors"
	"os"
	"syscall"
)

// lockReaders is false, since a rename replaces a file under its readers: each has the old
// content or the new one.
const lockReaders = false

// tryLock reports whether it could lock a file. The lock ends with the process.
func tryLock(f *os.File) (bool, error) {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, err
		}
	}
}

func release(f *os.File) { _ = f.Close() } // which unlocks it
