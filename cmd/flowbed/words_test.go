package main

import (
	"testing"
	"time"
)

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "1 h", 24 * time.Hour: "24 h", 90 * time.Minute: "1 h 30 min", 5 * time.Minute: "5 min",
		90 * time.Second: "1 min 30 s", time.Nanosecond: "1ns", 1500 * time.Millisecond: "1 s 500ms", 0: "0s",
	} {
		if have := inWords(d); have != want {
			t.Errorf("%s: %q, want %q", d, have, want)
		}
	}
}
