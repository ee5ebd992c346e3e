package prefectapi

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

type flow struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type deployment struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	FlowID  string         `json:"flow_id"`
	Pool    string         `json:"pool,omitempty"` // empty after the pool was deleted
	Queue   string         `json:"queue,omitempty"`
	Tags    []string       `json:"tags,omitempty"`
	Request map[string]any `json:"request"` // the rest of what was asked for
	Created time.Time      `json:"created"`
}

// newID returns an id in the form of the server's.
func (a *API) newID(kind string) string {
	a.Serial++
	return fmt.Sprintf("%08x-0000-4000-8000-%s", a.Serial, kind)
}

// The last parts of ids, one for each kind.
const (
	ofFlows       = "00000000f10e"
	ofDeployments = "00000000de91"
	ofRuns        = "000000000c91"
	ofStates      = "000000005747"
	ofLogs        = "0000000010c5"
)

func missing(what string) Answer { return refused(http.StatusNotFound, what+" not found") }

// unprocessable is the answer to a request that lacks a field, or has one that the server does
// not know.
func unprocessable(field, message string) *Answer {
	return &Answer{Status: http.StatusUnprocessableEntity, Body: map[string]any{
		"exception_message": "Invalid request received.",
		"exception_detail":  []any{map[string]any{"loc": []any{"body", field}, "msg": message}},
	}}
}

// checked returns the answer to a request with wrong fields, or nil.
func checked(body map[string]any, required, optional string) *Answer {
	for _, name := range strings.Fields(required) {
		if s, _ := body[name].(string); s == "" {
			return unprocessable(name, "Field required")
		}
	}
	known := strings.Fields(required + " " + optional)
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if !slices.Contains(known, name) {
			return unprocessable(name, "Extra inputs are not permitted")
		}
	}
	return nil
}

func (a *API) flows(c Call, path []string, body map[string]any) Answer {
	switch {
	case len(path) == 0 && c.Method == http.MethodPost:
		if no := checked(body, "name", "tags labels"); no != nil {
			return *no
		}
		name, _ := body["name"].(string)
		for _, f := range a.Flows {
			if f.Name == name {
				return Answer{Status: http.StatusOK, Body: f}
			}
		}
		f := &flow{ID: a.newID(ofFlows), Name: name}
		put(&a.Flows, f.ID, f)
		return Answer{Status: http.StatusCreated, Body: f, Changed: true}
	case len(path) == 1 && path[0] == "filter" && c.Method == http.MethodPost:
		return Answer{Status: http.StatusOK, Body: page(body, a.listedFlows(body))}
	case len(path) != 1:
		return notFound()
	case a.Flows[path[0]] == nil:
		return missing("Flow")
	case c.Method == http.MethodGet:
		return Answer{Status: http.StatusOK, Body: a.Flows[path[0]]}
	case c.Method == http.MethodDelete:
		delete(a.Flows, path[0])
		maps.DeleteFunc(a.Deployed, func(_ string, d *deployment) bool { return d.FlowID == path[0] })
		maps.DeleteFunc(a.Runs, func(_ string, r *run) bool { return r.FlowID == path[0] })
		return done()
	}
	return refused(http.StatusMethodNotAllowed, "Method Not Allowed")
}

// listedFlows returns the flows whose ids a filter names, or all.
func (a *API) listedFlows(body map[string]any) []map[string]any {
	ids := anyOf(body, "flows", "id", "any_")
	list := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(a.Flows)) {
		if ids == nil || slices.Contains(ids, id) {
			list = append(list, map[string]any{"id": id, "name": a.Flows[id].Name})
		}
	}
	return list
}

// Deploy makes a pool have n deployments, of the flow etl, instead of those that it has.
func (a *API) Deploy(pool string, n int, now time.Time) {
	maps.DeleteFunc(a.Deployed, func(_ string, d *deployment) bool { return d.Pool == pool })
	f := &flow{ID: a.newID(ofFlows), Name: "etl"}
	put(&a.Flows, f.ID, f)
	for i := range n {
		d := &deployment{ID: a.newID(ofDeployments), Name: fmt.Sprintf("d%d", i+1), FlowID: f.ID, Pool: pool, Queue: defaultQueue, Request: map[string]any{}, Created: now}
		d.Request["name"], d.Request["flow_id"] = d.Name, d.FlowID
		put(&a.Deployed, d.ID, d)
	}
}

func put[T any](all *map[string]T, key string, v T) {
	if *all == nil {
		*all = map[string]T{}
	}
	(*all)[key] = v
}

