package conn

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/test/nobody"
)

const caller = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
	`<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/ada</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`

// lines are what a transport says.
type lines struct {
	mu   sync.Mutex
	list []string
}

func (l *lines) say(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, text)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// client is an AWS client with what flowbed gives to all of them.
func client(endpoint string, o Options, attempts int, h aws.HTTPClient) *sts.Client {
	return sts.New(sts.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", ""), BaseEndpoint: &endpoint, HTTPClient: h,
		APIOptions: []func(*middleware.Stack) error{o.Middleware},
		Retryer: o.Retryer(retry.NewStandard(func(s *retry.StandardOptions) {
			s.MaxAttempts = attempts
		})),
	})
}

func ask(c *sts.Client) error {
	_, err := c.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	return err
}

// raw is a server that sends the same bytes to everybody and hangs up.
func raw(t *testing.T, bytes string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil { // all of it: whoever still sends gets another error
				_, _ = io.Copy(io.Discard, r.Body)
			}
			_, _ = io.WriteString(c, bytes)
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func served(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func portal(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "\n<!-- hello -->\n<!DOCTYPE html><html><head><title>Sign in to\n Corp &amp; Co</title></head></html>")
	}
}

// TestWhatAnswers: what AWS and an API get from the same bad server, and what flowbed says.
func TestWhatAnswers(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		blanks := []byte(strings.Repeat(" ", 1<<20))
		for range maxReply>>20 + 2 {
			if _, err := w.Write(blanks); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		url   string
		want  string
		hint  string
		again bool
		api   bool // whether the same is true for an API, which may also send web pages
	}{
		"refused":                   {nobody.URL(t), "no answer from http://HOST: connection refused", "", true, true},
		"hangs up":                  {raw(t, ""), "no answer from http://HOST: the connection was closed without a reply", "", true, true},
		"not HTTP":                  {raw(t, "SSH-2.0-OpenSSH_9.6\r\n"), "no answer from http://HOST: what answers does not speak HTTP", "sign in to the network", false, true},
		"no TLS":                    {strings.Replace(raw(t, "220 mail ESMTP\r\n"), "http:", "https:", 1), "no answer from HOST: what answers does not speak TLS", "sign in to the network", false, true},
		"truncated":                 {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<a>"), "no answer from http://HOST: the reply ended early", "check the proxy", true, true},
		"too large":                 {served(t, endless), "the reply of http://HOST has more than 32 MB", "check that this is the right endpoint", false, true},
		"a portal":                  {served(t, portal(200)), `http://HOST answers 200 with a web page (HTML) with the title "Sign in to Corp & Co", not as AWS does`, "sign in to the network", false, false},
		"a page of a load balancer": {served(t, portal(503)), "http://HOST answers 503 with a web page", "sign in to the network", true, false},
		"a redirect": {served(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example.com/x?y=z", http.StatusFound)
		}),
			"http://HOST redirects to https://login.example.com (302), as AWS never does", "sign in to the network", false, false},
		"a proxy that wants a password": {served(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(407) }),
			"answers 407 Proxy Authentication Required", "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT", false, true},
		"unknown host": {"http://nowhere.invalid", "no answer from http://HOST: look up nowhere.invalid", "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(c.url)
			if err != nil {
				t.Fatal(err)
			}
			check := func(err error) {
				t.Helper()
				e, ok := errors.AsType[*Error](err)
				if !ok {
					t.Fatalf("have %v", err)
				}
				want := strings.ReplaceAll(c.want, "HOST", u.Host)
				if name != "unknown host" && e.Again != c.again || !strings.Contains(e.What, want) || !strings.Contains(e.Advice, c.hint) {
					t.Errorf("have %q (%t) → %q\nwant %q (%t) → %q", e.What, e.Again, e.Advice, want, c.again, c.hint)
				}
			}
			attempts := 1
			if name == "too large" {
				// The SDK closes the body of its request when the reply begins. If net/http has not
				// seen the body's end by then, it closes the connection, and a long reply ends early.
				attempts = linkAttempts
			}
			check(ask(client(c.url, Options{}.Shared(), attempts, awshttp.NewBuildableClient().WithTransportOptions(Configure))))
			if !c.api {
				return
			}
			transport, err := New(Options{})
			if err != nil {
				t.Fatal(err)
			}
			reply, err := (&http.Client{Transport: transport}).Get(c.url) //nolint:noctx // as short as the table
			if err == nil {
				_, err = io.ReadAll(reply.Body)
				_ = reply.Body.Close()
			}
			check(err)
		})
	}
}

func TestAReplyThatIsRight(t *testing.T) {
	url := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html") // as moto has it
		_, _ = io.WriteString(w, caller)
	})
	if err := ask(client(url, Options{}.Shared(), 1, awshttp.NewBuildableClient().WithTransportOptions(Configure))); err != nil {
		t.Error(err)
	}
}

