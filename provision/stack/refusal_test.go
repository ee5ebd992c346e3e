package stack_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/prefecttest"
)

// TestRefusals: what is wrong with the API is known before anything is built.
func TestRefusals(t *testing.T) {
	locked := prefecttest.New()
	locked.Auth = "flow:another-password"
	push := prefecttest.New()
	push.SetPool("flowbed-dev", map[string]any{"type": "ecs:push", "base_job_template": map[string]any{}})
	for _, c := range []struct {
		name    string
		handler http.Handler
		tls     bool
		prefect string // the block, with %s for the server
		class   error
		want    string
	}{
		{"wrong user and password", locked, false, "auth_string = \"flow:bed-of-flows\"\napi_url = \"%s/api\"", prefect.ErrUnauthorized, "check auth_string"},
		{"no key", locked, false, `api_url = "%s/api"`, prefect.ErrUnauthorized, "requires authentication"},
		{"push pool", push, false, `api_url = "%s/api"`, nil, "set another work_pool"},
		{"unknown authority", prefecttest.New(), true, `api_url = "%s/api"`, prefect.ErrUnreachable, "set ca_file"},
		{"no API", http.NotFoundHandler(), false, `api_url = "%s/api"`, prefect.ErrUnreachable, "the api_url of a server ends in /api"},
		{"no tenant", graphQL(`{"data":{"tenant":[]}}`), false, "version = \"1.4.1\"\napi_url = \"%s\"", nil, "create-tenant"},
		{"wrong token", graphQL(`{"errors":[{"message":"Unauthenticated"}]}`), false,
			"version = \"0.14.22\"\napi_key = \"tok_0123456789\"\napi_url = \"%s\"", prefect.ErrUnauthorized, "Unauthenticated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(c.handler)
			if server.Start(); c.tls {
				server.Close()
				server = httptest.NewTLSServer(c.handler)
			}
			defer server.Close()
			account := sandbox.New()
			text := "environment \"dev\" {\nagent {}\nprefect {\n" + fmt.Sprintf(c.prefect, server.URL) + "\n}\n}"
			s := build(t, account, text, stack.Options{})
			p, err := s.Graph.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			planned, ran := p.Err(), s.Graph.Up(t.Context())
			for verb, err := range map[string]error{"plan": planned, "up": ran} {
				if err == nil || !strings.Contains(err.Error(), c.want) || c.class != nil && !errors.Is(err, c.class) {
					t.Errorf("%s: have %v, want %q", verb, err, c.want)
				}
			}
			if w := account.Writes(); len(w) > 0 {
				t.Errorf("something was built: %v", w)
			}
		})
	}
}

// TestPrivateCA reaches a server whose certificate a private authority signed.
func TestPrivateCA(t *testing.T) {
	api := httptest.NewTLSServer(prefecttest.New())
	defer api.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	text := fmt.Sprintf("environment \"dev\" {\nagent {}\nprefect {\napi_url = \"%s/api\"\nca_file = <<EOT\n%sEOT\n}\n}", api.URL, ca)
	p, err := build(t, sandbox.New(), text, stack.Options{}).Graph.Plan(t.Context())
	if err != nil || p.Err() != nil {
		t.Errorf("have %v, %v", err, p.Err())
	}
}
