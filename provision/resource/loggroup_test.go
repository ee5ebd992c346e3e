package resource

import (
	"strings"
	"testing"
)

// A record that has no room for both names stops up before anything is renamed.
func TestLogGroupRecordIsTooLong(t *testing.T) {
	record := Record{Key: "flowbed:cluster", Default: "default", Current: strings.Repeat("c", 250)}
	l := LogGroup{Name: "/flowbed/dev", Says: func(have Tags) Tags { return record.Tags(have, true) }}
	notes := l.Validate(LogGroupState{}, false)
	if len(notes) != 1 || !strings.Contains(notes[0].Text, "flowbed:cluster would hold 258") {
		t.Errorf("have %v", notes)
	}
	record.Current = "other"
	if notes := l.Validate(LogGroupState{}, false); notes != nil {
		t.Errorf("two short names: %v", notes)
	}
}
