// Package moto runs moto, a third-party mock of AWS, for tests and the benchmark.
//
// A [Server] is the process. A [Front] is the endpoint of one account in it. The front
// corrects known differences between moto and AWS, and records every call.
package moto

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/flowbed/flowbed/test/e2e/venv"
)

//go:embed server.py
var program string

// strict turns on checks that AWS always makes and moto only on request.
var strict = []string{
	"MOTO_IAM_LOAD_MANAGED_POLICIES=true",
	"MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION=true",
	"MOTO_ENABLE_AMI_VALIDATION=true",
	"MOTO_ENABLE_KEYPAIR_VALIDATION=true",
	"MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS=false",
}

// Server is a running moto server.
type Server struct {
	URL string // http://127.0.0.1:port

	stdin io.Closer
	ended chan struct{}
}

// Start starts a server on a free loopback port and returns when it accepts calls. It has
// no time limit, because a server that cannot start exits. It needs the virtual
// environment from `make venv`.
func Start(ctx context.Context) (*Server, error) {
	dir, err := venv.Tools()
	if err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(dir, "bin", "python"), "-u", "-c", program)
	cmd.Env = append(os.Environ(), strict...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	s := &Server{stdin: stdin, ended: make(chan struct{})}
	address := make(chan string, 1)
	var said strings.Builder
	go func() {
		defer close(s.ended)
		listen(stderr, address, &said)
		_ = cmd.Wait() // it exits when its input ends; its exit code does not matter
	}()
	select {
	case s.URL = <-address:
		return s, nil
	case <-s.ended:
		return nil, fmt.Errorf("start moto: it exited at once:\n%s", said.String())
	case <-ctx.Done():
		s.Stop()
		return nil, fmt.Errorf("start moto: %w", context.Cause(ctx))
	}
}

// Stop stops the server and waits until it has exited.
func (s *Server) Stop() {
	_ = s.stdin.Close()
	<-s.ended
}

var running = regexp.MustCompile(`Running on (http://[0-9.]+:[0-9]+)`)

// listen reads the server's output until it ends: first its address, then a line for each
// request, which it ignores.
func listen(stderr io.Reader, address chan<- string, said *strings.Builder) {
	found := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if found {
			continue
		}
		fmt.Fprintln(said, lines.Text())
		if m := running.FindStringSubmatch(lines.Text()); m != nil {
			found = true
			address <- m[1]
		}
	}
}
