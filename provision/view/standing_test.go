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
		{"nothing", []provision.Action{{Step: "bucket"}}, "Nothing of the environment is there."},
		{"something", []provision.Action{role, bucket},
			"There now, of the environment: bucket. Perhaps also, since it could not be read: task role."},
	} {
		var b strings.Builder
		err := NewPlain(&b, Options{Verb: "up"}).Done(Outcome{Err: errors.New("x"), Standing: &provision.Plan{Actions: c.actions}})
		if err != nil || !strings.Contains(b.String(), c.want+" Running up again goes on from here; down removes it.") {
			t.Errorf("%s: %v\n%s", c.name, err, b.String())
		}
	}
}
