package view

import (
	"fmt"
	"io"
	"time"
)

// LogLine is a line that a task has written.
type LogLine struct {
	At   time.Time
	Task string // its id; empty if only one task is shown
	Text string
}

// WriteLogLine writes a line with its time in UTC, and the beginning of the task's id.
func WriteLogLine(w io.Writer, l LogLine, o Options) error {
	at := l.At.UTC().Format("2006-01-02T15:04:05Z")
	if l.Task != "" {
		at += "  " + l.Task[:min(len(l.Task), 8)]
	}
	return write(w, fmt.Sprintf("%s  %s\n", o.paint(clean(at, false), dim), clean(l.Text, false)))
}