func (a *API) deployments(c Call, path []string, body map[string]any) Answer {
	switch {
	case len(path) == 0 && c.Method == http.MethodPost:
		return a.deploy(c, body)
	case len(path) == 1 && path[0] == "filter" && c.Method == http.MethodPost:
		return Answer{Status: http.StatusOK, Body: page(body, a.listed(body))}
	case len(path) == 0 || a.Deployed[path[0]] == nil:
		return missing("Deployment")
	}
	return a.deployment(c, a.Deployed[path[0]], path[1:], body)
}

// deployment answers a call about one deployment.
func (a *API) deployment(c Call, d *deployment, path []string, body map[string]any) Answer {
	switch {
	case len(path) == 1 && path[0] == "create_flow_run" && c.Method == http.MethodPost:
		return a.start(c, d, body)
	case len(path) > 0:
		return notFound()
	case c.Method == http.MethodGet:
		return Answer{Status: http.StatusOK, Body: d.shown()}
	case c.Method == http.MethodDelete:
		delete(a.Deployed, d.ID)
		maps.DeleteFunc(a.Runs, func(_ string, r *run) bool { return r.DeploymentID == d.ID && r.state().Type == "SCHEDULED" })
		return done()
	}
	return refused(http.StatusMethodNotAllowed, "Method Not Allowed")
}

const deploymentFields = "work_pool_name work_queue_name entrypoint path version description tags parameters parameter_openapi_schema " +
	"enforce_parameter_schema pull_steps job_variables paused schedules concurrency_limit storage_document_id infrastructure_document_id"

// deploy creates a deployment, or replaces the one of the flow with the name.
func (a *API) deploy(c Call, body map[string]any) Answer {
	if no := checked(body, "name flow_id", deploymentFields); no != nil {
		return *no
	}
	text := func(key string) string { s, _ := body[key].(string); return s }
	d := &deployment{Name: text("name"), FlowID: text("flow_id"), Pool: text("work_pool_name"), Queue: text("work_queue_name"), Request: body, Created: c.Now.UTC()}
	switch {
	case a.Pools[d.Pool] == nil:
		return refused(http.StatusNotFound, `Work pool "`+d.Pool+`" not found.`)
	case a.Flows[d.FlowID] == nil:
		return refused(http.StatusConflict, "Data integrity conflict. This usually means a unique or foreign key constraint was violated. See server logs for details.")
	}
	if d.Queue = cmp.Or(d.Queue, defaultQueue); !slices.Contains(a.queuesOf(d.Pool), d.Queue) {
		a.addQueue(d.Pool, map[string]any{"name": d.Queue})
	}
	tags, _ := body["tags"].([]any)
	for _, t := range tags {
		d.Tags = append(d.Tags, fmt.Sprint(t))
	}
	status := http.StatusCreated
	for _, have := range a.Deployed {
		if have.Name == d.Name && have.FlowID == d.FlowID {
			d.ID, d.Created, status = have.ID, have.Created, http.StatusOK
		}
	}
	if d.ID == "" {
		d.ID = a.newID(ofDeployments)
	}
	put(&a.Deployed, d.ID, d)
	return Answer{Status: status, Body: d.shown(), Changed: true}
}

func (d *deployment) shown() map[string]any {
	all := maps.Clone(d.Request)
	all["id"], all["created"], all["tags"] = d.ID, d.Created.Format(time.RFC3339Nano), d.Tags
	all["work_pool_name"], all["work_queue_name"] = d.Pool, d.Queue
	return all
}

// listed returns the deployments of the pools, and with all tags, that a filter names.
func (a *API) listed(body map[string]any) []map[string]any {
	pools := anyOf(body, "work_pools", "name", "any_")
	tags := anyOf(body, "deployments", "tags", "all_")
	list := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(a.Deployed)) {
		d := a.Deployed[id]
		lacks := func(t string) bool { return !slices.Contains(d.Tags, t) }
		if (pools == nil || slices.Contains(pools, d.Pool)) && !slices.ContainsFunc(tags, lacks) {
			list = append(list, d.shown())
		}
	}
	return list
}

// anyOf returns the list at a path of a filter, or nil.
func anyOf(body map[string]any, path ...string) (list []string) {
	for _, key := range path[:len(path)-1] {
		body, _ = body[key].(map[string]any)
	}
	values, _ := body[path[len(path)-1]].([]any)
	for _, v := range values {
		list = append(list, fmt.Sprint(v))
	}
	return list
}
