// Package prefectserver runs a real Prefect server for tests.
//
// Its version comes from requirements-prefect.txt, and its database is in a separate
// directory.
package prefectserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/flowbed/flowbed/test/e2e/venv"
)

// The server exits when its standard input ends, so it never outlives the process that
// started it, however that process ends.
const program = `
import os, runpy, sys, threading
def guard():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=guard, daemon=True).start()
sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
runpy.run_module("prefect", run_name="__main__")
`

// Options says how a server protects its API.
type Options struct {
	Auth string // user:password, required for every request; empty for none
	CSRF bool   // require a CSRF token for every change
}

// Server is a running Prefect server.
type Server struct {
	API  string // http://127.0.0.1:port/api
	Port int
	Options

	stdin io.Closer
	said  *log
	ended chan struct{}
}

// Start starts a server on a free loopback port and returns when it accepts calls. dir
// holds its database.
func Start(ctx context.Context, dir string, o Options) (*Server, error) {
	prefect, err := venv.Prefect()
	if err != nil {
		return nil, fmt.Errorf("start the Prefect server: %w", err)
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, fmt.Errorf("start the Prefect server: %w", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(prefect, "bin", "python"), "-c", program,
		"--host", "127.0.0.1", "--port", fmt.Sprint(port), "--no-ui")
	cmd.Dir = dir
	cmd.Env = append(Environ(dir),
		"PREFECT_SERVER_ANALYTICS_ENABLED=false",
		"PREFECT_API_DATABASE_CONNECTION_URL=sqlite+aiosqlite:///"+filepath.Join(dir, "prefect.db"),
		fmt.Sprintf("PREFECT_SERVER_CSRF_PROTECTION_ENABLED=%t", o.CSRF),
	)
	if o.Auth != "" { // an empty one would refuse all requests
		cmd.Env = append(cmd.Env, "PREFECT_SERVER_API_AUTH_STRING="+o.Auth)
	}
	// A Ctrl-C on the terminal stops the tests, and the tests stop the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s := &Server{
		API: fmt.Sprintf("http://127.0.0.1:%d/api", port), Port: port, Options: o,
		said: &log{}, ended: make(chan struct{}),
	}
	cmd.Stdout, cmd.Stderr = s.said, s.said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the Prefect server: %w", err)
	}
	s.stdin = stdin
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the Prefect server: %w", err)
	}
	go func() {
		defer close(s.ended)
		_ = cmd.Wait() // it exits when its input ends; its exit code does not matter
	}()
	if err := s.await(ctx); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start the Prefect server: %w:\n%s", err, s.said)
	}
	return s, nil
}

// await waits until the server accepts calls. It has no time limit, because the first
// start creates the database, and a server that cannot start exits.
func (s *Server) await(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _, err := s.Call(ctx, http.MethodGet, "/health", nil)
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("it exited at once")
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// Stop stops the server and waits until it has exited.
func (s *Server) Stop() {
	_ = s.stdin.Close()
	<-s.ended
}

// Environ returns the environment for a Prefect program: that of the tests, without the
// settings of the person who runs them.
func Environ(home string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PREFECT_") && !strings.HasPrefix(e, "HOME=") && !strings.HasPrefix(e, "AWS_") {
			env = append(env, e)
		}
	}
	return append(env, "HOME="+home, "PREFECT_HOME="+home, "DO_NOT_TRACK=1", "NO_COLOR=1")
}

// freePort returns a port that was free a moment ago.
func freePort(ctx context.Context) (int, error) {
	var free net.ListenConfig
	l, err := free.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// log collects the output of a program.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
