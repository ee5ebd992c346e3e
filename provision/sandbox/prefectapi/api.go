// Package prefectapi is the sandbox's Prefect: the API that a Prefect server or a
// Prefect Cloud workspace has, as far as flowbed and an agent use it.
//
// An API is plain data. It lives in the sandbox's account, one per URL, so a run finds
// what an earlier one created. [Transport] carries flowbed's calls to it, and machine
// makes the agents' calls. Prefect belongs to no AWS account; only the sandbox puts the
// two together.
package prefectapi

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// API is the data of one Prefect API.
type API struct {
	Pools   map[string]map[string]any `json:"pools,omitempty"`   // by name
	Workers map[string][]*Worker      `json:"workers,omitempty"` // by pool, the oldest first
	Queues  map[string][]string       `json:"queues,omitempty"`  // by pool, without the default one
	Agents  []*Agent                  `json:"agents,omitempty"`  // of Prefect 1

	Serial   int                    `json:"serial,omitempty"` // of the last id
	Flows    map[string]*flow       `json:"flows,omitempty"`  // by id
	Deployed map[string]*deployment `json:"deployed,omitempty"`
	Runs     map[string]*run        `json:"runs,omitempty"`
	Blocks   map[string]*block      `json:"blocks,omitempty"`
}

// Worker is the record of a worker in a pool.
type Worker struct {
	Name      string    `json:"name"`
	Heartbeat time.Time `json:"heartbeat"`
	Status    string    `json:"status,omitempty"` // instead of the one that follows from the heartbeat
}

// Call is a request to an API.
type Call struct {
	Method string
	Path   string // below the API's root, such as /work_pools/; empty for Prefect 1
	Query  url.Values
	Header http.Header
	Body   []byte
	Now    time.Time
}

// Answer is an API's answer to a call.
type Answer struct {
	Status  int
	Body    any  // is sent as JSON; nil for none
	Changed bool // the call has changed the API's data
}

// JSON returns the body of the answer as it is sent.
func (a Answer) JSON() []byte {
	if a.Body == nil {
		return nil
	}
	b, err := json.Marshal(a.Body)
	if err != nil {
		panic(err) // all data comes from JSON
	}
	return b
}

// Response returns the answer to an HTTP request.
func (a Answer) Response(r *http.Request) *http.Response {
	text := a.JSON()
	return &http.Response{
		Status: strconv.Itoa(a.Status) + " " + http.StatusText(a.Status), StatusCode: a.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(text)),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(text)),
	}
}

func refused(status int, detail string) Answer {
	return Answer{Status: status, Body: map[string]any{"detail": detail}}
}

func done() Answer { return Answer{Status: http.StatusNoContent, Changed: true} }

func notFound() Answer { return refused(http.StatusNotFound, "Not Found") }

// Answer answers a call that the door lets in.
func (a *API) Answer(c Call, d Door) Answer {
	if no := d.check(c); no != nil {
		return *no
	}
	if c.Path == "/csrf-token" {
		return d.token(c)
	}
	body := map[string]any{}
	if list := strings.Trim(c.Path, "/") == "logs"; len(c.Body) > 0 && !list && json.Unmarshal(c.Body, &body) != nil {
		return refused(http.StatusUnprocessableEntity, "Invalid request received.")
	}
	path := strings.Split(strings.Trim(c.Path, "/"), "/")
	switch c.Path {
	case "":
		return a.graphQL(c, body)
	case "/health":
		return Answer{Status: http.StatusOK, Body: true}
	case "/admin/version":
		return Answer{Status: http.StatusOK, Body: serverVersion}
	case "/deployments/count":
		return a.count(body)
	}
	return a.route(c, path, body)
}

// route answers a call about one kind of object.
func (a *API) route(c Call, path []string, body map[string]any) Answer {
	switch path[0] {
	case "work_pools":
		return a.pools(c, path[1:], body)
	case "flows":
		return a.flows(c, path[1:], body)
	case "deployments":
		return a.deployments(c, path[1:], body)
	case "flow_runs":
		return a.runs(c, path[1:], body)
	case "flow_run_states":
		return a.states(c, path[1:])
	case "block_types":
		return a.blockTypes(c, path[1:])
	case "block_schemas":
		return a.blockSchemas(c, path[1:], body)
	case "block_documents":
		return a.blocks(c, path[1:], body)
	case "logs":
		return a.logs(c, path[1:])
	}
	return notFound()
}

// serverVersion is the version that the API says it has.
const serverVersion = "3.9.1"

// count counts the deployments of the pools in the request's filter.
func (a *API) count(body map[string]any) Answer {
	n := 0
	pools, _ := body["work_pools"].(map[string]any)
	name, _ := pools["name"].(map[string]any)
	list, _ := name["any_"].([]any)
	for _, p := range list {
		text, _ := p.(string)
		for _, d := range a.Deployed {
			if d.Pool == text {
				n++
			}
		}
	}
	return Answer{Status: http.StatusOK, Body: n}
}

