package conn

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Error tells what is wrong on the way to an endpoint. Its text contains no passwords.
type Error struct {
	What   string // the whole text, with the endpoint in it
	Advice string // what the user can do; may be empty
	Again  bool   // whether the same call may succeed soon
	Status int    // of the reply, if there was one
	Err    error  // the cause; may be nil

	at   string // the endpoint
	link string // why the other side did not answer, or not in HTTP; empty if it did
}

func (e *Error) Error() string { return e.What }
func (e *Error) Unwrap() error { return e.Err }

// Plain is the text without what the SDK adds to it.
func (e *Error) Plain() string { return e.What }

// Hint is what the user can do.
func (e *Error) Hint() string { return e.Advice }

// RetryableError and HTTPStatusCode are what the SDK asks an error.
func (e *Error) RetryableError() bool { return e.Again }

// HTTPStatusCode is the status of the reply, or 0.
func (e *Error) HTTPStatusCode() int { return e.Status }

// status is the error in a line about a call that goes on.
func (e *Error) status() string {
	if e.link != "" {
		return e.at + " does not answer: " + e.link
	}
	return e.What
}

// Reason is the error for a text that has named the endpoint.
func (e *Error) Reason() string { return cmp.Or(e.link, e.What) }

func noAnswer(at string) string { return "no answer from " + strings.TrimPrefix(at, "https://") }

// onTheWay is the end of advice about a reply that cannot be from the endpoint.
const onTheWay = "something on the way, such as a proxy or the sign-in page of a network, may answer in its place"

// ToSignIn is the advice if something else answers in the place of an endpoint.
const ToSignIn = "sign in to the network, or check the proxy (HTTPS_PROXY, NO_PROXY) and the endpoint: " + onTheWay

// refusedByProxy is a proxy's refusal to pass a request on.
type refusedByProxy struct {
	proxy  string // host and port; empty if it is unknown
	status int
}

func (p *refusedByProxy) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("the proxy %s answers %d %s", p.proxy, p.status, http.StatusText(p.status)), " ")
}

// Place is a URL for people: scheme and host.
func Place(u *url.URL) string { return u.Scheme + "://" + u.Host }

// Explain returns what an error of a request means, as *Error. An error that is not about
// the connection, such as a canceled context, stays as it is.
func Explain(u *url.URL, err error) error {
	if _, done := errors.AsType[*Error](err); done || errors.Is(err, context.Canceled) {
		return err
	}
	at := Place(u)
	e := &Error{at: at, Err: err, Again: true}
	if e.link = e.reason(err); e.link == "" {
		return err
	}
	e.What = noAnswer(at) + ": " + e.link
	return e
}

// reason is why there is no answer. It sets the advice.
func (e *Error) reason(err error) string {
	if p, ok := errors.AsType[*refusedByProxy](err); ok {
		e.Again, e.Advice = p.status >= 500, "check the proxy (HTTPS_PROXY), or add the host to NO_PROXY"
		if p.status == http.StatusProxyAuthRequired {
			e.Advice = "set the proxy with user and password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
		}
		return p.Error()
	}
	if b, ok := errors.AsType[badProxy](err); ok {
		e.Again, e.Advice = false, "set it like this: "+string(b)+"=http://HOST:PORT; special characters in a password need percent-encoding"
		return b.Error()
	}
	if text := e.certificate(err); text != "" {
		return text
	}
	return e.network(err)
}

// certificate is the reason if the certificate is wrong: no retry helps.
func (e *Error) certificate(err error) string {
	wrong, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok {
		return ""
	}
	e.Again = false
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		e.Advice = "if a private CA or a company's proxy signed it, set AWS_CA_BUNDLE to the CA's certificate"
	case errors.As(err, new(x509.HostnameError)):
		e.Advice = "check the endpoint: " + onTheWay
	case errors.As(err, new(x509.CertificateInvalidError)):
		e.Advice = "check this machine's clock, and that the certificate has not expired"
	}
	return "its certificate is not valid: " + wrong.Err.Error()
}

// network is the reason if there was no connection, or it broke. Go's texts for a reply that
// is no HTTP or no TLS have no type.
func (e *Error) network(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Advice = "run the same command again; if it happens every time, check the proxy (HTTPS_PROXY, NO_PROXY)"
		return "the reply ended early"
	case errors.Is(err, io.EOF), strings.Contains(text, "use of closed network connection"):
		return "the connection was closed without a reply"
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "transport received unexpected"), strings.Contains(text, "HTTP/2 frame"):
		e.Again, e.Advice = false, ToSignIn
		return "what answers does not speak HTTP"
	case strings.Contains(text, "server gave HTTP response to HTTPS client"), errors.As(err, new(tls.RecordHeaderError)):
		e.Again, e.Advice = false, ToSignIn
		return "what answers does not speak TLS"
	case strings.Contains(text, "TLS handshake timeout"):
		return fmt.Sprintf("no TLS handshake within %v", tlsTimeout)
	case strings.Contains(text, "timeout awaiting response headers"):
		return fmt.Sprintf("nothing for %v", replyTimeout)
	}
	return e.opening(err)
}

// opening is the reason if a connection could not be opened.
func (e *Error) opening(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		e.Advice = "check the proxy (HTTPS_PROXY), or add the host to NO_PROXY"
		return "the proxy does not answer: " + cause(op.Err)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			e.Again, e.Advice = false, "check the network connection, and the name of the region or the endpoint"
		}
		return "look up " + dns.Name + ": " + dns.Err
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return cause(err)
	}
	return ""
}

// cause is the text of a network error without the addresses around it.
func cause(err error) string {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "the connection timed out"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return strings.TrimPrefix(strings.TrimPrefix(op.Err.Error(), "connect: "), "read: ")
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}
