//go:build linux

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
)

// TestPoolDown removes a pool with a deployment from a real server: down pauses it, a
// scheduled run stays, up resumes it, and --delete-deployments deletes all of it.
func TestPoolDown(t *testing.T) {
	able.Slow(t)
	t.Parallel()
	server := prefectServer(t, prefectserver.Options{Auth: "user:hunter2"})
	config := prefect.Config{URL: server.API, AuthString: server.Auth}
	api, err := prefect.New(config)
	if err != nil {
		t.Fatal(err)
	}
	id := resource.Identity{Env: "dev", Account: "123456789012", Region: "us-east-1", Partition: "aws"}
	defaults := prefect.Defaults{
		Kind: prefect.Worker3, ClusterARN: "arn:cluster", TaskRole: "arn:task", ExecutionRole: "arn:execution", VPC: "vpc-1",
		Subnets: []string{"subnet-1"}, Groups: []string{"sg-1"}, LogGroup: "/flowbed/dev", Region: "us-east-1",
		DefaultImage: "prefecthq/prefect:3.9.1-python3.12",
	}
	graph := func(down, deployments bool) *provision.Graph {
		g := &provision.Graph{Owner: id.Owner(), Retry: prefect.Retry}
		p := resource.Pool{API: api, ID: id, Name: pool, Want: func() prefect.Defaults { return defaults }, Destroy: down, DeleteDeployments: deployments}
		if down {
			p.Down = &resource.PoolAPI{Config: config, ID: id}
		}
		provision.Add(g, "work pool", provision.Own, p)
		return g
	}
	up := func() {
		t.Helper()
		if err := graph(false, false).Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p, err := graph(false, false).Plan(t.Context()); err != nil || !p.Empty() {
			t.Fatalf("the plan after up: %v %+v", err, p.Actions)
		}
	}
	down := func(deployments bool) provision.Action {
		t.Helper()
		left, err := graph(true, deployments).Down(t.Context())
		if err != nil || !left.Empty() {
			t.Fatalf("down: %v, left %+v", err, left)
		}
		return left.Actions[0]
	}
	up()
	if status := deploy(t, server, `{}`); status != http.StatusCreated {
		t.Fatalf("the deployment has status %d", status)
	}
	list, err := api.PoolDeployments(t.Context(), pool)
	if err != nil || len(list) != 1 || list[0].String() != "hello/hello" {
		t.Fatalf("deployments: %v, %v", list, err)
	}
	run, err := api.StartRun(t.Context(), list[0].ID, "one")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := graph(true, false).PlanDown(t.Context())
	if err != nil || plan.Actions[0].Op != provision.Release || !strings.Contains(plan.Actions[0].Notes[0].Text, "still used by 1 deployment (hello/hello)") {
		t.Fatalf("the plan of down: %v %+v", err, plan)
	}
	for range 2 {
		if a := down(false); a.Op != provision.Skip {
			t.Errorf("down: %v", a.Op)
		}
		wantPool(t, api, "PAUSED", true)
	}
	if n := takes(t, server); n != 0 {
		t.Errorf("a worker gets %d runs of the paused pool", n)
	}
	if r, err := api.ReadRun(t.Context(), run.ID); err != nil || r.State.Type != prefect.Scheduled {
		t.Errorf("the run is %v: %v", r.State, err)
	}
	up()
	wantPool(t, api, "NOT_READY", false)
	if n := takes(t, server); n != 1 {
		t.Errorf("a worker gets %d runs of the resumed pool, want 1", n)
	}
	if a := down(true); a.Op != provision.None {
		t.Errorf("down with --delete-deployments: %v", a.Op)
	}
	for path, want := range map[string]int{"/work_pools/" + pool: 404, "/deployments/" + list[0].ID: 404, "/flow_runs/" + run.ID: 404} {
		if status, _, err := server.Call(t.Context(), http.MethodGet, path, nil); err != nil || status != want {
			t.Errorf("%s: %d, %v", path, status, err)
		}
	}
}

func wantPool(t *testing.T, api *prefect.Client, status string, ours bool) {
	t.Helper()
	p, err := api.ReadPool(t.Context(), pool)
	if err != nil || p.Status != status || p.Template.PausedByUs() != ours {
		t.Errorf("the pool is %s, paused by us: %v; %v", p.Status, p.Template.PausedByUs(), err)
	}
}

// takes returns how many runs a worker would get.
func takes(t *testing.T, s *prefectserver.Server) int {
	t.Helper()
	_, answer, err := s.Call(t.Context(), http.MethodPost, "/work_pools/"+pool+"/get_scheduled_flow_runs", map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(answer, &list); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return len(list)
}