func (a *API) pools(c Call, path []string, body map[string]any) Answer {
	switch {
	case (len(path) == 0 || path[0] == "") && c.Method == http.MethodPost:
		return a.create(body)
	case len(path) == 0 || path[0] == "":
		return notFound()
	case a.Pools[path[0]] == nil:
		return refused(http.StatusNotFound, `Work pool "`+path[0]+`" not found.`)
	case len(path) == 1:
		return a.pool(c, path[0], body)
	case path[1] == "queues":
		return a.queues(c, path[0], path[2:], body)
	case path[1] == "get_scheduled_flow_runs" && c.Method == http.MethodPost:
		return a.scheduled(path[0], body)
	case len(path) == 3 && path[1] == "workers":
		return a.worker(c, path[0], path[2], body)
	}
	return notFound()
}

func (a *API) create(body map[string]any) Answer {
	name, _ := body["name"].(string)
	template, _ := body["base_job_template"].(map[string]any)
	_, given := body["base_job_template"] // a worker that creates its pool sends none
	switch {
	case strings.HasPrefix(strings.ToLower(name), "prefect"):
		return refused(http.StatusForbidden, "Work pools starting with 'Prefect' are reserved for internal use.")
	case a.Pools[name] != nil:
		return refused(http.StatusConflict, "A work pool with this name already exists.")
	case given && (template["variables"] == nil || template["job_configuration"] == nil):
		return Answer{Status: http.StatusUnprocessableEntity, Body: map[string]any{"exception_detail": []any{
			map[string]any{"loc": []any{"body", "base_job_template"}, "msg": "needs both keys"},
		}}}
	}
	body["is_paused"] = false
	if a.Pools == nil {
		a.Pools = map[string]map[string]any{}
	}
	a.Pools[name] = body
	return Answer{Status: http.StatusCreated, Body: body, Changed: true}
}

func (a *API) pool(c Call, name string, body map[string]any) Answer {
	switch c.Method {
	case http.MethodGet:
		shown := maps.Clone(a.Pools[name])
		shown["status"] = a.status(name, c.Now)
		return Answer{Status: http.StatusOK, Body: shown}
	case http.MethodPatch:
		maps.Copy(a.Pools[name], body)
		return done()
	case http.MethodDelete:
		delete(a.Pools, name)
		delete(a.Workers, name)
		delete(a.Queues, name)
		for _, d := range a.Deployed { // they stay, without a pool
			if d.Pool == name {
				d.Pool, d.Queue = "", ""
			}
		}
		return done()
	}
	return refused(http.StatusMethodNotAllowed, "Method Not Allowed")
}

// status returns the status of a pool: a pool is ready if one of its workers is online.
func (a *API) status(pool string, now time.Time) string {
	if a.Pools[pool]["is_paused"] == true {
		return "PAUSED"
	}
	if slices.ContainsFunc(a.Workers[pool], func(w *Worker) bool { return w.status(now) == "ONLINE" }) {
		return "READY"
	}
	return "NOT_READY"
}

// maxSilence is how long after its last heartbeat a worker counts as online: three
// times the interval of 30 seconds.
const maxSilence = 90 * time.Second

func (w *Worker) status(now time.Time) string {
	switch {
	case w.Status != "":
		return w.Status
	case now.Sub(w.Heartbeat) > maxSilence:
		return "OFFLINE"
	}
	return "ONLINE"
}

func (a *API) worker(c Call, pool, name string, body map[string]any) Answer {
	switch {
	case c.Method == http.MethodPost && name == "filter":
		return a.filter(c, pool, body)
	case c.Method == http.MethodPost && name == "heartbeat":
		own, _ := body["name"].(string)
		a.Beat(pool, Worker{Name: own, Heartbeat: c.Now})
		return done()
	case c.Method == http.MethodDelete:
		for i, w := range a.Workers[pool] {
			if w.Name == name {
				a.Workers[pool] = slices.Delete(slices.Clone(a.Workers[pool]), i, i+1)
				return done()
			}
		}
	}
	return refused(http.StatusNotFound, "Worker not found.")
}

// filter lists workers. It knows no filter, because flowbed sends none.
func (a *API) filter(c Call, pool string, body map[string]any) Answer {
	var rows []map[string]any
	for _, w := range a.Workers[pool] {
		rows = append(rows, map[string]any{
			"name": w.Name, "status": w.status(c.Now), "last_heartbeat_time": w.Heartbeat.UTC().Format(time.RFC3339Nano),
		})
	}
	return Answer{Status: http.StatusOK, Body: page(body, rows)}
}

// Beat adds a worker to a pool, or replaces its record.
func (a *API) Beat(pool string, w Worker) {
	if a.Workers == nil {
		a.Workers = map[string][]*Worker{}
	}
	for i, have := range a.Workers[pool] {
		if have.Name == w.Name {
			a.Workers[pool][i] = &w
			return
		}
	}
	a.Workers[pool] = append(a.Workers[pool], &w)
}
