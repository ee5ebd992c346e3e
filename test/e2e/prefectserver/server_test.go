package prefectserver

import (
	"net/http"
	"testing"

	"github.com/flowbed/flowbed/test/e2e/able"
)

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func TestServerGuarded(t *testing.T) {
	able.Slow(t)
	s := start(t, Options{Auth: "admin:pass word", CSRF: true})
	pool := map[string]any{"name": "p", "type": "ecs"}
	if status, answer, err := s.Call(t.Context(), http.MethodPost, "/work_pools/", pool); err != nil || status != http.StatusCreated {
		t.Fatalf("create a pool: %d, %v: %s", status, err, answer)
	}
	if list, err := s.Workers(t.Context(), "p"); err != nil || len(list) != 0 {
		t.Errorf("workers of a new pool: have %v, %v, want none", list, err)
	}

	open := *s
	open.CSRF = false
	if status, _, err := open.Call(t.Context(), http.MethodPost, "/work_pools/", pool); err != nil || status != http.StatusForbidden {
		t.Errorf("without a CSRF token: have %d, %v, want 403", status, err)
	}
	open.Auth = "admin:wrong"
	if status, _, err := open.Call(t.Context(), http.MethodGet, "/work_pools/p", nil); err != nil || status != http.StatusUnauthorized {
		t.Errorf("with a wrong password: have %d, %v, want 401", status, err)
	}
}
