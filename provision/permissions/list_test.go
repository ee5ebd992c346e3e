package permissions_test

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/inventory"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/lifecycle"
)

// TestList compares the actions that docs/permissions.md names for list with those that it calls, in an
// account that allows nothing else: none is missing, and none is superfluous. Without that for costs,
// it still lists everything.
func TestList(t *testing.T) {
	text, err := os.ReadFile("../../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, needs, ok := strings.Cut(string(text), "`flowbed list` needs ")
	needs, costs, also := strings.Cut(needs, "For the costs, it also calls ")
	needs, _, _ = strings.Cut(needs, "With `--all-regions`")
	costs, _, _ = strings.Cut(costs, ".\n")
	actions := regexp.MustCompile("[a-z0-9]+:[A-Z][A-Za-z]+")
	documented, forCosts := actions.FindAllString(needs, -1), actions.FindAllString(costs, -1)
	if !ok || !also || len(forCosts) == 0 {
		t.Fatalf("docs/permissions.md does not say what list needs: %v, %v", documented, forCosts)
	}
	var called []string
	differ := false
	for _, text := range []string{everything(t), inService} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			s, err := stack.Build(environment(t, text, home, false), here, stack.NewClients(w.account.Config(home)),
				stack.Options{Address: lifecycle.Caller, NoWait: true, Transport: w.server})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			whole := w.list(append(slices.Clip(documented), forCosts...)...)
			called = append(called, w.calls...)
			if len(w.denied) > 0 {
				t.Errorf("list is denied %v", w.denied)
			}
			if len(whole.Objects) < 10 {
				t.Fatalf("list finds %+v", whole)
			}
			less := w.list(documented...)
			if d := cmp.Diff(whole.Objects, less.Objects); d != "" {
				t.Errorf("without the permissions for costs, list finds (-all +less):\n%s", d)
			}
			differ = differ || !reflect.DeepEqual(whole.Costs, less.Costs)
		})
	}
	if !differ {
		t.Error("the costs are the same without the permissions for them")
	}
	slices.Sort(called)
	if d := cmp.Diff(slices.Sorted(slices.Values(append(documented, forCosts...))), slices.Compact(called)); d != "" {
		t.Errorf("list calls (-documented +called):\n%s", d)
	}
}

// list is what list finds of the one environment of the account, if the caller may do no more than that.
func (w *world) list(allowed ...string) inventory.Environment {
	w.Helper()
	w.calls, w.denied = nil, nil
	w.account.Policy = fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["%s"], "Resource": "*"}]}`, strings.Join(allowed, `", "`))
	kinds, err := stack.Discoverers(stack.NewClients(w.config()), here)
	if err != nil {
		w.Fatal(err)
	}
	found, err := inventory.Region(context.Background(), here.Region, kinds)
	if err != nil || len(found) != 1 {
		w.Fatalf("list finds %d environments: %v", len(found), err)
	}
	return found[0]
}
