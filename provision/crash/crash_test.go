package crash_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/crash"
)

var errOf = errors.New("the reply has no role")

func broken() { panic(errOf) }

func TestDo(t *testing.T) {
	err := crash.Do(func() error { broken(); return nil })
	e, ok := errors.AsType[*crash.Error](err)
	if !ok || !errors.Is(err, errOf) || !strings.Contains(e.Stack, "crash_test.broken") || strings.Contains(err.Error(), "the reply has no role") {
		t.Errorf("have %v, want an error that does not show the value", err)
	}
	var nothing map[string]int
	err = crash.Do(func() error { nothing["a"]++; return nil })
	if err == nil || err.Error() != "flowbed has a bug: assignment to entry in nil map" {
		t.Errorf("have %v", err)
	}
	if err := crash.Do(func() error { return errOf }); err != errOf { //nolint:errorlint // exactly this one
		t.Errorf("have %v", err)
	}
	if err := crash.Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestGroup: all functions end, and then a panic goes on in the goroutine that waits, with
// the stack of the one that panicked, through as many groups as there are.
func TestGroup(t *testing.T) {
	ended := false
	err := crash.Do(func() error {
		var outer crash.Group
		outer.Go(func() {
			var inner crash.Group
			inner.Go(broken)
			inner.Go(func() { ended = true })
			inner.Wait()
			t.Error("Wait has returned")
		})
		outer.Wait()
		return nil
	})
	e, ok := errors.AsType[*crash.Error](err)
	if !ok || !ended || !strings.Contains(e.Stack, "crash_test.broken") {
		t.Errorf("have %v, ended %t", err, ended)
	}
	var quiet crash.Group
	quiet.Go(func() {})
	quiet.Wait()
}
