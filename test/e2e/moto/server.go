// Package moto runs moto, a server that imitates AWS and that we did not write,
// for tests and for the benchmark. A [Server] is the process; a [Front] is the
// door to one account in it, which corrects what moto is known to do otherwise
// than AWS, and notes every call.
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

// What moto checks only if it is told to, as AWS always does.
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

// Start starts a server on a free port of the loopback interface and returns
// when it answers, however long that takes: a server that cannot start ends. It
// needs the virtual environment that `make venv` makes.
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
		_ = cmd.Wait() // it ends as its input does; how does not matter
	}()
	select {
	case s.URL = <-address:
		return s, nil
	case <-s.ended:
		return nil, fmt.Errorf("start moto: it ended at once:\n%s", said.String())
	case <-ctx.Done():
		s.Stop()
		return nil, fmt.Errorf("start moto: %w", context.Cause(ctx))
	}
}

// Stop ends the server and waits until it has ended.
func (s *Server) Stop() {
	_ = s.stdin.Close()
	<-s.ended
}

var running = regexp.MustCompile(`Running on (http://[0-9.]+:[0-9]+)`)

// listen reads what the server says, up to the end: its address, once the port
// is bound, and then a line for each request, which is of no interest.
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
