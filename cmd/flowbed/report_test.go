package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// TestReportOfInterruption: that the user has stopped the run is said once, and not for each
// step. Other errors stay.
func TestReportOfInterruption(t *testing.T) {
	step := func(name string, err error) error { return &provision.StepError{Step: name, Doing: "wait", Err: err} }
	const once = "error: interrupted; run the same command again to continue\n"
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"alone":       {errInterrupted, once},
		"one step":    {step("worker", errInterrupted), once},
		"two steps":   {errors.Join(step("worker", errInterrupted), errors.Join(step("bucket", errInterrupted), errInterrupted)), once},
		"and another": {errors.Join(step("bucket", errors.New("no")), step("worker", errInterrupted)), "error: bucket: wait: no\n" + once},
		"another":     {step("bucket", errors.New("no")), "error: bucket: wait: no\n"},
	} {
		var said strings.Builder
		a := &app{err: &notes{Writer: &said}}
		a.report(c.err)
		if said.String() != c.want {
			t.Errorf("%s: have %q, want %q", name, &said, c.want)
		}
	}
}
