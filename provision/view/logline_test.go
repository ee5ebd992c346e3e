package view

import (
	"strings"
	"testing"
	"time"
)

// TestLogLine: a line stays one line, whatever a task has written.
func TestLogLine(t *testing.T) {
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.FixedZone("CET", 3600))
	for task, want := range map[string]string{
		"": "2026-11-26T08:00:00Z  50%\\x1b[2J\\rdone\n", "0123456789abcdef": "2026-11-26T08:00:00Z  01234567  50%\\x1b[2J\\rdone\n", "short": "2026-11-26T08:00:00Z  short  50%\\x1b[2J\\rdone\n",
	} {
		var b strings.Builder
		if err := WriteLogLine(&b, LogLine{at, task, "50%\x1b[2J\rdone"}, Options{}); err != nil || b.String() != want {
			t.Errorf("%s: have %q, want %q; %v", task, &b, want, err)
		}
	}
}
