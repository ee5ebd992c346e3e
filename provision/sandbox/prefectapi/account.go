package prefectapi

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// part holds the APIs of an account by their roots.
var part = core.Global("prefect", func(_ *core.Request, all *map[string]*API) any { return *all })

// Transport returns the network between flowbed and the APIs of an account.
func Transport(a *core.Account) http.RoundTripper { return transport{a} }

type transport struct{ account *core.Account }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
	}
	var a Answer
	var failed error
	err := t.account.Visit(func(account *core.Request) bool {
		a, failed = Send(account, Message{Now: account.Now, Method: r.Method, URL: r.URL, Header: r.Header, Body: body})
		return a.Changed
	})
	if err := errors.Join(failed, err); err != nil {
		return nil, err
	}
	return a.Response(r), nil
}

// Message is a call to the API at a URL.
type Message struct {
	Now      time.Time
	Method   string
	URL      *url.URL
	Header   http.Header
	Body     []byte
	Admitted bool // the API has let the caller in before, and need not see the secret
}

// Send sends a message to the API that answers at its URL. It returns an error if no API
// answers.
func Send(r *core.Request, m Message) (Answer, error) {
	if nowhere(m.URL.Hostname()) {
		return Answer{}, &net.DNSError{Err: "no such host", Name: m.URL.Hostname(), IsNotFound: true}
	}
	if down := r.Account.PrefectDown; down != nil && down(m.Now) {
		return Answer{}, Refused(m.URL)
	}
	root, path, ok := split(m.URL)
	if !ok {
		return notFound(), nil
	}
	d := door(r, m.URL)
	if m.Admitted {
		d.Admits = nil
	}
	all := part.Of(r)
	api := (*all)[root]
	if api == nil {
		api = new(API)
	}
	a := api.Answer(Call{m.Method, path, m.URL.Query(), m.Header, m.Body, m.Now}, d)
	if a.Changed {
		if *all == nil {
			*all = map[string]*API{}
		}
		(*all)[root] = api
	}
	return a, nil
}

// Refused is the error of a connection to a host on which nothing listens.
func Refused(u *url.URL) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect to " + u.Host + ": connection refused")}
}

// Loopback reports whether the URL of an API leads to the machine that calls it.
func Loopback(u *url.URL) bool { return loopback(u.Hostname()) }

// door tells which secrets the API at a URL accepts: Prefect Cloud accepts its own keys,
// and any other API accepts everything, unless the word "wrong" is in it.
func door(r *core.Request, u *url.URL) Door {
	d := Door{Cloud: cloud(u)}
	d.Admits = func(secret string) bool {
		switch exact := r.Account.PrefectKeys; {
		case exact != nil:
			return slices.Contains(exact, secret)
		case strings.Contains(secret, "wrong"):
			return false
		case d.Cloud:
			return strings.HasPrefix(secret, "pnu_") || strings.HasPrefix(secret, "pnb_")
		}
		return true
	}
	return d
}
