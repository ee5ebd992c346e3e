package prefectapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/prefectapi"
)

// caller calls an API as a worker and people do.
type caller struct {
	*testing.T
	api prefectapi.API
}

// call makes a call, checks the status, and decodes the answer into out unless that is nil.
func (c *caller) call(status int, method, path, body string, out any) {
	c.Helper()
	path, query, _ := strings.Cut(path, "?")
	r, err := http.NewRequestWithContext(c.Context(), method, "http://x/?"+query, nil)
	if err != nil {
		c.Fatal(err)
	}
	a := c.api.Answer(prefectapi.Call{Method: method, Path: path, Query: r.URL.Query(), Body: []byte(body), Now: time.Unix(1e9, 0)}, prefectapi.Door{})
	if a.Status != status {
		c.Errorf("%s %s %s: have %d %s, want %d", method, path, body, a.Status, a.JSON(), status)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(a.JSON(), out); err != nil {
		c.Errorf("%s %s: %v", method, path, err)
	}
}

type object struct {
	ID     string
	Status string
	State  struct{ Type string }
}

// deployed returns a caller of an API with a pool, and the id of a deployment.
func deployed(t *testing.T) (c *caller, deployment string) {
	t.Helper()
	c = &caller{T: t}
	var flow, made object
	c.call(201, "POST", "/work_pools", `{"name":"dev","type":"ecs"}`, nil)
	c.call(201, "POST", "/flows", `{"name":"hello"}`, &flow)
	c.call(201, "POST", "/deployments", `{"name":"a","flow_id":"`+flow.ID+`","work_pool_name":"dev"}`, &made)
	return c, made.ID
}

// TestStrict makes calls that the real server refuses.
func TestStrict(t *testing.T) {
	c, deployment := deployed(t)
	c.call(422, "POST", "/flows", `{}`, nil)
	c.call(422, "POST", "/flows", `{"name":"x","color":"red"}`, nil)
	c.call(422, "POST", "/deployments", `{"name":"a"}`, nil)
	c.call(422, "POST", "/deployments", `{"name":"a","flow_id":"1","work_pool_name":"dev","infra":1}`, nil)
	c.call(404, "POST", "/deployments", `{"name":"a","flow_id":"1","work_pool_name":"none"}`, nil)
	c.call(409, "POST", "/deployments", `{"name":"a","flow_id":"1","work_pool_name":"dev"}`, nil)
	c.call(422, "POST", "/deployments/"+deployment+"/create_flow_run", `{"colour":1}`, nil)
	c.call(404, "POST", "/deployments/1/create_flow_run", `{}`, nil)
	c.call(404, "GET", "/flow_runs/1", ``, nil)
	c.call(404, "DELETE", "/flow_runs/1", ``, nil)
	c.call(404, "DELETE", "/deployments/1", ``, nil)
	c.call(404, "DELETE", "/flows/1", ``, nil)
	c.call(404, "POST", "/flow_runs/1/set_state", `{"state":{"type":"PENDING"}}`, nil)
	c.call(422, "POST", "/logs", `{}`, nil)
}

// TestStates proposes states as a worker, a second worker, and people do.
func TestStates(t *testing.T) {
	c, deployment := deployed(t)
	var run, got object
	c.call(201, "POST", "/deployments/"+deployment+"/create_flow_run", `{}`, &run)
	path := "/flow_runs/" + run.ID + "/set_state"
	c.call(422, "POST", path, `{"state":{"type":"DONE"}}`, nil)
	c.call(201, "POST", path, `{"state":{"type":"PENDING"}}`, &got)
	if got.Status != "ACCEPT" {
		t.Errorf("the first worker: %+v", got)
	}
	if c.call(200, "POST", path, `{"state":{"type":"PENDING"}}`, &got); got.Status != "ABORT" {
		t.Errorf("the second worker: %+v", got)
	}
	c.call(201, "POST", path, `{"state":{"type":"COMPLETED"}}`, nil)
	c.call(201, "POST", path, `{"state":{"type":"CANCELLED"},"force":true}`, nil)
	if c.call(200, "POST", path, `{"state":{"type":"PENDING"}}`, &got); got.Status != "ABORT" {
		t.Errorf("a canceled run: %+v", got)
	}
	var states []object
	if c.call(200, "GET", "/flow_run_states?flow_run_id="+run.ID, ``, &states); len(states) != 4 {
		t.Errorf("%d states, want 4", len(states))
	}
}

// TestScheduled asks for the runs of a pool that is paused, at its limit, or read by the
// worker of another queue.
func TestScheduled(t *testing.T) {
	c, deployment := deployed(t)
	want := func(when string, body string, n int) {
		t.Helper()
		var list []any
		if c.call(200, "POST", "/work_pools/dev/get_scheduled_flow_runs", body, &list); len(list) != n {
			t.Errorf("%s: %d runs, want %d", when, len(list), n)
		}
	}
	var first object
	c.call(201, "POST", "/deployments/"+deployment+"/create_flow_run", `{}`, &first)
	c.call(201, "POST", "/deployments/"+deployment+"/create_flow_run", `{}`, nil)
	want("two runs", `{}`, 2)
	want("another queue", `{"work_queue_names":["etl"]}`, 0)
	want("the default queue", `{"work_queue_names":["default"]}`, 2)
	c.call(204, "PATCH", "/work_pools/dev", `{"concurrency_limit":1}`, nil)
	want("a limit", `{}`, 1)
	c.call(201, "POST", "/flow_runs/"+first.ID+"/set_state", `{"state":{"type":"PENDING"}}`, nil)
	want("the limit is used up", `{}`, 0)
	c.call(204, "PATCH", "/work_pools/dev", `{"concurrency_limit":null,"is_paused":true}`, nil)
	want("a paused pool", `{}`, 0)
	var n int
	if c.call(200, "POST", "/flow_runs/count", `{"work_pools":{"name":{"any_":["dev"]}},"flow_runs":{"state":{"type":{"any_":["PENDING"]}}}}`, &n); n != 1 {
		t.Errorf("%d runs are pending, want 1", n)
	}
	if c.call(200, "POST", "/deployments/count", `{"work_pools":{"name":{"any_":["dev"]}}}`, &n); n != 1 {
		t.Errorf("%d deployments, want 1", n)
	}
}
