//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// server1 stands in for a Prefect 1 Server, which can no longer be installed. It answers
// the queries of agents and of flowbed, has one run for an agent, and records unknown
// queries.
type server1 struct {
	URL  string
	Port int

	mu       sync.Mutex
	key      string // that it requires, as Prefect Cloud did; empty for a Server
	agents   []agent1
	taken    bool     // an agent has taken the run
	messages []string // of the run's log
	unknown  []string // queries
}

type agent1 struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Type    string    `json:"type"`
	Version string    `json:"core_version"`
	Labels  []string  `json:"labels"`
	Queried time.Time `json:"last_queried"`
}

const (
	tenant1 = "0f0e4d2c-0000-4000-8000-00000000000a"
	run1    = "0f0e4d2c-0000-4000-8000-00000000000b"
)

func newServer1(t *testing.T, key string) *server1 {
	t.Helper()
	s := &server1{key: key}
	l := httptest.NewServer(s)
	t.Cleanup(l.Close)
	u, err := url.Parse(l.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.URL = l.URL
	if s.Port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	return s
}

// seen returns the agents that have reported.
func (s *server1) seen() []agent1 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.agents)
}

// log returns what the agents wrote to the log of the run, and the unknown queries.
func (s *server1) log() (messages, unknown []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages), slices.Clone(s.unknown)
}

// ServeHTTP answers GraphQL at the root.
func (s *server1) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Query     string          `json:"query"`
		Variables json.RawMessage `json:"variables"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.URL.Path != "/" {
		http.Error(w, r.URL.Path+": "+fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	var text string // older clients send the variables as a JSON string
	if json.Unmarshal(q.Variables, &text) == nil && text != "" {
		q.Variables = json.RawMessage(text)
	}
	var in struct {
		Input map[string]any `json:"input"`
	}
	_ = json.Unmarshal(q.Variables, &in) // null in a query without variables
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]any{}
	if s.key != "" && r.Header.Get("Authorization") != "Bearer "+s.key {
		out["errors"] = []any{map[string]string{"message": "Unauthenticated"}}
	} else {
		out["data"] = s.answer(r.Header, strings.Join(strings.Fields(q.Query), " "), in.Input)
	}
	_ = json.NewEncoder(w).Encode(out) // the agent may be gone
}

func (s *server1) answer(h http.Header, query string, in map[string]any) map[string]any {
	has := func(name string) bool { return strings.Contains(query, name) }
	switch {
	case has("register_agent("):
		return map[string]any{"register_agent": map[string]string{"id": s.register(h, in)}}
	case has("get_runs_in_queue("):
		return map[string]any{"get_runs_in_queue": map[string]any{"flow_run_ids": s.queue(h)}}
	case has("delete_agent("):
		s.agents = slices.DeleteFunc(s.agents, func(a agent1) bool { return a.ID == in["agent_id"] })
		return map[string]any{"delete_agent": map[string]bool{"success": true}}
	case has("set_flow_run_states("):
		s.taken = true
		return map[string]any{"set_flow_run_states": map[string]any{"states": []any{map[string]any{"id": run1, "status": "SUCCESS", "message": nil}}}}
	case has("write_run_logs("):
		s.messages = append(s.messages, fmt.Sprint(in["logs"]))
		return map[string]any{"write_run_logs": map[string]bool{"success": true}}
	case has("flow_run("):
		return map[string]any{"flow_run": []any{flowRun1()}}
	case has("auth_info"):
		return map[string]any{"auth_info": map[string]string{"tenant_id": tenant1, "api_token_scope": "RUNNER"}}
	case has("{ tenant {"):
		return map[string]any{"tenant": []any{map[string]string{"id": tenant1}}}
	case has("{ agent {"):
		return map[string]any{"agent": s.agents}
	case has("hello"):
		return map[string]any{"hello": "hello"}
	}
	s.unknown = append(s.unknown, query)
	return nil
}

func (s *server1) register(h http.Header, in map[string]any) string {
	a := agent1{
		ID:   fmt.Sprintf("0f0e4d2c-0000-4000-8000-%012d", len(s.agents)+1),
		Name: fmt.Sprint(in["name"]), Type: fmt.Sprint(in["type"]), Version: h.Get("X-Prefect-Core-Version"),
	}
	labels, _ := in["labels"].([]any)
	for _, l := range labels {
		a.Labels = append(a.Labels, fmt.Sprint(l))
	}
	s.agents = append(s.agents, a)
	return a.ID
}

// queue returns the runs for an agent. The query also shows that the agent is alive.
func (s *server1) queue(h http.Header) []string {
	for i, a := range s.agents {
		if a.ID == h.Get("X-Prefect-Agent-Id") {
			s.agents[i].Queried = time.Now()
		}
	}
	if s.taken {
		return []string{}
	}
	return []string{run1}
}

// flowRun1 returns a run in the format that agents receive.
func flowRun1() map[string]any {
	return map[string]any{
		"id": run1, "name": "first", "version": 1, "state": "Scheduled", "parameters": map[string]any{}, "task_runs": []any{},
		"scheduled_start_time": "2026-01-01T00:00:00+00:00",
		"serialized_state":     map[string]any{"type": "Scheduled", "__version__": "1.4.1", "start_time": "2026-01-01T00:00:00+00:00"},
		"run_config":           map[string]any{"type": "ECSRun", "__version__": "1.4.1", "image": "example/flow:1", "labels": []string{}},
		"flow": map[string]any{
			"id": "flow", "name": "hello", "version": 1, "core_version": "1.4.1", "environment": nil,
			"storage": map[string]any{"type": "S3", "__version__": "1.4.1", "bucket": "flows", "key": "hello", "flows": map[string]any{}, "secrets": []any{}},
		},
	}
}
