package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/crash"
)

// meddler changes what happens at each call to AWS.
type meddler struct {
	mu     sync.Mutex
	seen   map[string]bool                                          // the operations that were called
	meddle func(operation string, out *middleware.InitializeOutput) // after the call; may panic
}

func (m *meddler) add(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("test:meddle",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error) {
			out, md, err := next.HandleInitialize(ctx, in)
			name := middleware.GetOperationName(ctx)
			m.mu.Lock()
			m.seen[name] = true
			meddle := m.meddle
			m.mu.Unlock()
			if meddle != nil {
				meddle(name, &out)
			}
			return out, md, err
		}), middleware.Before)
}

// with sets what becomes of the replies. A call of an earlier command may still be under way.
func (m *meddler) with(meddle func(operation string, out *middleware.InitializeOutput)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meddle = meddle
}

func (m *meddler) calls() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.seen)
}

// command runs a command line in the sandbox of the present folder, and returns what it
// prints on stderr.
func (m *meddler) command(t *testing.T, args string) (text string, err error) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	m.mu.Lock()
	m.seen = map[string]bool{}
	m.mu.Unlock()
	a := newApp(null, null, null)
	var b bytes.Buffer
	a.err = &notes{Writer: a.guarded(&b)}
	a.apiOptions = []func(*middleware.Stack) error{m.add}
	c := a.command()
	c.SetArgs(append(strings.Fields(args), "--sandbox"))
	c.SetErr(a.err)
	err = crash.Do(func() error { return c.ExecuteContext(t.Context()) })
	a.report(err)
	return b.String(), err
}

var regexpCrash = regexp.MustCompile(`\S*flowbed-crash-\S+\.txt`)

// TestPanic: a panic during a call, in whatever goroutine, fails a run with exit code 1, one
// line and an invitation to report it. The stack is in a file. The lock is released, so that
// the next run need not wait.
func TestPanic(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	if err := os.WriteFile(defaultConfig, []byte(everything), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var m meddler
		for _, c := range []struct{ args, operation string }{
			{"plan --detailed-exitcode", "GetCallerIdentity"}, {"plan --detailed-exitcode", "GetRole"}, {"up --yes --no-wait", "PutBucketVersioning"},
			{"up --yes --no-wait", "RunInstances"}, {"list", "DescribeLogGroups"}, {"doctor", "DescribeRegions"}, {"up --yes --no-wait", ""},
			{"down --yes", "GetRole"}, {"down --yes", "DeleteBucket"}, {"down --yes", ""},
		} {
			m.with(func(operation string, _ *middleware.InitializeOutput) {
				if operation == c.operation {
					panic(errors.New("pnu_only_a_benchmark"))
				}
			})
			begun := time.Now()
			said, err := m.command(t, c.args)
			if c.operation == "" {
				if err != nil || time.Since(begun) > 10*time.Minute {
					t.Errorf("%s after %s: %v", c.args, time.Since(begun), err)
				}
				time.Sleep(time.Minute) // no other run is near
				continue
			}
			e, ok := errors.AsType[*crash.Error](err)
			if !ok || exitCode(err) != exitFailed || !m.calls()[c.operation] || !strings.Contains(e.Stack, "TestPanic") {
				t.Errorf("%s with a panic in %s: %v, exit code %d", c.args, c.operation, err, exitCode(err))
			}
			path := regexpCrash.FindString(said)
			text, err := os.ReadFile(path)
			if !strings.Contains(said, "flowbed has a bug") || !strings.Contains(said, issues) || err != nil || !strings.Contains(string(text), "TestPanic") {
				t.Errorf("%s with a panic in %s says\n%s\nand the file has (%v)\n%s", c.args, c.operation, said, err, text)
			}
			if strings.Contains(said+string(text), "pnu_only_a_benchmark") || strings.Contains(said, "goroutine") {
				t.Errorf("%s with a panic in %s shows too much:\n%s\n%s", c.args, c.operation, said, text)
			}
			var other meddler
			if left, err := other.command(t, "unlock --yes"); err != nil || strings.Contains(left, "Removed the lock") {
				t.Errorf("%s with a panic in %s leaves the lock: %s, %v", c.args, c.operation, left, err)
			}
		}
	})
}

// TestEmptyReplies: whichever operation gets empty replies, as from a proxy that answers
// for AWS, no command panics.
func TestEmptyReplies(t *testing.T) {
	t.Cleanup(func() { ifStopped.Store(nil) }) // hello sets it
	t.Chdir(t.TempDir())
	if err := os.WriteFile(defaultConfig, []byte(everything), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var m meddler
		if said, err := m.command(t, "up --yes --no-wait"); err != nil {
			t.Fatal(said)
		}
		for _, args := range []string{"plan", "plan --down", "list", "list --all-regions", "sweep --yes", "doctor", "outputs", "agent logs", "agent restart", "unlock", "hello"} {
			time.Sleep(time.Minute)
			m.with(nil)
			_, _ = m.command(t, args)
			calls := m.calls()
			if len(calls) == 0 {
				t.Errorf("%s calls nothing", args)
			}
			for operation := range calls {
				m.with(func(name string, out *middleware.InitializeOutput) {
					if name == operation && out.Result != nil {
						out.Result = reflect.New(reflect.TypeOf(out.Result).Elem()).Interface()
					}
				})
				said, err := m.command(t, args)
				if e, ok := errors.AsType[*crash.Error](err); ok {
					t.Errorf("%s with empty replies to %s: %s\n%s", args, operation, said, e.Stack)
				}
			}
		}
	})
}
