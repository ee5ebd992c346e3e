// Flowbed builds a place on AWS where Prefect flows run, from one HCL file: plan shows
// the changes, up makes them, down removes everything.
//
// Only main.go ends the process. It turns an error into a message and an exit code.
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

// errInterrupted is the cause of a context that a signal canceled.
var errInterrupted = errors.New("interrupted; run the same command again to continue")

// interruptible returns a context that ends at the first SIGINT or SIGTERM: running
// steps finish, and no new ones start. The second signal ends the process.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "\nStopping: running steps finish, no new ones start. Press Ctrl-C again to stop at once.")
		cancel(errInterrupted)
		<-signals
		fmt.Fprintln(os.Stderr, "Stopped. Run the same command again to continue.")
		os.Exit(exitInterrupted)
	}()
	return ctx, func() { signal.Stop(signals) }
}
