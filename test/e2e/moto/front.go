package moto

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Front is the endpoint of one account on a server.
type Front struct {
	URL     string
	Account string

	// Console, if set, returns an instance's console output for GetConsoleOutput:
	// moto's instances have none. Set it before the first such call.
	Console func(instance string) string

	// Parameter, if set, returns which parameter to read when the owner of a key
	// asks for one by name. Set it before the first such call.
	Parameter func(key, name string) string

	server   *Server
	delay    time.Duration
	listener *httptest.Server
	client   *http.Client

	mu    sync.Mutex
	calls []Call
	ecs   Play // nil if moto answers
	memory
}

// Call is one call that came through a front.
type Call struct {
	Service, Operation string
	Key                string    // the id of the caller's key
	Body               []byte    // of the request
	Begin, End         time.Time // as seen by the caller
	Sent, Answered     time.Time // as seen by moto
	Status             int
}

// Reads reports whether the call changes nothing.
func (c Call) Reads() bool {
	for _, p := range []string{"Get", "List", "Describe", "Head"} {
		if strings.HasPrefix(c.Operation, p) {
			return true
		}
	}
	return false
}

// Account opens a front to an account, whose number has 12 digits. Accounts do not see
// each other's objects, except for bucket names. Each call takes the delay, half of it
// in each direction.
func (s *Server) Account(number string, delay time.Duration) *Front {
	f := &Front{
		Account: number, server: s, delay: delay,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	f.listener = httptest.NewServer(f)
	f.URL = f.listener.URL
	return f
}

// Close closes the front. The account stays.
func (f *Front) Close() {
	f.listener.Close()
	f.client.CloseIdleConnections()
}

// Config returns a configuration with which the SDK's clients talk to the account.
func (f *Front) Config(region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: &f.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
	}
}

// Calls returns the calls so far, in the order in which they ended.
func (f *Front) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.calls...)
}

// Reset discards the calls recorded so far.
func (f *Front) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = nil
}

// ServeHTTP forwards a call to moto.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := Call{Begin: time.Now()}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.Service, c.Operation = name(r, body)
	c.Key, c.Body = key(r), body
	time.Sleep(f.delay / 2)
	c.Sent = time.Now()
	a, err := f.correct(r.Context(), request{Request: r, body: body, service: c.Service, operation: c.Operation})
	c.Answered = time.Now()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	time.Sleep(f.delay - f.delay/2)
	c.End, c.Status = time.Now(), a.status
	f.mu.Lock()
	f.calls = append(f.calls, c)
	f.mu.Unlock()
	for k, v := range a.header {
		if k != "Content-Length" && k != "Connection" && k != "Transfer-Encoding" {
			w.Header()[k] = v
		}
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(a.body)))
	if r.Method == http.MethodHead {
		w.Header()["Content-Length"] = a.header["Content-Length"]
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the caller may be gone
}

// answer is a complete reply.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send lets moto execute a request in the front's account.
func (f *Front) send(r *http.Request, method, uri string, header http.Header, body []byte) (answer, error) {
	up, err := http.NewRequestWithContext(r.Context(), method, f.server.URL+uri, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	up.Header = header.Clone()
	// moto reads the service from the signature, and the account from this header.
	up.Header.Set("X-Moto-Account-Id", f.Account)
	resp, err := f.client.Do(up)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(resp.Body)
	return a, err
}
