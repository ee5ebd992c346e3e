package permissions_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
)

// allow is a permission on one object, under a condition if there is one.
func allow(object, action string, c resource.Condition) resource.Permission {
	return resource.Permission{Actions: []string{action}, Resources: []string{object}, Condition: c}
}

// TestFor has a row for each thing that the engine may do with an object.
func TestFor(t *testing.T) {
	says := resource.Permissions{
		Read:        []resource.Permission{allow("*", "x:Read", nil)},
		CheckDelete: []resource.Permission{allow("*", "x:Check", nil)},
		Build:       []resource.Permission{allow("*", "x:Build", nil)},
		Delete:      []resource.Permission{allow("*", "x:Delete", nil)},
	}
	read, removal := []string{"x:Read"}, []string{"x:Check", "x:Delete", "x:Read"}
	checked, built := []string{"x:Check", "x:Read"}, []string{"x:Build", "x:Read"}
	all := []string{"x:Build", "x:Check", "x:Delete", "x:Read"}
	for name, c := range map[string]struct {
		step           permissions.Step
		plan, up, down []string
	}{
		"own":                {permissions.Step{Ownership: provision.Own}, checked, built, removal},
		"adopt":              {permissions.Step{Ownership: provision.Adopt}, checked, built, removal},
		"share":              {permissions.Step{Ownership: provision.Share}, checked, built, removal},
		"external":           {permissions.Step{Ownership: provision.External}, read, read, read},
		"prune":              {permissions.Step{Ownership: provision.Prune}, checked, removal, removal},
		"optional, own":      {permissions.Step{Ownership: provision.Own, Optional: true}, checked, all, removal},
		"optional, external": {permissions.Step{Ownership: provision.External, Optional: true}, read, read, read},
		"optional, prune":    {permissions.Step{Ownership: provision.Prune, Optional: true}, checked, removal, removal},
		"data":               {permissions.Step{Data: true}, read, read, nil},
	} {
		c.step.Name, c.step.Permissions = name, says
		for v, want := range map[permissions.Verb][]string{permissions.Plan: c.plan, permissions.Up: c.up, permissions.Down: c.down} {
			have := permissions.For(v, []permissions.Step{c.step, c.step}) // of two graphs
			if actions := permissions.Actions(have); !slices.Equal(actions, want) {
				t.Errorf("%s, %s: have %v, want %v", name, v, actions, want)
			}
			if len(have) > 1 || len(have) == 1 && len(have[0].Permissions) != len(want) {
				t.Errorf("%s, %s: have %+v, want the step once", name, v, have)
			}
		}
	}
}

func when(operator, key, value string) resource.Condition {
	return resource.Condition{operator: {key: {value}}}
}

// TestMergedConditions: two statements become one only if that allows what the two did.
func TestMergedConditions(t *testing.T) {
	both := when("StringEquals", "x:Kind", "a")
	both["StringEquals"]["x:Env"] = []string{"dev"}
	for name, c := range map[string]struct {
		one, two resource.Permission
		want     int // statements
	}{
		"another value":    {allow("o", "x:A", when("StringEquals", "x:Kind", "a")), allow("o", "x:A", when("StringEquals", "x:Kind", "b")), 1},
		"another key":      {allow("o", "x:A", when("StringEquals", "x:Kind", "a")), allow("o", "x:A", when("StringEquals", "x:Name", "a")), 2},
		"another operator": {allow("o", "x:A", when("StringEquals", "x:Kind", "a")), allow("o", "x:A", when("StringLike", "x:Kind", "b")), 2},
		"a negation":       {allow("o", "x:A", when("StringNotEquals", "x:Kind", "a")), allow("o", "x:A", when("StringNotEquals", "x:Kind", "b")), 2},
		"another object":   {allow("o", "x:A", when("StringEquals", "x:Kind", "a")), allow("p", "x:A", when("StringEquals", "x:Kind", "b")), 2},
		"another action":   {allow("o", "x:A", when("StringEquals", "x:Kind", "a")), allow("o", "x:B", when("StringEquals", "x:Kind", "b")), 2},
		"one key more":     {allow("o", "x:A", both), allow("o", "x:A", when("StringEquals", "x:Kind", "b")), 2},
		"no condition":     {allow("o", "x:A", nil), allow("o", "x:A", when("StringEquals", "x:Kind", "b")), 2},
	} {
		p := permissions.NewPolicy([]permissions.Needs{{Permissions: []resource.Permission{c.one}}, {Permissions: []resource.Permission{c.two}}})
		if len(p.Statements) != c.want {
			t.Errorf("%s: have %+v, want %d statements", name, p.Statements, c.want)
		}
	}
	one, two := allow("o", "x:A", when("StringEquals", "x:Kind", "b")), allow("o", "x:A", when("StringEquals", "x:Kind", "a"))
	have := permissions.NewPolicy([]permissions.Needs{{Permissions: []resource.Permission{one, two}}})
	want := []permissions.Statement{{Actions: []string{"x:A"}, Resources: []string{"o"},
		Condition: resource.Condition{"StringEquals": {"x:Kind": {"a", "b"}}}}}
	if d := cmp.Diff(want, have.Statements); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(when("StringEquals", "x:Kind", "b"), one.Condition); d != "" {
		t.Errorf("what was given has changed: %s", d)
	}
}

// TestQuestions: the simulator is asked about objects, never about patterns.
func TestQuestions(t *testing.T) {
	launch := allow("arn:aws:x:::machine/*", "x:Launch", nil)
	launch.Composite = true
	tagged := allow("arn:aws:x:::*", "x:End", when("StringEquals", "x:Tag", "dev"))
	tagged.Examples = []string{"arn:aws:x:::machine/m-1"}
	have := permissions.Questions([]permissions.Needs{{Permissions: []resource.Permission{
		launch, tagged, allow("arn:aws:x:::box/*", "x:Open", nil), allow("arn:aws:x:::box", "x:Look", nil)}}})
	want := []permissions.Question{
		{Actions: []string{"x:End"}, Resources: []string{"arn:aws:x:::machine/m-1"}, Context: map[string][]string{"x:Tag": {"dev"}}},
		{Actions: []string{"x:Look"}, Resources: []string{"arn:aws:x:::box"}, Context: map[string][]string{}},
		{Actions: []string{"x:Open"}, Resources: []string{"arn:aws:x:::box/example"}, Context: map[string][]string{}},
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
}
