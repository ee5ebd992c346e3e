package prefect

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flowbed/flowbed/provision/conn"
)

const (
	attempts   = 3
	firstPause = 300 * time.Millisecond
	longPause  = 10 * time.Second
	timeout    = 15 * time.Second // of one attempt
)

// Config tells how to reach an API.
type Config struct {
	URL        string // with /api, or Cloud's with account and workspace
	APIKey     string // Prefect Cloud's
	AuthString string // a server's, user:password

	// Read, if set, reads the secret before the first call, instead of the two above. With Basic
	// it is a user and password. The advice of an error is a method Hint.
	Read  func(context.Context) (secret string, err error)
	Basic bool

	CA        []byte // additional CA certificates, in PEM
	UserAgent string

	// Transport sends the requests. nil is a transport of package conn, which also limits
	// the size of a reply.
	Transport http.RoundTripper

	// Guard is asked before each attempt of a call that changes something. If it returns
	// an error, the call ends with that error. nil lets all calls pass.
	Guard func() error
}

// Client calls Prefect's API. It is safe for concurrent use.
type Client struct {
	http  *http.Client
	root  string
	shown string // root without a password, for errors
	key   string
	auth  string
	agent string
	guard func() error

	reading sync.Mutex                            // until the secret has been read
	read    func(context.Context) (string, error) // nil after that
	basic   bool
	stored  bool // the secret is one that exists in AWS

	mu     sync.Mutex
	csrf   string // token; empty until the server requires one
	client string // the name that the token belongs to
}

// New returns a client. It sends no request.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an API URL", c.URL)
	}
	if c.APIKey != "" && c.AuthString != "" || c.Read != nil && c.APIKey+c.AuthString != "" {
		return nil, errors.New("the API has more than one secret; remove all but one of them")
	}
	transport := c.Transport
	if transport == nil {
		if transport, err = conn.New(conn.Options{}); err != nil {
			return nil, err
		}
	}
	if transport, err = conn.Trusting(transport, c.CA); err != nil {
		return nil, err
	}
	return &Client{
		http: &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: stay},
		root: strings.TrimRight(u.String(), "/"), shown: strings.TrimRight(u.Redacted(), "/"),
		key: c.APIKey, auth: c.AuthString, agent: c.UserAgent, guard: c.Guard, client: rand.Text(),
		read: c.Read, basic: c.Basic, stored: c.Read != nil,
	}, nil
}

// stay refuses redirects to another host, and from https to http. Go's client would
// send the key to the same host in plain text.
func stay(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host || len(via) >= 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

// call sends in, unless it is nil, and decodes the answer into out, unless that is
// nil. It retries temporary failures: all calls of this package can be repeated.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	body, err := c.prepare(ctx, in)
	if err != nil {
		return err
	}
	pause := firstPause
	for n := 1; ; n++ {
		if err := c.mayLeave(method, path); err != nil {
			return err
		}
		got, err := c.send(conn.Attempt(ctx, n, attempts), method, path, body)
		if err == nil && got.status < 300 {
			return c.decode(got.body, out)
		}
		if err == nil && got.wantsCSRF() && n < attempts {
			if err := c.fetchCSRF(ctx); err != nil {
				return err
			}
			continue
		}
		if n == attempts || ctx.Err() != nil || !retryable(got, err) {
			return c.failed(got, err)
		}
		pause = got.pause(pause)
		select {
		case <-ctx.Done():
			return c.unanswered(context.Cause(ctx))
		case <-time.After(pause):
		}
		pause *= 3
	}
}

// prepare returns the body of a call, and sees to it that the secret is known.
func (c *Client) prepare(ctx context.Context, in any) ([]byte, error) {
	body, err := encode(in)
	if err != nil {
		return nil, err
	}
	return body, c.learn(ctx)
}

