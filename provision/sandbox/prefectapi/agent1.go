package prefectapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Agent is the record of a Prefect 1 agent.
type Agent struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Type    string    `json:"type"`
	Version string    `json:"core_version"`
	Labels  []string  `json:"labels"`
	Queried time.Time `json:"last_queried"` // when it last asked for runs
}

// graphQL answers the queries of flowbed and of an agent. It finds out by their names
// what they ask for.
func (a *API) graphQL(c Call, body map[string]any) Answer {
	query, _ := body["query"].(string)
	variables, _ := body["variables"].(map[string]any)
	input, _ := variables["input"].(map[string]any)
	ok := func(changed bool, data map[string]any) Answer {
		return Answer{Status: http.StatusOK, Body: map[string]any{"data": data}, Changed: changed}
	}
	switch {
	case strings.Contains(query, "delete_agent"):
		id, _ := input["agent_id"].(string)
		a.Agents = slices.DeleteFunc(slices.Clone(a.Agents), func(g *Agent) bool { return g.ID == id })
		return ok(true, map[string]any{"delete_agent": map[string]any{"success": true}})
	case strings.Contains(query, "register_agent"):
		return ok(true, map[string]any{"register_agent": map[string]any{"id": a.register(input)}})
	case strings.Contains(query, "get_runs_in_queue"):
		a.queried(c.Header.Get("X-PREFECT-AGENT-ID"), c.Now)
		return ok(true, map[string]any{"get_runs_in_queue": map[string]any{"flow_run_ids": []string{}}})
	case strings.Contains(query, "tenant"):
		return ok(false, map[string]any{"tenant": []any{map[string]any{"id": "00000000-0000-4000-8000-000000000001"}}})
	case strings.Contains(query, "agent"):
		return ok(false, map[string]any{"agent": append([]*Agent{}, a.Agents...)})
	}
	return Answer{Status: http.StatusBadRequest, Body: map[string]any{"errors": []any{map[string]any{"message": "the sandbox does not support this query"}}}}
}

// register returns the id of an agent. An agent that registers again with the same name,
// version and labels keeps its record.
func (a *API) register(input map[string]any) string {
	g := &Agent{Labels: []string{}}
	g.Name, _ = input["name"].(string)
	g.Type, _ = input["type"].(string)
	g.Version, _ = input["core_version"].(string)
	labels, _ := input["labels"].([]any)
	for _, l := range labels {
		g.Labels = append(g.Labels, fmt.Sprint(l))
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []any{g.Name, g.Type, g.Version, g.Labels}))
	h := hex.EncodeToString(sum[:])
	g.ID = strings.Join([]string{h[:8], h[8:12], "4" + h[12:15], "8" + h[15:18], h[18:30]}, "-")
	if !slices.ContainsFunc(a.Agents, func(have *Agent) bool { return have.ID == g.ID }) {
		a.Agents = append(a.Agents, g)
	}
	return g.ID
}

func (a *API) queried(id string, at time.Time) {
	for _, g := range a.Agents {
		if g.ID == id {
			g.Queried = at.UTC()
		}
	}
}
