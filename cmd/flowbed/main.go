// Flowbed builds a place on AWS where Prefect flows run, from one HCL file: plan shows
// the changes, up makes them, down removes everything.
//
// Only main.go ends the process. It turns an error into a message and an exit code.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/crash"
)

func main() {
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	ctx, stop := a.interruptible()
	defer stop()
	err := a.written(a.execute(ctx))
	if failed := crash.Do(func() error { a.err.leave(); a.report(err); a.job.finish(err); return nil }); failed != nil { // a panic ends no board
		fmt.Fprintln(os.Stderr, "error:", failed) // the panic is in the message
		err = failed
	}
	os.Exit(exitCode(err))
}

// execute runs the command line. A panic is an error.
func (a *app) execute(ctx context.Context) (err error) {
	defer crash.Catch(&err)
	return a.blaming(a.command().ExecuteContext(ctx)) //nolint:contextcheck // cobra passes it on
}

// errInterrupted is the cause of a context that a signal canceled.
var errInterrupted = fmt.Errorf("%w; run the same command again to continue", provision.ErrInterrupted)

// interruptible returns a context that ends at the first SIGINT, SIGTERM or SIGHUP: running
// steps finish, and no new ones start. The second SIGINT or SIGTERM ends the process.
//
// SIGHUP says that the terminal is gone. The other signals do not arrive alone then: the
// kernel and the shell both send SIGHUP, and systemd sends it together with SIGTERM. So it
// never counts as the second one. nohup ignores it, and that stays. Windows has no SIGHUP: Go
// makes a SIGTERM of a closed console.
func (a *app) interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go heed(signals, func() {
		a.say("\n%s", whenStopped().first)
		cancel(errInterrupted)
	}, func() {
		a.err.leave()
		a.say("%s", whenStopped().second)
		os.Exit(exitInterrupted)
	})
	return ctx, func() { signal.Stop(signals) }
}

// together is how close signals are that count as one: `timeout` sends each signal to the process that it
// started, and then to its group, in which that process is, too.
const together = 100 * time.Millisecond

// heed calls stop at the first signal, and end when somebody insists.
func heed(signals <-chan os.Signal, stop, end func()) {
	insisted, last := 0, time.Time{}
	for first := true; insisted < 2; first = false {
		s := <-signals
		if now := time.Now(); s != syscall.SIGHUP && now.Sub(last) >= together {
			insisted, last = insisted+1, now
		}
		if first {
			stop()
		}
	}
	end()
}

// outliveReaders lets a run go on if nobody reads its output any more: the write fails, but
// does not end the program. By default it does, for the sake of `flowbed list | head`.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }
