// Package faultproxy is a proxy in front of AWS, or of what imitates it, that
// has one call go wrong: the caller dies before or after it, its reply is lost,
// or it is refused in the words in which the service would refuse it.
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

// Proxy passes calls on to a handler. It is safe for concurrent use.
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

// New opens a proxy. The names are what ids stand for in the keys of calls.
func New(next http.Handler, names *faultmatrix.Names) *Proxy {
	p := &Proxy{next: next, names: names}
	p.listener = httptest.NewServer(p)
	p.URL = p.listener.URL
	return p
}

// Close ends the proxy.
func (p *Proxy) Close() { p.listener.Close() }

// Arm has the next writing call of the key go wrong, once. kill ends the caller.
func (p *Proxy) Arm(key string, f faultmatrix.Fault, kill func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.fault, p.kill, p.armed = key, f, kill, true
}

// Armed reports whether the call has not come yet.
func (p *Proxy) Armed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.armed
}

// Writes returns the keys of the writing calls since the last time, each once.
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
		return // the caller has gone
	}
	service, operation := moto.Identify(r, body)
	all, parameter := parameters(r, body)
	key := p.names.In(faultmatrix.Key(service, operation, all, parameter))
	// What AWS has begun, it finishes, also if the caller is gone.
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
	case faultmatrix.ReplyLost:
		carryOut()
		reset(w)
	case faultmatrix.Reset:
		reset(w)
	case faultmatrix.Throttled, faultmatrix.Broken:
		refuse(w, service, fault)
	default:
		panic("faultproxy: cannot do " + fault.String())
	}
}

// meets notes a call, and says what goes wrong with it.
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
	_, _ = w.Write(got.Body.Bytes()) // the caller may have gone
}

// reset breaks the connection off as a crashed router does, without a farewell.
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
