// Package faultproxy is a proxy in front of AWS, or a mock of it, that makes one call
// fail.
//
// The caller dies before or after the call, the reply is lost, or the call gets an error
// in the service's own format.
package faultproxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	"github.com/flowbed/flowbed/test/e2e/moto"
	"github.com/flowbed/flowbed/test/faultmatrix"
)

// Proxy forwards calls to a handler. It is safe for concurrent use.
type Proxy struct {
	URL string

	next     http.Handler
	listener *httptest.Server

	mu     sync.Mutex
	names  *faultmatrix.Names
	writes []string
	key    string
	fault  faultmatrix.Fault
	armed  bool
	kill   func()
}

// New starts a proxy. The names replace ids in the keys of calls.
func New(next http.Handler, names *faultmatrix.Names) *Proxy {
	p := &Proxy{next: next, names: names}
	p.listener = httptest.NewServer(p)
	p.URL = p.listener.URL
	return p
}

// Close stops the proxy.
func (p *Proxy) Close() { p.listener.Close() }

// Arm makes the next write with the key fail, once. kill kills the caller, or stops it and
// wakes it up.
func (p *Proxy) Arm(key string, f faultmatrix.Fault, kill func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.fault, p.kill, p.armed = key, f, kill, true
}

// Armed reports whether the proxy still waits for that call.
func (p *Proxy) Armed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.armed
}

// Writes returns the keys of the writes since it was last called, without duplicates.
func (p *Proxy) Writes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.writes
	p.writes = nil
	slices.Sort(list)
	return slices.Compact(list)
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller is gone
	}
	service, operation := moto.Identify(r, body)
	all, parameter := parameters(r, body)
	key := p.names.In(faultmatrix.Key(service, operation, all, parameter))
	// AWS finishes what it has started, even if the caller is gone.
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.Body = io.NopCloser(bytes.NewReader(body))
	carryOut := func() *httptest.ResponseRecorder {
		got := httptest.NewRecorder()
		p.next.ServeHTTP(got, again)
		p.learn(operation, parameter, got.Body.Bytes())
		return got
	}
	fault, kill, hit := p.meets(key, operation)
	if !hit {
		reply(w, carryOut())
		return
	}
	switch fault {
	case faultmatrix.KilledBefore:
		kill()
	case faultmatrix.KilledAfter:
		carryOut()
		kill()
	case faultmatrix.Stopped:
		got := carryOut()
		kill() // returns when the process has woken up
		reply(w, got)
	case faultmatrix.ReplyLost:
		carryOut()
		reset(w)
	case faultmatrix.Reset:
		reset(w)
	case faultmatrix.Throttled, faultmatrix.Broken:
		refuse(w, service, fault)
	default:
		panic("faultproxy: unsupported fault " + fault.String())
	}
}

// meets records a call, and returns the fault for it.
func (p *Proxy) meets(key, operation string) (f faultmatrix.Fault, kill func(), hit bool) {
	if moto.Reads(operation) {
		return 0, nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes = append(p.writes, key)
	hit = p.armed && key == p.key
	p.armed = p.armed && !hit
	return p.fault, p.kill, hit
}

func reply(w http.ResponseWriter, got *httptest.ResponseRecorder) {
	for k, v := range got.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(got.Code)
	_, _ = w.Write(got.Body.Bytes()) // the caller may be gone
}

// reset resets the connection, as a crashed router does.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
