package main

import (
	"slices"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// TestUnnamed: only the plan of a wholly new environment names others, and only those of its region
// that the file does not describe.
func TestUnnamed(t *testing.T) {
	role := provision.Action{Op: provision.Update, Owner: provision.Owner{By: "dev@us-east-1", Claims: []string{
		"test@us-east-1", "dev@us-east-1", "dev@eu-west-1", "7 deployments", "ci@us-east-1"}}}
	bucket := provision.Action{Op: provision.Create}
	old := provision.Action{Op: provision.None, Owner: provision.Owner{By: "prod@us-east-1"}}
	claimed := provision.Action{Op: provision.None, Owner: provision.Owner{By: "dev@us-east-1", Claims: []string{"prod@us-east-1"}}}
	for name, c := range map[string]struct {
		actions []provision.Action
		want    []string
	}{
		"new":           {[]provision.Action{bucket, role}, []string{"dev@us-east-1", "test@us-east-1"}},
		"alone":         {[]provision.Action{bucket}, nil},
		"not new":       {[]provision.Action{bucket, role, old}, nil},
		"has a claim":   {[]provision.Action{bucket, role, claimed}, nil},
		"nothing to do": {[]provision.Action{role}, nil},
	} {
		have := unnamed(provision.Plan{Actions: c.actions}, "prod@us-east-1", func(name string) bool { return name == "ci" })
		if !slices.Equal(have, c.want) {
			t.Errorf("%s: have %q, want %q", name, have, c.want)
		}
	}
}
