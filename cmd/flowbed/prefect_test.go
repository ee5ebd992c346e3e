package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/flowbed/flowbed/provision/prefect"
)

// TestPrefectExitCode: a key that Prefect refuses is a missing permission, like
// one of AWS's.
func TestPrefectExitCode(t *testing.T) {
	for class, want := range map[error]int{
		prefect.ErrUnauthorized: exitDenied, prefect.ErrUnreachable: exitFailed, prefect.ErrConflict: exitFailed,
	} {
		err := errors.Join(errors.New("another"), fmt.Errorf("work pool: %w", &prefect.Error{URL: "https://prefect.example.com/api", Class: class, Err: errors.New("no")}))
		if have := exitCode(err); have != want {
			t.Errorf("%v: have %d, want %d", class, have, want)
		}
	}
}