// TestCertificates: a certificate that is not trusted is not worth a retry, and CA
// certificates add to each other.
func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	try := func(rt http.RoundTripper) error {
		reply, err := (&http.Client{Transport: rt}).Get(server.URL) //nolint:noctx // a loopback server
		if err == nil {
			_ = reply.Body.Close()
		}
		return err
	}
	unknown, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*Error](try(unknown)); !ok || e.Again || !strings.Contains(e.Advice, "AWS_CA_BUNDLE") ||
		!strings.Contains(e.What, "certificate signed by unknown authority") {
		t.Errorf("unknown: have %v", e)
	}
	bundle, err := New(Options{CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	added, err := Trusting(unknown, ca)
	if err != nil {
		t.Fatal(err)
	}
	for name, rt := range map[string]http.RoundTripper{"in the bundle": bundle, "added": added} {
		if err := try(rt); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Options{CA: []byte("nothing")}); err == nil {
		t.Error("a bundle without a certificate")
	}
}

// TestTunnels: a proxy that refuses CONNECT is named, without its password.
func TestTunnels(t *testing.T) {
	for status, want := range map[int]string{407: "answers 407 Proxy Authentication Required", 403: "answers 403 Forbidden", 502: "answers 502 Bad Gateway"} {
		proxy, err := url.Parse(served(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		if err != nil {
			t.Fatal(err)
		}
		proxy.User = url.UserPassword("me", "hunter22")
		transport, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		transport.http.Proxy = http.ProxyURL(proxy)
		reply, err := (&http.Client{Transport: transport}).Get("https://sts.amazonaws.com/") //nolint:noctx // refused at once
		if err == nil {
			_ = reply.Body.Close()
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Again != (status >= 500) || e.What != "no answer from sts.amazonaws.com: the proxy "+proxy.Host+" "+want || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%d: have %v", status, err)
		}
	}
}

// do is an HTTP client for tests.
type do func(*http.Request) (*http.Response, error)

func (f do) Do(r *http.Request) (*http.Response, error) { return f(r) }

// TestRetriesInTheOpen: a call whose endpoint does not answer says so at once, each attempt is
// announced once for all calls, and it ends soon.
func TestRetriesInTheOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said, calls := &lines{}, 0
		o := Options{Say: said.say}.Shared()
		down := do(func(r *http.Request) (*http.Response, error) {
			said.mu.Lock()
			calls++
			said.mu.Unlock()
			return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
		})
		start := time.Now()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, ok := errors.AsType[*Error](ask(client("https://s3.example.com", o, 8, down))); !ok {
					t.Error("another error")
				}
			})
		}
		wg.Wait()
		var want []string
		for n := range 3 {
			want = append(want, fmt.Sprintf("https://s3.example.com does not answer: connection refused: retrying, attempt %d", n+2))
		}
		if !slices.Equal(said.all(), want) || calls != 5*linkAttempts || time.Since(start) > 3*linkPause {
			t.Errorf("%d calls in %v said %q", calls, time.Since(start), said.all())
		}
	})
}

// TestThrottlingStillHasAllAttempts: AWS has answered, so the way is open.
func TestThrottlingStillHasAllAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said, calls := &lines{}, 0
		busy := do(func(r *http.Request) (*http.Response, error) {
			calls++
			body := `<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>`
			return &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})
		if err := ask(client("https://sts.example.com", Options{Say: said.say}.Shared(), 8, busy)); err == nil || calls != 8 || len(said.all()) != 0 {
			t.Errorf("%v after %d calls said %q", err, calls, said.all())
		}
	})
}

// TestSilence: an endpoint that takes a request and does not answer is named while flowbed
// waits, and again after it has answered in between.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := &lines{}
		o := Options{Say: said.say}.Shared()
		slow := do(func(r *http.Request) (*http.Response, error) {
			time.Sleep(15 * time.Second)
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(caller)), Request: r}, nil
		})
		for range 2 {
			if err := ask(client("https://sts.example.com", o, 8, slow)); err != nil {
				t.Fatal(err)
			}
		}
		if want := "https://sts.example.com has not answered for 10s: waiting"; !slices.Equal(said.all(), []string{want, want}) {
			t.Errorf("said %q", said.all())
		}
	})
}

// TestAReplyThatStalls: a connection on which nothing comes is given up, also in the middle of a
// reply.
func TestAReplyThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, theirs := net.Pipe()
		defer func() { _ = theirs.Close() }()
		dial := watched(func(context.Context, string, string) (net.Conn, error) { return mine, nil })
		c, err := dial(t.Context(), "tcp", "aws:443")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(replyTimeout / 2)
			_, _ = theirs.Write([]byte("x"))
		}()
		start := time.Now()
		text, err := io.ReadAll(c)
		if e, ok := errors.AsType[*Error](Explain(&url.URL{Scheme: "https", Host: "aws"}, err)); !ok || !e.Again || string(text) != "x" || time.Since(start) != replyTimeout*3/2 {
			t.Errorf("%q, %v after %v", text, err, time.Since(start))
		}
	})
}

// TestCanceled: who stops a run is not told about the network.
func TestCanceled(t *testing.T) {
	if err := Explain(&url.URL{}, fmt.Errorf("x: %w", context.Canceled)); errors.As(err, new(*Error)) {
		t.Error(err)
	}
}

func TestIsProxy(t *testing.T) {
	for value, want := range map[string]bool{
		"http://proxy:3128": true, "proxy:3128": true, "proxy.example.com": true, "https://me:pass%25word@proxy": true, "socks5://127.0.0.1:1080": true,
		"http://me:50%zz@proxy": false, "http://": false, "ftp://proxy": false, "http://proxy:port": false, "me:p%zz@proxy:1": false,
	} {
		if isProxy(value) != want {
			t.Errorf("%s: want %t", value, want)
		}
	}
}
