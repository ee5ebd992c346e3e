package main

import (
	"testing"
	"testing/synctest"
)

func TestAsAssumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := newTestRun(t, w)
		results := r.askAll(t.Context(), questions())
		r.machines.watching()
		t.Log(answers(results))
		l := r.clean(t.Context())
		t.Log(l.String())
	})
}
