package stack_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/prefecttest"
)

// TestOldPoolWithDeployments: a pool that has deployments stays after it was renamed, and is
// not forgotten. When they are gone, the next up deletes it.
func TestOldPoolWithDeployments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, server := sandbox.New(), prefecttest.New()
		named := func(pool string) *stack.Stack {
			return build(t, account, "environment \"dev\" {\nprefect {\napi_url = \"http://prefect.example/api\"\nwork_pool = \""+pool+"\"\n}\n}", stack.Options{Transport: server})
		}
		up := func(s *stack.Stack) {
			t.Helper()
			if err := s.Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		up(named("one"))
		server.Deploy("one", 2)
		for range 2 { // the second up must find it again
			up(named("two"))
			if server.Pool("one") == nil || server.Pool("two") == nil {
				t.Fatal("a pool is missing")
			}
			p, err := named("two").Graph.Plan(t.Context())
			if err != nil || !p.Empty() {
				t.Fatalf("%v, %+v", err, p)
			}
			i := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == "old work pool" })
			if i < 0 || p.Actions[i].Op != provision.Skip || !strings.Contains(p.Actions[i].Notes[0].Text, "is used by 2 deployments (etl/d1, etl/d2)") {
				t.Fatalf("the plan does not tell about the old pool: %+v", p.Actions)
			}
		}
		server.Deploy("one", 0)
		up(named("two"))
		if server.Pool("one") != nil || server.Pool("two") == nil {
			t.Error("the old pool is still there, or the new one is not")
		}
	})
}
