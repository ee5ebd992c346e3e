package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// allowSequences lets a console understand the sequences of terminals. It reports whether
// it does: consoles before Windows 10 do not, and show plain lines.
//
// https://learn.microsoft.com/en-us/windows/console/setconsolemode
func allowSequences(f *os.File) bool {
	var mode uint32
	console := windows.Handle(f.Fd())
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return false
	}
	const want = windows.ENABLE_PROCESSED_OUTPUT | windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING
	return mode&want == want || windows.SetConsoleMode(console, mode|want) == nil
}
