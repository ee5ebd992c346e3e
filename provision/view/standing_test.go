package view

import (
	"errors"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

func TestStanding(t *testing.T) {
	bucket := provision.Action{Step: "bucket", Op: provision.Delete}
	role := provision.Action{Step: "task role", Err: errors.New("expired")}
	for _, c := range []struct {
		name    string
		actions []provision.Action // in the order of a removal
		want    string
	}{
		{"nothing", []provision.Action{{Step: "bucket"}}, "The environment has no resources."},
		{"something", []provision.Action{role, bucket},
			"Existing resources: bucket. Unknown, because their last call failed: task role."},
		{"nothing is known", []provision.Action{role}, "\nUnknown, because their last call failed: task role."},
	} {
		var b strings.Builder
		err := NewLog(&b, Options{Verb: "up"}).Done(Outcome{Err: errors.New("x"), Standing: &provision.Plan{Actions: c.actions}})
		if err != nil || !strings.Contains(b.String(), c.want+" Run up again to continue, or down to remove the environment.") {
			t.Errorf("%s: %v\n%s", c.name, err, b.String())
		}
	}
}
