package resource

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecordedNames(t *testing.T) {
	have := RecordedNames(Tags{
		"flowbed:environment": "dev", "flowbed:ttl": "8h", "Name": "/flowbed/dev", // not names
		"flowbed:bucket":         "a b",
		"flowbed:execution-role": "x:y", // tags take no comma
		"flowbed:cluster":        "-",   // external
	})
	want := map[string][]string{KindBucket: {"a", "b"}, KindExecutionRole: {"x,y"}, KindCluster: {}}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
	if have := RecordedNames(nil); len(have) != 0 {
		t.Errorf("without tags: %v", have)
	}
}
