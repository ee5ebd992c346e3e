package prefect_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowbed/flowbed/provision/prefect"
)

// server1 answers GraphQL queries, by a word in them.
func server1(t *testing.T, answers map[string]string) *prefect.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var in struct{ Query string }
		if err != nil || json.Unmarshal(raw, &in) != nil || r.URL.Path != "/" || r.Method != http.MethodPost {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		for word, text := range answers {
			if strings.Contains(in.Query, word) {
				_, _ = io.WriteString(w, text)
				return
			}
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	t.Cleanup(s.Close)
	c, err := prefect.New(prefect.Config{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAgents(t *testing.T) {
	c := server1(t, map[string]string{
		"agent {": `{"data": {"agent": [
			{"id": "a-1", "name": "dev-i-1", "type": "ECSAgent", "core_version": "1.4.1", "labels": ["x"], "last_queried": "2021-05-01T10:00:00.123456+00:00"},
			{"id": "a-2", "name": "never", "type": "ECSAgent", "core_version": "1.4.1", "labels": [], "last_queried": null}]}}`,
		"delete_agent": `{"data": {"delete_agent": {"success": true}}}`,
		"tenant {":     `{"data": {"tenant": [{"id": "t-1"}]}}`,
	})
	agents, err := c.Agents(t.Context())
	if err != nil || len(agents) != 2 {
		t.Fatalf("%v, %v", agents, err)
	}
	a := agents[0]
	if a.Name != "dev-i-1" || !a.Alive(a.Queried.Add(50*time.Second)) || a.Alive(a.Queried.Add(2*time.Minute)) || agents[1].Alive(time.Now()) {
		t.Errorf("%+v", agents)
	}
	if n, err := c.Tenants(t.Context()); n != 1 || err != nil {
		t.Errorf("%d tenants, %v", n, err)
	}
	if err := c.DeleteAgent(t.Context(), "a-1"); err != nil {
		t.Error(err)
	}
}

func TestAgentsErrors(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		class  error
		want   string
	}{
		"a word of the server": {`{"errors": [{"message": "database is down"}], "data": null}`, nil, "database is down"},
		"authentication":       {`{"errors": [{"message": "Unauthenticated"}]}`, prefect.ErrUnauthorized, "Unauthenticated"},
		"another server":       {`{"hello": 1}`, prefect.ErrUnreachable, "not from a Prefect Server"},
		"no server":            {`<html>`, prefect.ErrUnreachable, "not from a Prefect API"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server1(t, map[string]string{"agent {": c.answer}).Agents(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || c.class != nil && !errors.Is(err, c.class) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestSecretVariable(t *testing.T) {
	for _, c := range []struct {
		version string
		auth    bool
		want    string
	}{
		{"3.9.1", false, "PREFECT_API_KEY"},
		{"3.9.1", true, "PREFECT_API_AUTH_STRING"},
		{"2.20.0", false, "PREFECT_API_KEY"},
		{"1.4.1", false, "PREFECT__CLOUD__API_KEY"},
		{"0.15.0", false, "PREFECT__CLOUD__API_KEY"},
		{"0.14.22", false, "PREFECT__CLOUD__AGENT__AUTH_TOKEN"},
	} {
		v, err := prefect.ParseVersion(c.version)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.SecretVariable(c.auth); got != c.want {
			t.Errorf("%s: %s", c.version, got)
		}
	}
}
