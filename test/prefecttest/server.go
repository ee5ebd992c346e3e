// Package prefecttest is a small Prefect API in memory, for tests.
//
// It has work pools, workers and deployment counts, and the authentication and CSRF
// protection of the real server. test/e2e has the tests against the real server.
package prefecttest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Server is the API. Tests may change its fields between calls.
type Server struct {
	Key, Auth string // that it requires; empty for none
	CSRF      bool   // requires a token for calls that may change something
	Cloud     bool   // answers 403 to calls without a key, as a Prefect Cloud workspace does

	// Fail, if set and not 0, returns the status with which a call fails.
	Fail func(r *http.Request) int

	mu          sync.Mutex
	pools       map[string]map[string]any
	workers     map[string][]map[string]any
	deployments map[string]int
	calls       []string
}

// New returns an empty server.
func New() *Server {
	return &Server{pools: map[string]map[string]any{}, workers: map[string][]map[string]any{}, deployments: map[string]int{}}
}

// RoundTrip lets the server be an HTTP transport, so that tests need no network.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

// Calls returns the calls since it was last called, as "METHOD /path".
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// SetPool creates or replaces a pool, or removes it if p is nil.
func (s *Server) SetPool(name string, p map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p == nil {
		delete(s.pools, name)
		return
	}
	p["name"] = name
	s.pools[name] = p
}

// Pool returns a copy of a pool, or nil.
func (s *Server) Pool(name string) (copied map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := json.Marshal(s.pools[name])
	if err != nil || json.Unmarshal(raw, &copied) != nil {
		panic("prefecttest: the pool is not JSON")
	}
	return copied
}

// Heartbeat adds a worker, or updates its last heartbeat.
func (s *Server) Heartbeat(pool, worker string, at time.Time, online bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := "OFFLINE"
	if online {
		status = "ONLINE"
	}
	row := map[string]any{"name": worker, "status": status, "last_heartbeat_time": at.UTC().Format(time.RFC3339Nano)}
	for i, w := range s.workers[pool] {
		if w["name"] == worker {
			s.workers[pool][i] = row
			return
		}
	}
	s.workers[pool] = append(s.workers[pool], row)
}

// Workers returns the names of a pool's workers.
func (s *Server) Workers(pool string) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers[pool] {
		names = append(names, w["name"].(string))
	}
	return names
}

// Deploy sets how many deployments use a pool.
func (s *Server) Deploy(pool string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deployments[pool] = n
}

const csrfToken = "csrf-token-of-the-server"

// ServeHTTP implements http.Handler. The API's paths may be below /api.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/api")
	s.calls = append(s.calls, r.Method+" "+path)
	if s.Fail != nil {
		if status := s.Fail(r); status != 0 {
			answer(w, status, map[string]any{"detail": "injected by the test"})
			return
		}
	}
	want := ""
	switch {
	case s.Key != "":
		want = "Bearer " + s.Key
	case s.Auth != "":
		want = "Basic " + base64.StdEncoding.EncodeToString([]byte(s.Auth))
	}
	if want != "" && r.Header.Get("Authorization") != want {
		if s.Cloud && r.Header.Get("Authorization") == "" {
			answer(w, http.StatusForbidden, map[string]any{"detail": "Not authenticated"})
			return
		}
		answer(w, http.StatusUnauthorized, map[string]any{"exception_message": "Unauthorized"})
		return
	}
	if path == "/csrf-token" {
		if !s.CSRF {
			answer(w, http.StatusUnprocessableEntity, map[string]any{"detail": "CSRF protection is disabled."})
			return
		}
		answer(w, http.StatusOK, map[string]any{"token": csrfToken, "client": r.URL.Query().Get("client")})
		return
	}
	if s.CSRF && r.Method != http.MethodGet {
		if r.Header.Get("Prefect-Csrf-Token") != csrfToken || r.Header.Get("Prefect-Csrf-Client") == "" {
			answer(w, http.StatusForbidden, map[string]any{"detail": "Missing CSRF token."})
			return
		}
	}
	s.route(w, r, strings.Split(strings.Trim(path, "/"), "/"))
}