// learn reads the secret, unless it is known. Nothing else writes the two fields, and each
// call comes here first.
func (c *Client) learn(ctx context.Context) error {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.read == nil {
		return nil
	}
	secret, err := c.read(ctx)
	if err != nil {
		e := &Error{URL: c.shown, Err: unread{err}, Class: ErrUnauthorized}
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); ok {
			e.Advice = h.Hint()
		}
		return e
	}
	if c.read = nil; c.basic {
		c.auth = secret
	} else {
		c.key = secret
	}
	return nil
}

// unread is why the secret could not be read. It is no error of the network, whose innermost
// message would be enough.
type unread struct{ error }

func (u unread) Unwrap() error { return u.error }

func encode(in any) ([]byte, error) {
	if in == nil {
		return nil, nil
	}
	return json.Marshal(in)
}

// writes reports whether a call changes something. Searches and counts are POSTs too, and
// so are all calls to Prefect 1, of which flowbed makes only queries.
func writes(method, path string) bool {
	search := path == "" || strings.HasSuffix(path, "/filter") || strings.HasSuffix(path, "/count")
	return method != http.MethodGet && (method != http.MethodPost || !search)
}

// mayLeave asks the guard about an attempt of a call that changes something.
func (c *Client) mayLeave(method, path string) error {
	if c.guard == nil || !writes(method, path) {
		return nil
	}
	return c.guard()
}

// failed is the error of a call that is not retried.
func (c *Client) failed(got answer, err error) error {
	if err != nil {
		return c.unanswered(err)
	}
	return c.refused(got)
}

// temporary reports whether the same call may succeed later.
func temporary(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// retryable reports whether to retry a call. A certificate error, for example, is permanent.
func retryable(got answer, err error) bool {
	if e, ok := errors.AsType[*conn.Error](err); ok {
		return e.Again
	}
	if err != nil {
		return true
	}
	return temporary(got.status)
}

// answer is a response of the API.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// wantsCSRF reports whether the server refused a call because it had no token.
func (a answer) wantsCSRF() bool {
	return a.status == http.StatusForbidden && strings.Contains(detail(a.body), "CSRF")
}

// pause is how long to wait before a retry: what the API asks for, or the usual time.
func (a answer) pause(usual time.Duration) time.Duration {
	if s, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && s >= 0 {
		return min(time.Duration(s)*time.Second, longPause)
	}
	return usual
}

func (c *Client) send(ctx context.Context, method, path string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.root+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if c.agent != "" {
		req.Header.Set("User-Agent", c.agent)
	}
	switch {
	case c.key != "":
		req.Header.Set("Authorization", "Bearer "+c.key)
	case c.auth != "":
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.auth)))
	}
	c.mu.Lock()
	if c.csrf != "" {
		req.Header.Set("Prefect-Csrf-Token", c.csrf)
		req.Header.Set("Prefect-Csrf-Client", c.client)
	}
	c.mu.Unlock()
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, text}, err
}

// decode keeps numbers as they are written, so that a template does not change when it
// is read and written back.
func (c *Client) decode(body []byte, out any) error {
	if out == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(out); err != nil {
		e := &Error{
			URL: c.shown, Class: ErrUnreachable, Err: errors.New("the answer is not from a Prefect API"),
			Advice: "check api_url: the URL of a server ends in /api",
		}
		if conn.IsPage(body) {
			e.Err = fmt.Errorf("the answer is not from a Prefect API but %s", conn.Page(body))
			e.Advice += ". If it does, " + conn.ToSignIn
		}
		return e
	}
	return nil
}

// fetchCSRF gets a token. A server with CSRF protection requires one for every call
// that could change something.
func (c *Client) fetchCSRF(ctx context.Context) error {
	got, err := c.send(ctx, http.MethodGet, "/csrf-token?client="+url.QueryEscape(c.client), nil)
	if err != nil || got.status != http.StatusOK {
		return c.failed(got, err)
	}
	var csrf struct {
		Token string `json:"token"`
	}
	if err := c.decode(got.body, &csrf); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.csrf = csrf.Token
	return nil
}
