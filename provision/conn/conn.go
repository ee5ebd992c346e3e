// Package conn builds the one HTTP transport for all calls that leave this machine: to AWS,
// to Prefect's API, and to the server that tells the caller's public address. So proxies, CA
// certificates, timeouts and limits are the same for all of them.
//
// An endpoint that does not answer is named while flowbed still waits for it or retries. What
// answers in its place, such as a proxy that wants a password or the sign-in page of a
// network, is called what it is.
package conn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	dialTimeout  = 5 * time.Second  // so that a missing network shows soon
	tlsTimeout   = 10 * time.Second // of a handshake
	replyTimeout = 60 * time.Second // CreateCluster and RunInstances may be slow
	silence      = 10 * time.Second // after which a user wants to know what flowbed waits for
	connections  = 64               // to keep open to one host, for parallel reads

	maxHeader = 1 << 20  // bytes of a reply's header
	maxReply  = 32 << 20 // bytes of a reply; the largest that flowbed reads have a few hundred kilobytes
)

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Configure sets what all transports share.
func Configure(t *http.Transport) {
	t.Proxy = proxy
	t.DialContext = watched((&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext)
	t.TLSHandshakeTimeout = tlsTimeout
	t.ResponseHeaderTimeout = replyTimeout
	t.MaxIdleConnsPerHost = connections
	t.MaxResponseHeaderBytes = maxHeader
	t.OnProxyConnectResponse = tunnelled
}

// watched gives up a connection on which nothing comes for a long time: in the middle of a
// reply, no timeout of http.Transport holds.
func watched(open dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := open(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return watchedConn{c}, nil
	}
}

type watchedConn struct{ net.Conn }

func (c watchedConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(replyTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// proxy is the proxy for a request, from HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in upper or
// lower case.
func proxy(r *http.Request) (*url.URL, error) {
	if err := proxySettings(); err != nil {
		return nil, err
	}
	return http.ProxyFromEnvironment(r)
}

// Proxy is the proxy for a URL: host and port, without a password. It is empty if there is none.
func Proxy(at *url.URL) string {
	u, err := proxy(&http.Request{URL: at})
	if err != nil || u == nil {
		return ""
	}
	return u.Host
}

// badProxy is the name of a variable whose value is no URL. The value may contain a password.
type badProxy string

func (b badProxy) Error() string { return string(b) + " is not a valid URL" }

// proxySettings checks the variables with proxies: net/http ignores a value that is no URL.
var proxySettings = sync.OnceValue(func() error {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		if value := os.Getenv(name); value != "" && !isProxy(value) {
			return badProxy(name)
		}
	}
	return nil
})

// isProxy reports whether net/http would use a proxy. It assumes http:// if there is no scheme.
func isProxy(value string) bool {
	if u, err := url.Parse(value); err == nil && u.Host != "" && slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return true
	}
	u, err := url.Parse("http://" + value)
	return err == nil && u.Host != "" && !strings.Contains(value, "://")
}

// tunnelled checks a proxy's reply to CONNECT. Go's error has only the text of the status.
func tunnelled(_ context.Context, proxy *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return &refusedByProxy{proxy: proxy.Host, status: res.StatusCode}
}

// Transport carries calls to everything but AWS, whose clients have a transport of their own
// (see [Configure] and [Options.Middleware]).
type Transport struct {
	http *http.Transport
	o    Options
}

// Options are what the command knows of its network.
type Options struct {
	// CA are CA certificates in PEM, which are trusted in addition to the system's.
	CA []byte

	// Say shows a line about an endpoint that does not answer, while the call goes on; nil
	// shows none.
	Say func(line string)

	told *told
}

// New returns a transport. It opens no connection.
func New(o Options) (*Transport, error) {
	t := &http.Transport{IdleConnTimeout: 90 * time.Second, MaxIdleConns: 100, ForceAttemptHTTP2: true}
	Configure(t)
	if o.told == nil {
		o = o.Shared()
	}
	return (&Transport{http: t, o: o}).trusting(o.CA)
}

// Trusting returns rt, which trusts these CA certificates, too, if it is a [Transport]. pem may
// be empty.
func Trusting(rt http.RoundTripper, pem []byte) (http.RoundTripper, error) {
	if t, ok := rt.(*Transport); ok {
		return t.trusting(pem)
	}
	return rt, nil
}

func (t *Transport) trusting(pem []byte) (*Transport, error) {
	if len(pem) == 0 {
		return t, nil
	}
	var pool *x509.CertPool
	if c := t.http.TLSClientConfig; c != nil && c.RootCAs != nil {
		pool = c.RootCAs.Clone()
	} else if system, err := x509.SystemCertPool(); err == nil {
		pool = system
	} else {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the CA file has no PEM certificate")
	}
	with := t.http.Clone()
	with.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &Transport{http: with, o: t.o}, nil
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	defer t.o.watch(r.URL)()
	res, err := t.http.RoundTrip(r)
	if err != nil {
		err = Explain(r.URL, err)
		t.o.retrying(err, attemptOf(r.Context()))
		return nil, err
	}
	if err := refused(res); err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	t.o.answers(r.URL)
	limit(res)
	return res, nil
}

// refused is the error if a proxy has answered a plain HTTP request itself.
func refused(res *http.Response) error {
	if res.StatusCode != http.StatusProxyAuthRequired {
		return nil
	}
	p := &refusedByProxy{status: res.StatusCode}
	if u, err := proxy(res.Request); err == nil && u != nil {
		p.proxy = u.Host
	}
	return Explain(res.Request.URL, p)
}

const silent = " is silent" // in the names of what was said

// watch says that an endpoint is silent, unless the returned function is called soon.
func (o Options) watch(u *url.URL) func() {
	if o.Say == nil {
		return func() {}
	}
	timer := time.AfterFunc(silence, func() {
		if at := Place(u); o.told.first(at+silent, 1) {
			o.Say(fmt.Sprintf("%s has not answered for %v: waiting", at, silence))
		}
	})
	return func() { timer.Stop() }
}

// retrying says that an endpoint does not answer and that the call is tried again.
func (o Options) retrying(err error, a attempt) {
	e, ok := errors.AsType[*Error](err)
	if !ok || o.Say == nil || !e.Again || a.number >= a.of || !o.told.first(e.at, a.number) {
		return
	}
	o.Say(fmt.Sprintf("%s: retrying, attempt %d", e.status(), a.number+1))
}

// answers forgets what was said of an endpoint that answers now.
func (o Options) answers(u *url.URL) {
	if o.told == nil {
		return
	}
	o.told.mu.Lock()
	defer o.told.mu.Unlock()
	delete(o.told.seen, Place(u))
	delete(o.told.seen, Place(u)+silent)
}

// told remembers what was said: of many parallel calls to one endpoint, only the first is
// worth a line.
type told struct {
	mu   sync.Mutex
	seen map[string]int
}

func (t *told) first(what string, number int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]int{}
	}
	if t.seen[what] >= number {
		return false
	}
	t.seen[what] = number
	return true
}

