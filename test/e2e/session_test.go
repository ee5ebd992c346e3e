package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// build builds the program, once.
var build = sync.OnceValues(func() (string, error) { return compile("") })

// stopTTL is how long a lock of the program that buildShort builds stays in force without a
// renewal.
const stopTTL = 10 * time.Second

// buildShort builds the program with a short lock, once.
var buildShort = sync.OnceValues(func() (string, error) { return compile("-X main.lockLength=" + stopTTL.String()) })

func compile(flags string) (string, error) {
	dir, err := os.MkdirTemp("", "flowbed-e2e-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "flowbed")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-buildvcs=false", "-ldflags", flags, "-o", binary, "github.com/flowbed/flowbed/cmd/flowbed").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build flowbed: %w\n%s", err, out)
	}
	return binary, nil
}

// session runs the program in a directory, against an account.
type session struct {
	*testing.T
	binary, dir string
	front       *moto.Front
	secret      string // that the program must never show
	env         []string
}

// newSession returns a session with a config file that contains a secret.
func newSession(t *testing.T, spec, secret string) session {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	s := session{T: t, binary: binary, dir: t.TempDir(), front: account(t), secret: secret}
	if err := os.WriteFile(filepath.Join(s.dir, "config.hcl"), []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// program is a started run of the program.
type program struct {
	session
	args          []string
	cmd           *exec.Cmd
	out, progress bytes.Buffer
	ended         chan struct{}
	err           error
}

// start starts the program.
func (s session) start(args ...string) *program {
	s.Helper()
	p := &program{session: s, args: args, ended: make(chan struct{})}
	p.cmd = exec.CommandContext(s.Context(), s.binary, args...)
	p.cmd.Dir = s.dir
	p.cmd.Env = append([]string{
		"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1",
		"AWS_ENDPOINT_URL=" + s.front.URL, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
	}, s.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.progress
	if err := p.cmd.Start(); err != nil {
		s.Fatalf("flowbed %s: %v", strings.Join(args, " "), err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	return p
}

// wait waits for the end of the program and checks the exit code. It returns stdout as
// results and stderr as progress.
func (p *program) wait(code int) (results, progress string) {
	p.Helper()
	<-p.ended
	what := "flowbed " + strings.Join(p.args, " ")
	if _, exited := errors.AsType[*exec.ExitError](p.err); p.err != nil && !exited || p.cmd.ProcessState.ExitCode() != code {
		p.Fatalf("%s: have %v, want exit code %d\n%s%s", what, p.err, code, &p.out, &p.progress)
	}
	if said := p.out.String() + p.progress.String(); p.secret != "" && strings.Contains(said, p.secret) {
		p.Errorf("%s shows the secret:\n%s", what, said)
	}
	return p.out.String(), p.progress.String()
}

// runs reports whether the program is still running.
func (p *program) runs() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// run runs the program, checks the exit code, and returns stdout.
func (s session) run(code int, args ...string) (results string) {
	s.Helper()
	results, _ = s.start(args...).wait(code)
	return results
}

// wantNoWrites fails the test for each write since it was last called, except those in but.
func (s session) wantNoWrites(doing string, but ...string) {
	s.Helper()
	for _, c := range s.front.Calls() {
		if call := c.Service + "." + c.Operation; !c.Reads() && !slices.Contains(but, call) {
			s.Errorf("%s made the write %s, want none", doing, call)
		}
	}
	s.front.Reset()
}
