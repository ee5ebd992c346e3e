package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
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
	heedSignals(t)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
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
		if err := c.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		if have := c.ProcessState.ExitCode(); have != exitInterrupted {
			t.Errorf("%v: exit code %d", sig, have)
		}
		if out.Len() > 0 || !strings.Contains(errs.String(), "Stopping: ") || !strings.Contains(errs.String(), "interrupted") {
			t.Errorf("%v: printed %q, and %q", sig, &out, &errs)
		}
	}
}

// heedSignals makes the programs that the test starts heed SIGINT and SIGHUP. Under nohup,
// or in the background of a shell, tests ignore them. A program inherits what is ignored,
// but not a handler.
func heedSignals(t *testing.T) {
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, os.Interrupt, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(handled) })
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

// TestHeed: the first signal stops the run, and only a second SIGINT or SIGTERM ends it.
func TestHeed(t *testing.T) {
	const hup, term = syscall.SIGHUP, syscall.SIGTERM
	var later os.Signal // nil: some time goes by
	for _, c := range []struct {
		signals []os.Signal
		ends    bool
	}{
		{[]os.Signal{os.Interrupt}, false},
		{[]os.Signal{os.Interrupt, later, os.Interrupt}, true},
		{[]os.Signal{os.Interrupt, later, term}, true},
		{[]os.Signal{term, term}, false}, // as timeout sends them
		{[]os.Signal{term, term, later, term, term}, true},
		{[]os.Signal{hup, hup, hup}, false},
		{[]os.Signal{hup, term}, false},
		{[]os.Signal{term, hup}, false},
		{[]os.Signal{hup, term, hup, later, term}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			signals := make(chan os.Signal)
			stops, ended, done := 0, false, make(chan struct{})
			go func() {
				heed(signals, func() { stops++ }, func() { ended = true })
				close(done)
			}()
			for _, s := range c.signals {
				if s == later {
					time.Sleep(time.Second)
					continue
				}
				select {
				case signals <- s:
				case <-done:
				}
			}
			synctest.Wait()
			if stops != 1 || ended != c.ends {
				t.Errorf("%v: stopped %d times, ended: %v, want %v", c.signals, stops, ended, c.ends)
			}
			if !ended { // let it go
				time.Sleep(time.Second)
				signals <- term
				time.Sleep(time.Second)
				select {
				case signals <- term:
				case <-done:
				}
			}
			<-done
		})
	}
}

// TestInterruptedReceipt: a killed down leaves the old receipt, and an interrupted one a new
// receipt.
func TestInterruptedReceipt(t *testing.T) {
	for signal, want := range map[os.Signal]string{os.Kill: "old", syscall.SIGTERM: "interrupted"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "receipt.json")
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		url, called := neverAnswers(t)
		c := exec.CommandContext(t.Context(), self, "down", "--yes", "-e", "dev", "--region", "us-east-1", "--receipt", path)
		c.Args[0], c.Dir = "flowbed", dir
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
		have, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(have), want) || want != "old" && !json.Valid(have) {
			t.Errorf("%v: have %q, %v, want %q", signal, have, err, want)
		}
		if left, err := filepath.Glob(filepath.Join(dir, ".flowbed-*")); err != nil || len(left) > 0 {
			t.Errorf("%v: left behind: %v, %v", signal, left, err)
		}
	}
}