func (s *Server) route(w http.ResponseWriter, r *http.Request, path []string) {
	body := map[string]any{}
	if raw, err := io.ReadAll(r.Body); err == nil && len(raw) > 0 {
		if json.Unmarshal(raw, &body) != nil {
			answer(w, http.StatusUnprocessableEntity, map[string]any{"detail": "Invalid request received."})
			return
		}
	}
	switch {
	case len(path) == 2 && path[0] == "admin":
		answer(w, http.StatusOK, "3.9.1")
	case len(path) == 2 && path[0] == "deployments":
		s.count(w, body)
	case path[0] == "work_pools":
		s.routePool(w, r.Method, path[1:], body)
	default:
		answer(w, http.StatusNotFound, map[string]any{"detail": "Not Found"})
	}
}

func (s *Server) routePool(w http.ResponseWriter, method string, path []string, body map[string]any) {
	switch {
	case len(path) == 0 && method == http.MethodPost:
		s.create(w, body)
	case len(path) > 0 && s.pools[path[0]] == nil:
		answer(w, http.StatusNotFound, map[string]any{"detail": "Work pool \"" + path[0] + "\" not found."})
	case len(path) == 1:
		s.pool(w, method, path[0], body)
	case len(path) == 3 && path[1] == "workers":
		s.worker(w, method, path[0], path[2], body)
	default:
		answer(w, http.StatusNotFound, map[string]any{"detail": "Not Found"})
	}
}

func (s *Server) count(w http.ResponseWriter, body map[string]any) {
	n := 0
	pools, _ := body["work_pools"].(map[string]any)
	name, _ := pools["name"].(map[string]any)
	list, _ := name["any_"].([]any)
	for _, p := range list {
		text, _ := p.(string)
		n += s.deployments[text]
	}
	answer(w, http.StatusOK, n)
}

func (s *Server) create(w http.ResponseWriter, body map[string]any) {
	name, _ := body["name"].(string)
	template, _ := body["base_job_template"].(map[string]any)
	switch {
	case strings.HasPrefix(strings.ToLower(name), "prefect"):
		answer(w, http.StatusForbidden, map[string]any{"detail": "Work pools starting with 'Prefect' are reserved for internal use."})
	case s.pools[name] != nil:
		answer(w, http.StatusConflict, map[string]any{"detail": "A work pool with this name already exists."})
	case template["variables"] == nil || template["job_configuration"] == nil:
		answer(w, http.StatusUnprocessableEntity, map[string]any{"exception_detail": []any{
			map[string]any{"loc": []any{"body", "base_job_template"}, "msg": "needs both keys"},
		}})
	default:
		body["is_paused"], body["status"] = false, "NOT_READY"
		s.pools[name] = body
		answer(w, http.StatusCreated, body)
	}
}

func (s *Server) pool(w http.ResponseWriter, method, name string, body map[string]any) {
	switch method {
	case http.MethodGet:
		answer(w, http.StatusOK, s.pools[name])
	case http.MethodPatch:
		for k, v := range body {
			s.pools[name][k] = v
		}
		w.WriteHeader(http.StatusNoContent)
	case http.MethodDelete:
		delete(s.pools, name)
		delete(s.workers, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, http.StatusMethodNotAllowed, map[string]any{"detail": "Method Not Allowed"})
	}
}

func (s *Server) worker(w http.ResponseWriter, method, pool, name string, body map[string]any) {
	rows := s.workers[pool]
	if method == http.MethodPost && name == "filter" {
		offset, _ := body["offset"].(float64)
		limit, _ := body["limit"].(float64)
		from := min(int(offset), len(rows))
		page := rows[from:min(from+int(limit), len(rows))]
		answer(w, http.StatusOK, append([]map[string]any{}, page...))
		return
	}
	for i, row := range rows {
		if row["name"] == name && method == http.MethodDelete {
			s.workers[pool] = append(rows[:i:i], rows[i+1:]...)
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	answer(w, http.StatusNotFound, map[string]any{"detail": "Worker not found."})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
