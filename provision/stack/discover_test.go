package stack_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// TestDiscoverers: what down would remove is what the kinds find, so that none is
// missing in the list of them. Down knows the objects by their steps.
func TestDiscoverers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		text := "environment \"dev\" {\n" + fmt.Sprintf(agent3, "https://prefect.example.com") + "\n}"
		if err := build(t, account, text, noPrefect).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := build(t, account, text, stack.Options{NoPrefect: true, Destroy: true}).Graph.PlanDown(t.Context())
		if err != nil || p.Err() != nil {
			t.Fatal(err, p.Err())
		}
		var want []string
		for _, a := range p.Actions {
			if a.Op == provision.Delete {
				want = append(want, a.Object)
			}
		}
		slices.Sort(want)
		if len(want) < 12 {
			t.Errorf("down would remove %q only", want)
		}
		id := resource.Identity{Account: sandbox.DefaultAccount, Region: region, Partition: "aws"}
		s, err := stack.Discoverers(stack.NewClients(account.Config(region)), id)
		if err != nil {
			t.Fatal(err)
		}
		have := discovered(t, s.Anchor)
		for _, o := range s.Others {
			have = append(have, discovered(t, o)...)
		}
		slices.Sort(have)
		if d := cmp.Diff(want, have); d != "" {
			t.Errorf("-what down removes +what is found:\n%s", d)
		}
	})
}

// discovered are the names of objects that carry the environment's tags.
func discovered(t *testing.T, d resource.Discoverer) (list []string) {
	t.Helper()
	found, err := d.Discover(t.Context(), func(context.Context, string) []string { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Tags.Owner().By == "dev@"+region {
			list = append(list, f.Name)
		}
	}
	return list
}
