package main

import "syscall"

// maxRSS is in bytes; so is Darwin's.
func maxRSS(u *syscall.Rusage) int64 { return u.Maxrss }