type attempt struct{ number, of int }

type attemptKey struct{}

// Attempt tells the transport which attempt of a call a request is, for what it says of an
// endpoint that does not answer.
func Attempt(ctx context.Context, number, of int) context.Context {
	return context.WithValue(ctx, attemptKey{}, attempt{number, of})
}

func attemptOf(ctx context.Context) attempt {
	a, _ := ctx.Value(attemptKey{}).(attempt)
	return a
}

// limit makes the body of a reply fail after 32 MB, and says whether a reply ended early.
func limit(res *http.Response) {
	if res.Body != nil && res.Body != http.NoBody && res.Request != nil {
		res.Body = &limited{ReadCloser: res.Body, url: res.Request.URL, left: maxReply}
	}
}

type limited struct {
	io.ReadCloser
	url  *url.URL
	left int
	err  error
}

func (l *limited) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= n
	switch {
	case l.left < 0:
		l.err = &Error{at: Place(l.url), What: fmt.Sprintf("the reply of %s has more than %d MB", Place(l.url), maxReply>>20),
			Advice: "check that this is the right endpoint: " + onTheWay}
		return 0, l.err
	case err != nil && !errors.Is(err, io.EOF):
		l.err = Explain(l.url, err)
		return n, l.err
	}
	return n, err
}
