package main

import "sync/atomic"

// stopTexts are what a command says when signals stop it.
type stopTexts struct{ first, second string }

// ifStopped are the texts of the command that runs, if they are not the usual ones.
var ifStopped atomic.Pointer[stopTexts]

var usualStopped = stopTexts{
	"Stopping: running steps finish, no new ones start. Press Ctrl-C again to stop at once.",
	"Stopped. Run the same command again to continue.",
}

// helloStopped are the texts of hello: nothing would continue it.
func helloStopped(flags string) *stopTexts {
	return &stopTexts{
		"Stopping: the flow run ends first. Press Ctrl-C again to stop at once.",
		"Stopped. `flowbed hello --clean" + flags + "` removes what is left.",
	}
}

func whenStopped() stopTexts {
	if t := ifStopped.Load(); t != nil {
		return *t
	}
	return usualStopped
}
