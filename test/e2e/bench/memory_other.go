//go:build !darwin

package main

import "syscall"

// maxRSS is in bytes; the kernel's is in KiB.
func maxRSS(u *syscall.Rusage) int64 { return u.Maxrss * 1024 }
