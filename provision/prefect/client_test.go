package prefect_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/test/nobody"
	"github.com/flowbed/flowbed/test/prefecttest"
)

func client(t *testing.T, s *prefecttest.Server, edit func(*prefect.Config)) *prefect.Client {
	t.Helper()
	c := prefect.Config{URL: "http://prefect.test/api", Transport: s}
	if edit != nil {
		edit(&c)
	}
	p, err := prefect.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newPool(name string) prefect.NewPool {
	return prefect.NewPool{Name: name, Type: "ecs", Template: prefect.Base(prefect.Worker3)}
}

func TestPoolLife(t *testing.T) {
	for name, c := range map[string]struct {
		server func(*prefecttest.Server)
		config func(*prefect.Config)
	}{
		"open":  {},
		"key":   {func(s *prefecttest.Server) { s.Key = "pnu_1" }, func(c *prefect.Config) { c.APIKey = "pnu_1" }},
		"basic": {func(s *prefecttest.Server) { s.Auth = "admin:pass" }, func(c *prefect.Config) { c.AuthString = "admin:pass" }},
		"csrf":  {func(s *prefecttest.Server) { s.CSRF = true }, nil},
		"all":   {func(s *prefecttest.Server) { s.CSRF, s.Auth = true, "a:b" }, func(c *prefect.Config) { c.AuthString = "a:b" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := prefecttest.New()
			if c.server != nil {
				c.server(s)
			}
			p, ctx := client(t, s, c.config), t.Context()
			if _, err := p.ReadPool(ctx, "dev"); !errors.Is(err, prefect.ErrNotFound) {
				t.Fatalf("absent pool: %v", err)
			}
			if err := p.CreatePool(ctx, newPool("dev")); err != nil {
				t.Fatal(err)
			}
			if err := p.CreatePool(ctx, newPool("dev")); !errors.Is(err, prefect.ErrConflict) {
				t.Fatalf("second pool: %v", err)
			}
			if err := p.EditPool(ctx, "dev", prefect.PoolEdit{Limit: new(3)}); err != nil {
				t.Fatal(err)
			}
			have, err := p.ReadPool(ctx, "dev")
			if err != nil || have.Type != "ecs" || have.Limit == nil || *have.Limit != 3 {
				t.Fatalf("%+v, %v", have, err)
			}
			if diff := cmp.Diff(prefect.Base(prefect.Worker3), have.Template); diff != "" {
				t.Errorf("the template changed on its way:\n%s", diff)
			}
			s.Heartbeat("dev", "w", time.Now(), true)
			s.Deploy("dev", 2)
			if w, err := p.Workers(ctx, "dev"); err != nil || len(w) != 1 || w[0].Status != "ONLINE" || w[0].Heartbeat.IsZero() {
				t.Errorf("workers %v, %v", w, err)
			}
			if n, err := p.Deployments(ctx, "dev"); err != nil || n != 2 {
				t.Errorf("%d deployments, %v", n, err)
			}
			if v, err := p.Version(ctx); err != nil || v != "3.9.1" {
				t.Errorf("version %q, %v", v, err)
			}
			for range 2 { // the second time it is gone already
				if err := p.DeleteWorker(ctx, "dev", "w"); err != nil {
					t.Error(err)
				}
			}
			for range 2 {
				if err := p.DeletePool(ctx, "dev"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestWorkersPages(t *testing.T) {
	s := prefecttest.New()
	p := client(t, s, nil)
	if err := p.CreatePool(t.Context(), newPool("dev")); err != nil {
		t.Fatal(err)
	}
	for i := range 450 {
		s.Heartbeat("dev", "w"+strings.Repeat("x", i), time.Now(), false)
	}
	if w, err := p.Workers(t.Context(), "dev"); err != nil || len(w) != 450 {
		t.Errorf("%d workers, %v", len(w), err)
	}
}

func TestErrors(t *testing.T) {
	const key = "pnu_very-secret"
	html := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>hello</html>")) }
	for name, c := range map[string]struct {
		handler http.Handler
		config  func(*prefect.Config)
		class   error
		want    string
		hint    string
	}{
		"wrong key": {
			&prefecttest.Server{Key: "other"}, func(c *prefect.Config) { c.APIKey = key },
			prefect.ErrUnauthorized, "401 Unauthorized: Unauthorized", "the API refuses the key: check api_key",
		},
		"wrong password": {
			&prefecttest.Server{Auth: "other"}, func(c *prefect.Config) { c.AuthString = key },
			prefect.ErrUnauthorized, "401 Unauthorized", "the API refuses the user and password: check auth_string",
		},
		"no secret": {
			&prefecttest.Server{Auth: "other"}, nil,
			prefect.ErrUnauthorized, "401 Unauthorized", "set api_key for Prefect Cloud, or auth_string for your own server",
		},
		"no access": {
			&prefecttest.Server{Key: "other", Cloud: true}, nil,
			prefect.ErrUnauthorized, "403 Forbidden: Not authenticated", "check that the key has access to this workspace",
		},
		"a web page":    {http.HandlerFunc(html), nil, prefect.ErrUnreachable, "the answer is not from a Prefect API", "check api_url"},
		"another place": {http.NotFoundHandler(), nil, prefect.ErrUnreachable, "404 Not Found", "there is no Prefect API at this URL"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			config := prefect.Config{URL: server.URL + "/api/"}
			if c.config != nil {
				c.config(&config)
			}
			p, err := prefect.New(config)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.ReadPool(t.Context(), "dev")
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if hint := hintOf(err); !strings.Contains(hint, c.hint) || strings.Contains(hint, key) {
				t.Errorf("got the hint %q, want %q", hint, c.hint)
			}
			if err != nil && strings.Contains(err.Error(), key) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// hintOf is the hint of an error of the API.
func hintOf(err error) string {
	if e, ok := errors.AsType[*prefect.Error](err); ok {
		return e.Hint()
	}
	return ""
}

func TestUnreachable(t *testing.T) {
	p, err := prefect.New(prefect.Config{URL: nobody.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.ReadPool(t.Context(), "dev")
	if !errors.Is(err, prefect.ErrUnreachable) || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(hintOf(err), "check api_url") {
		t.Errorf("%v", err)
	}
}

func TestValidationError(t *testing.T) {
	p := client(t, prefecttest.New(), nil)
	err := p.CreatePool(t.Context(), prefect.NewPool{Name: "dev", Type: "ecs"})
	if err == nil || !strings.Contains(err.Error(), "422 Unprocessable Entity: needs both keys") {
		t.Errorf("%v", err)
	}
}

func TestPrivateCA(t *testing.T) {
	server := httptest.NewUnstartedServer(prefecttest.New())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the client that does not trust it
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for _, c := range []struct {
		ca   []byte
		want string
	}{{nil, "set ca_file"}, {ca, "not found"}} {
		p, err := prefect.New(prefect.Config{URL: server.URL, CA: c.ca})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = p.ReadPool(t.Context(), "dev"); err == nil || !strings.Contains(err.Error()+hintOf(err), c.want) {
			t.Errorf("got %v with the hint %q, want %q", err, hintOf(err), c.want)
		}
	}
	if _, err := prefect.New(prefect.Config{URL: server.URL, CA: []byte("nothing")}); err == nil {
		t.Error("a CA file without a certificate")
	}
}

// TestRetries counts the tries, and the time between them, for each kind of answer.
func TestRetries(t *testing.T) {
	for _, c := range []struct {
		status, times int // the first answers
		calls         int
		waited        time.Duration
		ok            bool
	}{
		{429, 1, 2, 300 * time.Millisecond, true},
		{503, 2, 3, 1200 * time.Millisecond, true},
		{500, 9, 3, 1200 * time.Millisecond, false},
		{400, 1, 1, 0, false},
		{401, 1, 1, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := prefecttest.New()
			s.SetPool("dev", map[string]any{"type": "ecs"})
			left := c.times
			s.Fail = func(*http.Request) int {
				if left--; left >= 0 {
					return c.status
				}
				return 0
			}
			begun := time.Now()
			_, err := client(t, s, nil).ReadPool(t.Context(), "dev")
			if err != nil && prefect.Retry(err) != (c.status == 500) {
				t.Errorf("%d: Retry is %v", c.status, prefect.Retry(err))
			}
			if (err == nil) != c.ok || len(s.Calls()) != c.calls || time.Since(begun) != c.waited {
				t.Errorf("%d: %v after %v", c.status, err, time.Since(begun))
			}
		})
	}
}

// TestGuard: a guard that has had enough stops writes, also between two attempts, and lets
// reads pass.
func TestGuard(t *testing.T) {
	enough := errors.New("enough")
	for name, c := range map[string]struct {
		call   func(context.Context, *prefect.Client) error
		writes bool
	}{
		"read pool":    {func(ctx context.Context, p *prefect.Client) error { _, err := p.ReadPool(ctx, "dev"); return err }, false},
		"list workers": {func(ctx context.Context, p *prefect.Client) error { _, err := p.Workers(ctx, "dev"); return err }, false},
		"count":        {func(ctx context.Context, p *prefect.Client) error { _, err := p.Deployments(ctx, "dev"); return err }, false},
		"create pool":  {func(ctx context.Context, p *prefect.Client) error { return p.CreatePool(ctx, newPool("dev")) }, true},
		"change pool":  {func(ctx context.Context, p *prefect.Client) error { return p.EditPool(ctx, "dev", prefect.PoolEdit{}) }, true},
		"delete pool":  {func(ctx context.Context, p *prefect.Client) error { return p.DeletePool(ctx, "dev") }, true},
		"create queue": {func(ctx context.Context, p *prefect.Client) error { return p.CreateQueue(ctx, "dev", "q") }, true},
		"worker's row": {func(ctx context.Context, p *prefect.Client) error { return p.DeleteWorker(ctx, "dev", "w") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent, asked := 0, 0
				down := roundTrip(func(r *http.Request) (*http.Response, error) {
					sent++
					return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
				})
				p := client(t, nil, func(cfg *prefect.Config) {
					cfg.Transport = down
					cfg.Guard = func() error {
						if asked++; asked > 2 {
							return enough
						}
						return nil
					}
				})
				err := c.call(t.Context(), p)
				if want := map[bool]int{true: 2, false: 3}[c.writes]; sent != want || errors.Is(err, enough) != c.writes {
					t.Errorf("have %d attempts and %v, want %d, stopped: %t", sent, err, want, c.writes)
				}
			})
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCSRFTokenIsFetchedOnce(t *testing.T) {
	s := prefecttest.New()
	s.CSRF = true
	p := client(t, s, nil)
	for _, name := range []string{"a", "b"} {
		if err := p.CreatePool(t.Context(), newPool(name)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"POST /work_pools/", "GET /csrf-token", "POST /work_pools/", "POST /work_pools/"}
	if got := s.Calls(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []prefect.Config{
		{URL: ""}, {URL: "prefect.test/api"}, {URL: "ftp://prefect.test"},
		{URL: "http://prefect.test", APIKey: "a", AuthString: "b"},
	} {
		if _, err := prefect.New(c); err == nil {
			t.Errorf("%+v", c)
		}
	}
}
