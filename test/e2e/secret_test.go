package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flowbed/flowbed/test/audit"
	"github.com/flowbed/flowbed/test/e2e/moto"
	"github.com/flowbed/flowbed/test/prefecttest"
)

// The secret contains every character that some format escapes. The word in it is never
// escaped, so a search finds it in any format.
const (
	secretWord = "5entine1"
	theSecret  = `pnu_` + secretWord + `"\<&>%+/=` + secretWord
)

const secretSpec = `
variable "api_key" { sensitive = true }

environment "dev" {
  region = "us-east-1"
  tags   = { team = "data" }
  prefect {
    api_url = "%s/api"
    api_key = var.api_key
  }
  agent {
    ssh {
      cidr       = "203.0.113.7/32"
      public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dM8zQ2n8gk1d6zB1mG7p9v8kO2T0c4l5aYxJr6q7S test"
    }
  }
}
`

// hasSecret says in which form a text contains the secret, or returns "".
func hasSecret(text []byte) string {
	for _, form := range []string{secretWord, base64.StdEncoding.EncodeToString([]byte(theSecret))[:20], "NWVudGluZT"} {
		if bytes.Contains(bytes.ToLower(text), bytes.ToLower([]byte(form))) {
			return form
		}
	}
	return ""
}

// wire is a proxy between the program and AWS. It looks for the secret in every request,
// and can reject the one call that may contain it.
type wire struct {
	next http.Handler

	echo atomic.Bool // AWS rejects the secret and quotes it

	mu     sync.Mutex
	stored int // how often a call stored the secret
	leaks  []string
}

// ServeHTTP implements http.Handler.
func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	call := r.Method + " " + r.URL.String() + " " + r.Header.Get("X-Amz-Target")
	var put struct{ Name, Value, Type, Description string }
	stores := strings.HasSuffix(call, ".PutParameter") && json.Unmarshal(body, &put) == nil && put.Value == theSecret
	seen := body
	if stores {
		value, err := json.Marshal(put.Value)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		var plain bytes.Buffer // as the SDK writes it
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false)
		_ = e.Encode(put.Value) // a string always encodes
		seen = bytes.Replace(bytes.Replace(body, bytes.TrimSpace(plain.Bytes()), nil, 1), value, nil, 1)
	}
	w.mu.Lock()
	if stores {
		w.stored++
	}
	if form := hasSecret(fmt.Appendf(nil, "%s %v %s", call, r.Header, seen)); form != "" {
		w.leaks = append(w.leaks, call+" has "+form)
	}
	if stores && put.Type != "SecureString" {
		w.leaks = append(w.leaks, call+" stores a "+put.Type)
	}
	refuse := w.echo.Load() && stores
	w.mu.Unlock()
	if refuse {
		rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
		rw.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(rw, `{"__type":"ValidationException","message":%q}`, "1 validation error detected: Value '"+put.Value+"' at 'value' "+string(body))
		return
	}
	w.next.ServeHTTP(rw, r)
}

// run runs the program with the secret in its environment, and looks for the secret in its
// output and files.
func (w *wire) run(t *testing.T, dir, endpoint string, code int, args ...string) string {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "AWS_ENDPOINT_URL=" + endpoint, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=" + theSecret, "FLOWBED_VAR_api_key=" + theSecret,
	}
	said, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("flowbed %s: %v, want exit code %d\n%s", strings.Join(args, " "), err, code, said)
	}
	if form := hasSecret(said); form != "" {
		t.Errorf("flowbed %s shows %s:\n%s", strings.Join(args, " "), form, said)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if form := hasSecret(raw); form != "" || err != nil {
			t.Errorf("flowbed %s: %s has %s in it (%v)", strings.Join(args, " "), f, form, err)
		}
	}
	return string(said)
}

// TestSecretOnTheWire checks who sees the secret in the life of an environment: in AWS only
// the call that stores it, and in Prefect only the authorization header. It also checks
// that the environment passes the controls, as in the sandbox.
func TestSecretOnTheWire(t *testing.T) {
	t.Parallel()
	api := prefecttest.New()
	api.Key = theSecret
	toPrefect := &prefectWire{next: api}
	prefect := httptest.NewServer(toPrefect)
	defer prefect.Close()
	front, w, aws := wiretap(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), fmt.Appendf(nil, secretSpec, prefect.URL), 0o600); err != nil {
		t.Fatal(err)
	}

	w.run(t, dir, aws, 0, "plan", "-v")
	w.echo.Store(true)
	if said := w.run(t, dir, aws, 1, "up", "--yes", "--no-wait", "-v"); !strings.Contains(said, "(secret)") {
		t.Errorf("have output without AWS's error and (secret):\n%s", said)
	}
	w.run(t, dir, aws, 1, "up", "--yes", "--no-wait", "--json")
	w.echo.Store(false)
	w.run(t, dir, aws, 0, "up", "--yes", "--no-wait", "-v")
	for _, args := range [][]string{
		{"plan", "--json"}, {"plan", "--down", "-v"}, {"up", "--yes", "--no-wait", "--json"}, {"validate"},
		{"outputs"}, {"outputs", "--format", "json"}, {"outputs", "--format", "env"}, {"outputs", "--format", "prefect"},
	} {
		w.run(t, dir, aws, 0, args...)
	}
	found, err := audit.Look(t.Context(), front.Config("us-east-1"), front.Account, theSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found.Faults() {
		t.Error(f)
	}
	w.run(t, dir, aws, 0, "down", "--yes", "--receipt", filepath.Join(dir, "receipt.json"))

	w.mu.Lock()
	defer w.mu.Unlock()
	toPrefect.mu.Lock()
	defer toPrefect.mu.Unlock()
	if w.stored < 3 || toPrefect.sent == 0 {
		t.Errorf("have %d calls that store the secret, and %d calls to Prefect with it", w.stored, toPrefect.sent)
	}
	for _, leak := range append(w.leaks, toPrefect.leaks...) {
		t.Errorf("the secret leaked: %s", leak)
	}
}

// wiretap returns a moto account behind a wire.
func wiretap(t *testing.T) (*moto.Front, *wire, string) {
	t.Helper()
	front := account(t)
	to, err := url.Parse(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{next: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return front, w, server.URL
}

// prefectWire is the same proxy between the program and Prefect.
type prefectWire struct {
	next http.Handler

	mu    sync.Mutex
	sent  int
	leaks []string
}

// ServeHTTP implements http.Handler.
func (w *prefectWire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	header := r.Header.Clone()
	header.Del("Authorization")
	w.mu.Lock()
	if r.Header.Get("Authorization") == "Bearer "+theSecret {
		w.sent++
	}
	if form := hasSecret(fmt.Appendf(nil, "%s %v %s", r.URL, header, body)); form != "" {
		w.leaks = append(w.leaks, "Prefect: "+r.Method+" "+r.URL.Path+" has "+form)
	}
	w.mu.Unlock()
	w.next.ServeHTTP(rw, r)
}
