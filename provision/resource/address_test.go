package resource_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/resource"
)

func TestAddress(t *testing.T) {
	for _, c := range []struct{ env, answer, want, fails string }{
		{"", "203.0.113.9\n", "203.0.113.9/32", ""},
		{"", "2001:db8::7", "2001:db8::7/128", ""},
		{"", "::ffff:203.0.113.9", "203.0.113.9/32", ""},
		{"", "10.0.0.1", "", "returned \"10.0.0.1\""},
		{"", "<html>", "", "returned \"<html>\""},
		{"198.51.100.7", "unused", "198.51.100.7/32", ""},
		{"198.51.100.7/24", "unused", "198.51.100.0/24", ""},
		{"nonsense", "unused", "", "FLOWBED_PUBLIC_IP"},
	} {
		t.Run(c.env+c.answer, func(t *testing.T) {
			t.Setenv(resource.PublicIP, c.env)
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.answer)) }))
			defer srv.Close()
			got, err := resource.Address{URL: srv.URL, Transport: srv.Client().Transport}.Read(t.Context())
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%v, %v; want an error with %q", got, err, c.fails)
				}
				return
			}
			if err != nil || got != netip.MustParsePrefix(c.want) {
				t.Errorf("%v, %v; want %s", got, err, c.want)
			}
		})
	}
}

// Whoever can forge the answer chooses who may reach port 22.
func TestAddressInsistsOnHTTPS(t *testing.T) {
	t.Setenv(resource.PublicIP, "")
	asked := false
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked = true
		_, _ = w.Write([]byte("203.0.113.9"))
	}))
	defer plain.Close()
	redirect := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer redirect.Close()
	for _, url := range []string{plain.URL, redirect.URL} {
		if p, err := (resource.Address{URL: url, Transport: redirect.Client().Transport}).Read(t.Context()); err == nil || asked {
			t.Errorf("%s: %v, asked without TLS: %v", url, p, asked)
		}
	}
}
