package prefectapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

type run struct {
	ID             string         `json:"id"`
	Name           string         `json:"name"`
	Key            string         `json:"idempotency_key,omitempty"`
	FlowID         string         `json:"flow_id"`
	DeploymentID   string         `json:"deployment_id"`
	Pool           string         `json:"work_pool_name"`
	Queue          string         `json:"work_queue_name"`
	Parameters     map[string]any `json:"parameters"`
	Infrastructure string         `json:"infrastructure_pid,omitempty"`
	Created        time.Time      `json:"created"`
	States         []state        `json:"states"` // the oldest first
	Lines          []logLine      `json:"lines,omitempty"`
}

type state struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Name    string    `json:"name"`
	Message string    `json:"message,omitempty"`
	Time    time.Time `json:"timestamp"`
}

type logLine struct {
	ID      string    `json:"id"`
	Level   int       `json:"level"`
	Message string    `json:"message"`
	Time    time.Time `json:"timestamp"`
}

func (r *run) state() state { return r.States[len(r.States)-1] }

func (r *run) shown() map[string]any {
	all := map[string]any{
		"id": r.ID, "name": r.Name, "flow_id": r.FlowID, "deployment_id": r.DeploymentID, "work_pool_name": r.Pool, "work_queue_name": r.Queue,
		"parameters": r.Parameters, "created": r.Created.Format(time.RFC3339Nano), "state": r.state(), "infrastructure_pid": nil,
	}
	if r.Infrastructure != "" {
		all["infrastructure_pid"] = r.Infrastructure
	}
	return all
}

// start creates a run of a deployment.
func (a *API) start(c Call, d *deployment, body map[string]any) Answer {
	if no := checked(body, "", "state name parameters context job_variables empirical_policy tags idempotency_key parent_task_run_id work_queue_name enforce_parameter_schema labels"); no != nil {
		return *no
	}
	key, _ := body["idempotency_key"].(string)
	for _, r := range a.Runs {
		if key != "" && r.Key == key && r.FlowID == d.FlowID {
			return Answer{Status: http.StatusOK, Body: r.shown()}
		}
	}
	parameters, _ := d.Request["parameters"].(map[string]any)
	parameters = maps.Clone(parameters)
	if more, ok := body["parameters"].(map[string]any); ok {
		maps.Copy(parameters, more)
	}
	r := &run{
		ID: a.newID(ofRuns), Key: key, FlowID: d.FlowID, DeploymentID: d.ID, Pool: d.Pool, Queue: d.Queue,
		Parameters: parameters, Created: c.Now.UTC(),
	}
	r.Name = fmt.Sprintf("amber-heron-%d", a.Serial)
	r.States = []state{{ID: a.newID(ofStates), Type: "SCHEDULED", Name: "Scheduled", Time: c.Now.UTC()}}
	put(&a.Runs, r.ID, r)
	return Answer{Status: http.StatusCreated, Body: r.shown(), Changed: true}
}

func (a *API) runs(c Call, path []string, body map[string]any) Answer {
	switch {
	case len(path) == 1 && c.Method == http.MethodPost:
		return a.searchRuns(path[0], body)
	case len(path) == 0 || a.Runs[path[0]] == nil:
		return missing("Flow run")
	case len(path) == 2 && path[1] == "set_state" && c.Method == http.MethodPost:
		return a.setState(c, a.Runs[path[0]], body)
	case len(path) != 1:
		return notFound()
	case c.Method == http.MethodGet:
		return Answer{Status: http.StatusOK, Body: a.Runs[path[0]].shown()}
	case c.Method == http.MethodPatch:
		pid, _ := body["infrastructure_pid"].(string)
		a.Runs[path[0]].Infrastructure = cmp.Or(pid, a.Runs[path[0]].Infrastructure)
		return done()
	case c.Method == http.MethodDelete:
		delete(a.Runs, path[0])
		return done()
	}
	return refused(http.StatusMethodNotAllowed, "Method Not Allowed")
}

// searchRuns counts the runs that a filter selects, or lists them.
func (a *API) searchRuns(how string, body map[string]any) Answer {
	list := []map[string]any{}
	for _, r := range a.selected(body) {
		list = append(list, r.shown())
	}
	switch how {
	case "count":
		return Answer{Status: http.StatusOK, Body: len(list)}
	case "filter":
		return Answer{Status: http.StatusOK, Body: page(body, list)}
	}
	return refused(http.StatusMethodNotAllowed, "Method Not Allowed")
}

