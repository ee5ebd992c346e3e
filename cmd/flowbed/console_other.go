//go:build !windows

package main

import "os"

// allowSequences reports whether a terminal understands sequences: TERM says so.
func allowSequences(*os.File) bool { return true }
