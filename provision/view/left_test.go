package view

import (
	"errors"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// A removal says that none are left only if it has read everything.
func TestLeft(t *testing.T) {
	there := provision.Action{Step: "bucket", Op: provision.Delete}
	released := provision.Action{Step: "execution role", Op: provision.Release}
	gone := provision.Action{Step: "log group"}
	skipped := provision.Action{Step: "cluster", Op: provision.Skip}
	denied := provision.Action{Step: "task role", Err: errors.New("AccessDenied")}
	unsure := provision.Action{Step: "vpc", Op: provision.Delete, Err: errors.New("AccessDenied: may it go?")}
	for _, c := range []struct {
		actions []provision.Action
		want    string
	}{
		{nil, " 0 left."},
		{[]provision.Action{gone, skipped}, " 0 left."},
		{[]provision.Action{gone, there, released}, " 2 left: bucket, execution role."},
		{[]provision.Action{gone, denied}, " Unknown, because they could not be read: task role."},
		{[]provision.Action{there, denied}, " 1 left: bucket. Unknown, because they could not be read: task role."},
		{[]provision.Action{unsure}, " 1 left: vpc."},
	} {
		if have := left(&provision.Plan{Actions: c.actions}); have != c.want {
			t.Errorf("%v: have %q, want %q", c.actions, have, c.want)
		}
	}
	if have := left(nil); have != "" {
		t.Errorf("up: have %q", have)
	}
}