// selected returns the runs of the pools and deployments, and in the types of states, that a
// filter names.
func (a *API) selected(body map[string]any) (list []*run) {
	pools := anyOf(body, "work_pools", "name", "any_")
	types := anyOf(body, "flow_runs", "state", "type", "any_")
	deployments := anyOf(body, "deployments", "id", "any_")
	names := anyOf(body, "flow_runs", "name", "any_")
	for _, id := range slices.Sorted(maps.Keys(a.Runs)) {
		r := a.Runs[id]
		if (pools == nil || slices.Contains(pools, r.Pool)) && (types == nil || slices.Contains(types, r.state().Type)) &&
			(deployments == nil || slices.Contains(deployments, r.DeploymentID)) && (names == nil || slices.Contains(names, r.Name)) {
			list = append(list, r)
		}
	}
	return list
}

var stateTypes = []string{"SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "CRASHED", "PAUSED", "CANCELLING"}

// notPending are the types of states after which a run does not become Pending: so a second
// worker cannot take it.
var notPending = []string{"PENDING", "RUNNING", "CANCELLING", "CANCELLED"}

// setState answers as the server does: always with 200 or 201, and with what became of the
// proposal. Other transitions it accepts, even from a final state.
func (a *API) setState(c Call, r *run, body map[string]any) Answer {
	proposed, _ := body["state"].(map[string]any)
	kind, _ := proposed["type"].(string)
	name, _ := proposed["name"].(string)
	message, _ := proposed["message"].(string)
	force, _ := body["force"].(bool)
	if !slices.Contains(stateTypes, kind) {
		return *unprocessable("state", "Input should be a type of state")
	}
	now := r.state()
	if !force && kind == "PENDING" && slices.Contains(notPending, now.Type) {
		return Answer{Status: http.StatusOK, Body: map[string]any{"status": "ABORT", "state": now}}
	}
	s := state{ID: a.newID(ofStates), Type: kind, Name: cmp.Or(name, kind[:1]+strings.ToLower(kind[1:])), Message: message, Time: c.Now.UTC()}
	r.States = append(r.States, s)
	return Answer{Status: http.StatusCreated, Body: map[string]any{"status": "ACCEPT", "state": s}, Changed: true}
}

// states lists the states of a run. A run that does not exist has none.
func (a *API) states(c Call, path []string) Answer {
	if len(path) > 0 || c.Method != http.MethodGet {
		return notFound()
	}
	r := a.Runs[c.Query.Get("flow_run_id")]
	if r == nil {
		return Answer{Status: http.StatusOK, Body: []state{}}
	}
	return Answer{Status: http.StatusOK, Body: r.States}
}

// scheduled returns the runs that a worker of a pool may take: none of a paused pool, and no
// more than the pool's limit allows.
func (a *API) scheduled(pool string, body map[string]any) Answer {
	list := []map[string]any{}
	if a.Pools[pool]["is_paused"] == true {
		return Answer{Status: http.StatusOK, Body: list}
	}
	free := len(a.Runs)
	if limit, ok := a.Pools[pool]["concurrency_limit"].(float64); ok {
		free = int(limit)
		for _, r := range a.Runs {
			if r.Pool == pool && slices.Contains([]string{"PENDING", "RUNNING", "CANCELLING"}, r.state().Type) {
				free--
			}
		}
	}
	queues := anyOf(body, "work_queue_names")
	for _, id := range slices.Sorted(maps.Keys(a.Runs)) {
		r := a.Runs[id]
		if r.Pool != pool || r.state().Type != "SCHEDULED" || len(list) >= free || len(queues) > 0 && !slices.Contains(queues, r.Queue) {
			continue
		}
		list = append(list, map[string]any{"flow_run": r.shown()})
	}
	return Answer{Status: http.StatusOK, Body: list}
}

// logs takes lines of logs, and lists those of one run.
func (a *API) logs(c Call, path []string) Answer {
	if c.Method != http.MethodPost {
		return refused(http.StatusMethodNotAllowed, "Method Not Allowed")
	}
	if len(path) == 1 && path[0] == "filter" {
		body := map[string]any{}
		if json.Unmarshal(c.Body, &body) != nil {
			return *unprocessable("logs", "Input should be an object")
		}
		list := []map[string]any{}
		for _, id := range anyOf(body, "logs", "flow_run_id", "any_") {
			if r := a.Runs[id]; r != nil {
				for _, l := range r.Lines {
					list = append(list, map[string]any{"id": l.ID, "level": l.Level, "message": l.Message, "timestamp": l.Time, "flow_run_id": id})
				}
			}
		}
		return Answer{Status: http.StatusOK, Body: page(body, list)}
	}
	var lines []struct {
		Level   int       `json:"level"`
		Message string    `json:"message"`
		Time    time.Time `json:"timestamp"`
		Run     string    `json:"flow_run_id"`
	}
	if len(path) > 0 || json.Unmarshal(c.Body, &lines) != nil {
		return *unprocessable("logs", "Input should be a list")
	}
	for _, l := range lines {
		if r := a.Runs[l.Run]; r != nil {
			r.Lines = append(r.Lines, logLine{a.newID(ofLogs), l.Level, l.Message, l.Time})
		}
	}
	return Answer{Status: http.StatusCreated, Changed: true}
}
