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

// TestLogsLost: the plan of down says how many logs go with the group, and how to keep them.
func TestLogsLost(t *testing.T) {
	l := LogGroup{ID: Identity{Region: "us-east-1"}}
	const keep = " will be deleted with the log group /flowbed/dev → to keep them, save them first (aws logs tail /flowbed/dev --region us-east-1 --since "
	for _, c := range []struct {
		bytes int64
		days  int
		want  string
	}{
		{0, 30, ""},
		{27, 30, "less than 1 MB of logs" + keep + "30d > logs.txt)"},
		{949_999, 30, "less than 1 MB of logs" + keep + "30d > logs.txt)"},
		{999_999, 30, "about 1 MB of logs" + keep + "30d > logs.txt)"},
		{34_400_000, 7, "about 30 MB of logs" + keep + "7d > logs.txt)"},
		{34_900_000, 7, "about 30 MB of logs" + keep + "7d > logs.txt)"},
		{2_700_000_000, 0, "about 3000 MB of logs" + keep + "3653d > logs.txt)"},
	} {
		have := l.lost(LogGroupState{Name: "/flowbed/dev", Days: c.days, Stored: roughly(c.bytes)})
		if have != c.want {
			t.Errorf("%d bytes, %d days: have %q, want %q", c.bytes, c.days, have, c.want)
		}
	}
}
