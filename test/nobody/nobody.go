// Package nobody has the address of a server that is not there, for tests.
package nobody

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// URL returns a URL at which connections are refused for the rest of the test. Its port is
// the near end of a connection, so that no other server gets it meanwhile.
func URL(t testing.TB) string {
	t.Helper()
	far := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(far.Close)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	near, err := d.DialContext(t.Context(), "tcp", far.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	return "http://" + near.LocalAddr().String()
}
