package prefect_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/prefect"
)

// TestEcho: an API that repeats all that it was sent, in every form and at every
// length, does not make the client show the secret, nor a part of it.
func TestEcho(t *testing.T) {
	const word = "5entine1"
	for _, c := range []prefect.Config{{APIKey: `pnu_` + word + `"\<&>` + word}, {AuthString: `user:` + word + `"\ <&>` + word}} {
		for pad := range 300 {
			c.Transport = echo(pad)
			c.URL = "http://prefect.example/api"
			api, err := prefect.New(c)
			if err != nil {
				t.Fatal(err)
			}
			_, err = api.ReadPool(t.Context(), "flows")
			if err == nil || !strings.Contains(err.Error(), "422") || pad < 200 && !strings.Contains(err.Error(), "(secret)") {
				t.Fatalf("have %v", err)
			}
			if strings.Contains(err.Error(), word[:4]) || strings.Contains(err.Error(), "NWVudG") {
				t.Fatalf("pad %d: %v", pad, err)
			}
		}
	}
}

// echo answers with what it was sent, and so many letters before it.
type echo int

// RoundTrip implements http.RoundTripper.
func (e echo) RoundTrip(r *http.Request) (*http.Response, error) {
	kind, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	body, err := json.Marshal(map[string]string{"detail": strings.Repeat("x", int(e)) + " " + kind + " " + secret})
	return &http.Response{StatusCode: http.StatusUnprocessableEntity, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body))), Request: r}, err
}

// TestRedirection: the key does not follow to another host, nor out of TLS.
func TestRedirection(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	for _, to := range []string{other.URL, "same host"} {
		var server *httptest.Server
		server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to == "same host" {
				http.Redirect(w, r, strings.Replace(server.URL, "https", "http", 1), http.StatusTemporaryRedirect)
				return
			}
			http.Redirect(w, r, to, http.StatusMovedPermanently)
		}))
		api, err := prefect.New(prefect.Config{URL: server.URL, APIKey: "pnu_0123456789", Transport: server.Client().Transport})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := api.ReadPool(t.Context(), "flows"); err == nil || !strings.Contains(hintOf(err), "the API has moved") {
			t.Errorf("%s: %v", to, err)
		}
		server.Close()
	}
	if asked > 0 {
		t.Error("the other host was asked")
	}
}
