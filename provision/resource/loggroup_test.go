package resource

import (
	"strings"
	"testing"
)

// A record that has no room for both names stops up before anything is renamed.
func TestLogGroupRecordIsTooLong(t *testing.T) {
	group := func(name string) LogGroup {
		names := &NameLog{}
		names.Add(NameEntry{Kind: KindCluster, Default: "default", Current: name})
		names.orphaned.Store(KindCluster, true)
		return LogGroup{Name: "/flowbed/dev", Names: names}
	}
	notes := group(strings.Repeat("c", 250)).Validate(LogGroupState{}, false)
	if len(notes) != 1 || !strings.Contains(notes[0].Text, "flowbed:cluster would have 258") {
		t.Errorf("have %v", notes)
	}
	if notes := group("other").Validate(LogGroupState{}, false); notes != nil {
		t.Errorf("two short names: %v", notes)
	}
}
