package prefect

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
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
)

const (
	attempts   = 3
	firstPause = 300 * time.Millisecond
	longPause  = 10 * time.Second
	timeout    = 15 * time.Second // of one attempt
	maxAnswer  = 16 << 20
)

// Config is how an API is reached.
type Config struct {
	URL        string // with /api, or Cloud's with account and workspace
	APIKey     string // Prefect Cloud's
	AuthString string // a server's, user:password
	CA         []byte // further certificates of authorities, in PEM
	UserAgent  string

	// Transport carries the calls; nil is the usual one, with the proxy of the
	// environment.
	Transport http.RoundTripper
}

// Client calls Prefect's API. It may be used from several goroutines.
type Client struct {
	http  *http.Client
	root  string
	shown string // root, as an error shows it
	key   string
	auth  string
	agent string

	mu     sync.Mutex
	csrf   string // token; empty as long as the server asks for none
	client string // the name under which the token is known
}

// New makes a client. It calls nothing.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of an API", c.URL)
	}
	if c.APIKey != "" && c.AuthString != "" {
		return nil, errors.New("there is an api_key and an auth_string: an API takes one of them")
	}
	transport := c.Transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		if len(c.CA) > 0 {
			pool, err := x509.SystemCertPool()
			if err != nil {
				pool = x509.NewCertPool()
			}
			if !pool.AppendCertsFromPEM(c.CA) {
				return nil, errors.New("the CA file has no certificate in PEM")
			}
			t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		}
		transport = t
	}
	return &Client{
		http: &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: stay},
		root: strings.TrimRight(u.String(), "/"), shown: strings.TrimRight(u.Redacted(), "/"),
		key: c.APIKey, auth: c.AuthString, agent: c.UserAgent, client: rand.Text(),
	}, nil
}

// stay follows no redirection to another host, nor one from https to http: the
// Go client would carry the key along to the same host in the clear.
func stay(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host || len(via) >= 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

// call sends in, if it is not nil, and decodes the answer into out, if that is
// not nil. What fails for the moment is tried again: everything that this
// package calls may be repeated.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	pause := firstPause
	for n := 1; ; n++ {
		status, header, answer, err := c.send(ctx, method, path, body)
		switch {
		case err == nil && status < 300:
			return c.decode(answer, out)
		case err == nil && status == http.StatusForbidden && strings.Contains(detail(answer), "CSRF") && n < attempts:
			if err := c.fetchCSRF(ctx); err != nil {
				return err
			}
			continue
		case err == nil && !passing(status):
			return c.refused(status, answer)
		case n == attempts || ctx.Err() != nil || err != nil && !worthAnother(err):
			if err != nil {
				return c.unanswered(err)
			}
			return c.refused(status, answer)
		}
		if s, err := strconv.Atoi(header.Get("Retry-After")); err == nil && s >= 0 {
			pause = min(time.Duration(s)*time.Second, longPause)
		}
		select {
		case <-ctx.Done():
			return c.unanswered(context.Cause(ctx))
		case <-time.After(pause):
		}
		pause *= 3
	}
}

// passing reports whether the same call may succeed later.
func passing(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// worthAnother reports whether a call without an answer is worth repeating. A
// wrong certificate stays wrong.
func worthAnother(err error) bool {
	return !errors.As(err, new(*tls.CertificateVerificationError))
}

func (c *Client) send(ctx context.Context, method, path string, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.root+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
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
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, res.Header, answer, err
}

// decode reads numbers as they are written, so that a template that is read and
// written back stays what it was.
func (c *Client) decode(answer []byte, out any) error {
	if out == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	if err := d.Decode(out); err != nil {
		return &Error{
			URL: c.shown, Class: ErrUnreachable, Err: errors.New("the answer is not that of a Prefect API"),
			Hint: "Check api_url: a server's ends in /api.",
		}
	}
	return nil
}

// fetchCSRF gets a token, which a server that protects itself so demands of
// every call that could change something.
func (c *Client) fetchCSRF(ctx context.Context) error {
	status, _, answer, err := c.send(ctx, http.MethodGet, "/csrf-token?client="+url.QueryEscape(c.client), nil)
	if err != nil {
		return c.unanswered(err)
	}
	if status != http.StatusOK {
		return c.refused(status, answer)
	}
	var got struct {
		Token string `json:"token"`
	}
	if err := c.decode(answer, &got); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.csrf = got.Token
	return nil
}
