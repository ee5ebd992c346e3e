package view

import (
	"strings"
	"testing"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// TestQuiet: with Quiet, a run that succeeds says nothing, and one that needs attention says why.
func TestQuiet(t *testing.T) {
	for want, o := range map[string]Outcome{
		"": {Elapsed: time.Second},
		"Still to fix:\n  - work pool: is paused\n": {Warnings: []provision.Warning{{Step: "work pool", Text: "is paused"}}},
	} {
		var b strings.Builder
		l := NewLog(&b, Options{Quiet: true, Verb: "up"})
		for _, e := range story() {
			l.Notify(e)
		}
		if err := l.Done(o); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("have %q, want %q", &b, want)
		}
	}
}

// TestUsually: what a step waits for comes with how long it usually takes.
func TestUsually(t *testing.T) {
	e := provision.Event{Step: "worker", Kind: provision.Waiting, Op: provision.Create, Elapsed: time.Minute,
		Detail: "worker dev-i-0a1 online", Usually: "4–6 minutes after a launch"}
	want := "  worker: waiting 1m00s for worker dev-i-0a1 online, usually 4–6 minutes after a launch"
	if have := (Options{}).eventLine(e); have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}
