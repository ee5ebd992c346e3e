// Flowbed turns one HCL file into a place where data flows run on AWS: plan
// shows what would be done, up does it, down removes it.
//
// main.go is the only file that ends the process: it turns an error into a
// message and an exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := interruptible()
	defer stop()
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	err := a.command().ExecuteContext(ctx)
	if err != nil {
		a.report(err)
	}
	os.Exit(exitCode(err))
}

// errInterrupted is the cause of the end of a run that a signal has ended.
var errInterrupted = errors.New("interrupted; run the same command again to go on from here")

// interruptible is a context that ends at the first SIGINT or SIGTERM: what is
// under way finishes, nothing new begins. The second signal ends the process.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "\nStopping: what is under way finishes, nothing new begins. Again to leave at once.")
		cancel(errInterrupted)
		<-signals
		fmt.Fprintln(os.Stderr, "Left at once. Run the same command again: it looks at what is there, and goes on.")
		os.Exit(exitInterrupted)
	}()
	return ctx, func() { signal.Stop(signals) }
}
