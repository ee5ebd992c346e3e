package resource_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
)

// TestPoolQueues: a worker takes no runs at all if one of its queues does not exist, so up
// creates them, also in a pool that exists, and leaves alone all others.
func TestPoolQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlows()
		f.up(t)
		f.server.Calls()
		if a := f.plan(t); a.Op != provision.None || slices.ContainsFunc(f.server.Calls(), func(c string) bool { return strings.Contains(c, "queues") }) {
			t.Errorf("without queues in the file: %v %v", a.Op, poolFields(a))
		}
		f.queues = []string{"etl", "a queue", "default"}
		if a := f.plan(t); a.Op != provision.Update || !slices.Equal(poolFields(a), []string{"work queue etl", "work queue a queue"}) {
			t.Fatalf("plan: %v %v", a.Op, poolFields(a))
		}
		f.up(t)
		if a := f.plan(t); a.Op != provision.None {
			t.Errorf("after up: %v %v", a.Op, poolFields(a))
		}
		api, err := prefect.New(f.config)
		if err != nil {
			t.Fatal(err)
		}
		have, err := api.Queues(t.Context(), poolName)
		if want := []string{"default", "etl", "a queue"}; err != nil || !slices.Equal(have, want) {
			t.Errorf("have %q, %v; want %q", have, err, want)
		}
		f.queues = []string{"etl"}
		if a := f.plan(t); a.Op != provision.None { // the other one may have runs
			t.Errorf("with fewer queues: %v %v", a.Op, poolFields(a))
		}
	})
}

// TestPoolQueuesOfNewPool creates a pool with its queues in one run. The reply about the
// first queue is lost.
func TestPoolQueuesOfNewPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlows()
		f.queues = []string{"etl", "more"}
		lost := false
		api, err := prefect.New(f.config)
		if err != nil {
			t.Fatal(err)
		}
		f.server.Fail = func(r *http.Request) int {
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/queues") && !lost {
				lost = true
				return http.StatusBadGateway
			}
			return 0
		}
		f.up(t)
		if have, err := api.Queues(t.Context(), poolName); err != nil || !slices.Equal(have, []string{"default", "etl", "more"}) || !lost {
			t.Errorf("have %q, %v, lost %t", have, err, lost)
		}
		for _, name := range f.queues { // somebody else was faster
			c := f.pool(t).Changes(resource.PoolState{Name: poolName})
			i := slices.IndexFunc(c, func(c provision.Change) bool { return c.Field == "work queue "+name })
			if err := c[i].Do(t.Context()); err != nil {
				t.Errorf("create %s again: %v", name, err)
			}
		}
	})
}
