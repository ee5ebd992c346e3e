// Package prefecttest is the sandbox's Prefect API as an HTTP server, for tests.
//
// Tests see its calls, make them fail, and change its data. test/e2e has the tests
// against the real server.
package prefecttest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/prefectapi"
)

// Server is the API. Tests may change its fields between calls.
type Server struct {
	Key, Auth string // that it requires; empty for none
	CSRF      bool   // requires a token for calls that may change something
	Cloud     bool   // answers 403 to calls without a key, as a Prefect Cloud workspace does

	// Fail, if set and not 0, returns the status with which a call fails.
	Fail func(r *http.Request) int

	mu    sync.Mutex
	api   prefectapi.API
	calls []string
}

// New returns an empty server.
func New() *Server { return &Server{} }

// RoundTrip lets the server be an HTTP transport, so that tests need no network.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	return s.answer(r).Response(r), nil
}

// ServeHTTP implements http.Handler. The API's paths may be below /api.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := s.answer(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.JSON())
}

func (s *Server) answer(r *http.Request) prefectapi.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/api")
	s.calls = append(s.calls, r.Method+" "+path)
	if s.Fail != nil {
		if status := s.Fail(r); status != 0 {
			return prefectapi.Answer{Status: status, Body: map[string]any{"detail": "injected by the test"}}
		}
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return prefectapi.Answer{Status: http.StatusBadRequest}
		}
	}
	door := prefectapi.Door{CSRF: s.CSRF, Cloud: s.Cloud}
	switch {
	case s.Key != "":
		door.Admits = func(secret string) bool { return secret == s.Key }
	case s.Auth != "":
		door.Admits = func(secret string) bool { return secret == s.Auth }
	}
	return s.api.Answer(prefectapi.Call{
		Method: r.Method, Path: strings.TrimSuffix(path, "/"), Query: r.URL.Query(), Header: r.Header, Body: body, Now: time.Now(),
	}, door)
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
		delete(s.api.Pools, name)
		return
	}
	p["name"] = name
	if s.api.Pools == nil {
		s.api.Pools = map[string]map[string]any{}
	}
	s.api.Pools[name] = p
}

// Pool returns a copy of a pool, or nil.
func (s *Server) Pool(name string) (copied map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := json.Marshal(s.api.Pools[name])
	if err != nil || json.Unmarshal(raw, &copied) != nil {
		panic("prefecttest: the pool is not JSON")
	}
	return copied
}

// HeartbeatOf reports the worker of the bench environment, whose agent's instance the JSON
// output of `flowbed outputs` names: where nothing boots the instance, it cannot report by itself.
func (s *Server) HeartbeatOf(outputs []byte) error {
	var shown struct {
		Outputs struct {
			Instance string `json:"instance_id"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal(outputs, &shown); err != nil {
		return fmt.Errorf("read the outputs: %w", err)
	}
	s.Heartbeat("flowbed-bench", "bench-"+shown.Outputs.Instance, time.Now(), true)
	return nil
}

// Heartbeat adds a worker, or updates its last heartbeat. Its status does not change
// with time.
func (s *Server) Heartbeat(pool, worker string, at time.Time, online bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := "OFFLINE"
	if online {
		status = "ONLINE"
	}
	s.api.Beat(pool, prefectapi.Worker{Name: worker, Heartbeat: at, Status: status})
}

// Workers returns the names of a pool's workers.
func (s *Server) Workers(pool string) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.api.Workers[pool] {
		names = append(names, w.Name)
	}
	return names
}

// Deploy sets how many deployments use a pool. They are named etl/d1, etl/d2 and so on.
func (s *Server) Deploy(pool string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.api.Deploy(pool, n, time.Now())
}
