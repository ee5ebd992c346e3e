package prefectapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/sandbox/prefectapi"
	"github.com/flowbed/flowbed/test/try"
)

func client(a *sandbox.Account, apiURL, key string) *prefect.Client {
	return try.Must(prefect.New(prefect.Config{URL: apiURL, APIKey: key, Transport: sandbox.Prefect(a)}))
}

// TestTransport makes calls to URLs at which there is no API.
func TestTransport(t *testing.T) {
	client := &http.Client{Transport: sandbox.Prefect(sandbox.New())}
	for url, want := range map[string]string{
		"https://prefect.example.com/api/health":                               "200",
		"https://prefect.example.com/health":                                   "404",
		"https://api.prefect.cloud/api/work_pools/x":                           "404",
		"https://api.prefect.cloud/api/accounts/a/workspaces/b/health":         "403",
		"https://api.private.prefect.cloud/api/accounts/a/workspaces/b/health": "403",
		"https://prefect.example.com/prefix/api/admin/version":                 "200",
		"https://prefect.invalid/api/health":                                   "no such host",
		"https://wrong:password@prefect.example.com/api/work_pools/missing":    "401",
	} {
		req := try.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))
		res, err := client.Do(req)
		have := fmt.Sprint(err)
		if err == nil {
			have = res.Status
			try.OK(res.Body.Close())
		}
		if !strings.Contains(have, want) {
			t.Errorf("%s: have %s, want %s", url, have, want)
		}
	}
}

// TestSecrets checks which secrets each kind of API accepts.
func TestSecrets(t *testing.T) {
	const cloud, own = "https://api.prefect.cloud/api/accounts/a/workspaces/b", "https://prefect.example.com/api"
	for _, c := range []struct {
		api, key string
		ok       bool
	}{
		{cloud, "pnu_1", true}, {cloud, "pnb_1", true}, {cloud, "pnu_wrong", false}, {cloud, "other", false}, {cloud, "", false},
		{own, "pnu_1", true}, {own, "anything", true}, {own, "", true}, {own, "something wrong", false},
	} {
		if _, err := client(sandbox.New(), c.api, c.key).Version(t.Context()); (err == nil) != c.ok {
			t.Errorf("%s with the key %q: have %v", c.api, c.key, err)
		}
	}
}

// TestKept saves an account and loads it again: each URL has its own pools, and a read
// alone leaves no API behind.
func TestKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.json")
	a := try.Must(sandbox.Load(path))
	a.Keep = path
	const one, two = "https://one.example.com/api", "https://two.example.com/api"
	if _, err := client(a, one, "k").Workers(t.Context(), "p"); err == nil {
		t.Error("a pool that does not exist has workers")
	}
	if _, err := os.Stat(path); err == nil || len(a.Inventory()) > 0 {
		t.Errorf("after a read: have the file, or %v", a.Inventory())
	}
	pool := prefect.NewPool{Name: "p", Type: "ecs", Template: prefect.Base(prefect.Worker3)}
	try.OK(client(a, one, "key-of-the-user").CreatePool(t.Context(), pool))
	if text := string(try.Must(os.ReadFile(path))); strings.Contains(text, "key-of-the-user") {
		t.Error("the file has the key in it")
	}
	b := try.Must(sandbox.Load(path))
	if _, err := client(b, one, "").ReadPool(t.Context(), "p"); err != nil {
		t.Error(err)
	}
	if _, err := client(b, two, "").ReadPool(t.Context(), "p"); err == nil {
		t.Error("another URL has the same pool")
	}
	try.OK(client(b, one, "").DeletePool(t.Context(), "p"))
	if have := b.Inventory(); len(have) > 0 {
		t.Errorf("after the deletion: have %v", have)
	}
}

// TestOffline checks that a worker is offline 90 seconds after its last heartbeat, and the
// pool's status with it.
func TestOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &prefectapi.API{}
		call := func(method, path, body string) (v any) {
			t.Helper()
			a := api.Answer(prefectapi.Call{Method: method, Path: path, Query: url.Values{}, Header: http.Header{}, Body: []byte(body), Now: time.Now()}, prefectapi.Door{})
			if a.Status >= 300 {
				t.Fatalf("%s %s: have %d %s", method, path, a.Status, a.JSON())
			}
			if text := a.JSON(); len(text) > 0 {
				try.OK(json.Unmarshal(text, &v))
			}
			return v
		}
		call("POST", "/work_pools", `{"name": "p", "type": "ecs"}`)
		status := func() string {
			list := call("POST", "/work_pools/p/workers/filter", "{}").([]any)
			return fmt.Sprint(list[0].(map[string]any)["status"], " ", call("GET", "/work_pools/p", "").(map[string]any)["status"])
		}
		call("POST", "/work_pools/p/workers/heartbeat", `{"name": "w"}`)
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, "ONLINE READY"}, {90 * time.Second, "ONLINE READY"}, {time.Second, "OFFLINE NOT_READY"}} {
			time.Sleep(step.after)
			if have := status(); have != step.want {
				t.Errorf("%s later: have %s, want %s", step.after, have, step.want)
			}
		}
		call("PATCH", "/work_pools/p", `{"is_paused": true}`)
		if have := status(); have != "OFFLINE PAUSED" {
			t.Errorf("paused: have %s", have)
		}
	})
}
