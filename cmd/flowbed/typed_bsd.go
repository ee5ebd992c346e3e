//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// forgetTyped throws away what was typed and not read yet.
func forgetTyped(f *os.File) error {
	const input = 1 // FREAD: the input only
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCFLUSH, input)
}
