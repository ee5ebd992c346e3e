package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A signal in the middle of a call ends the program with 130, and says so.
func TestInterruptedInACall(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(`environment "dev" { region = "us-east-1" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		url, called := neverAnswers(t)
		var out, errs strings.Builder
		c := exec.CommandContext(t.Context(), self, "up", "--yes")
		c.Args[0] = "flowbed" // by this name it is the program, see TestMain
		c.Dir, c.Stdout, c.Stderr = dir, &out, &errs
		c.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "AWS_ENDPOINT_URL=" + url,
			"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=secret"}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		<-called
		if err := c.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		if have := c.ProcessState.ExitCode(); have != exitInterrupted {
			t.Errorf("%v: exit code %d", signal, have)
		}
		if out.Len() > 0 || !strings.Contains(errs.String(), "Stopping: ") || !strings.Contains(errs.String(), "interrupted") {
			t.Errorf("%v: printed %q, and %q", signal, &out, &errs)
		}
	}
}

// neverAnswers serves HTTP requests without ever answering one. The channel is closed when
// the first arrives.
func neverAnswers(t *testing.T) (url string, called <-chan struct{}) {
	first, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(first) })
		select {
		case <-r.Context().Done():
		case <-leave:
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(leave) })
	return server.URL, first
}
