package prefect

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/flowbed/flowbed/provision/conn"
)

// The classes of errors; use errors.Is.
var (
	ErrNotFound     = errors.New("not found")
	ErrConflict     = errors.New("already exists")
	ErrUnauthorized = errors.New("not authorized")
	ErrUnreachable  = errors.New("unreachable")
)

// Error is a failed call. Its text names the API and ends in " → " and the hint, if
// there is one. It never contains the secret.
type Error struct {
	URL    string // the API's
	Status int    // HTTP status; 0 if there was no answer
	Detail string // the API's message
	Advice string // what the user can do; may be empty
	Class  error  // one of the above, or nil
	Err    error  // why there was no answer
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("Prefect API " + e.URL + ": ")
	if e.Err != nil {
		b.WriteString(reason(e.Err))
	} else {
		fmt.Fprintf(&b, "%d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Advice != "" {
		b.WriteString(" → " + e.Advice)
	}
	return b.String()
}

// Hint is what the user can do.
func (e *Error) Hint() string { return e.Advice }

// Unwrap makes errors.Is find the class and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Class, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// reason is the innermost message of a network error. The outer ones repeat the URL.
func reason(err error) string {
	if u, ok := errors.AsType[unread](err); ok {
		return u.Error()
	}
	if e, ok := errors.AsType[*conn.Error](err); ok {
		return e.Reason()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "look up " + dns.Name + ": " + dns.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// unanswered is the error of a call that got no answer.
func (c *Client) unanswered(err error) error {
	e := &Error{URL: c.shown, Err: err, Class: ErrUnreachable, Advice: "check api_url, and that this machine can reach it"}
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		e.Advice = "if a private CA signed its certificate, set ca_file; if a company's proxy did, set AWS_CA_BUNDLE"
	case errors.As(err, new(x509.HostnameError)):
		e.Advice = "the certificate is for another name: check api_url"
	case errors.Is(err, context.Canceled):
		e.Class, e.Advice = nil, ""
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Advice = "the API does not use TLS: api_url probably starts with http://"
	default:
		if link, ok := errors.AsType[*conn.Error](err); ok && link.Advice != "" {
			e.Advice += "; " + link.Advice
		}
	}
	return e
}

// refused is the error of an answer with an error status.
func (c *Client) refused(got answer) error {
	status := got.status
	e := &Error{URL: c.shown, Status: status, Detail: detail(c.redact(got.body))}
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if to, err := url.Parse(got.header.Get("Location")); err == nil && to.Host != "" {
			e.Detail = "redirects to " + conn.Place(to)
		}
		e.Advice = "if the API has moved, set api_url to its new address, because flowbed does not send the key to another one; otherwise " + conn.ToSignIn
	case http.StatusUnauthorized:
		e.Class, e.Advice = ErrUnauthorized, c.secretAdvice()
	case http.StatusForbidden:
		e.Class, e.Advice = ErrUnauthorized, "check that the key has access to this workspace and its work pools"
	case http.StatusNotFound:
		e.Class = ErrNotFound
		if e.Detail == "" || e.Detail == "Not Found" { // from the router, not from a handler
			e.Class, e.Advice = ErrUnreachable, "there is no Prefect API at this URL: the api_url of a server ends in /api"
		}
	case http.StatusConflict:
		e.Class = ErrConflict
	default:
		if status >= 500 || status == http.StatusTooManyRequests {
			e.Class, e.Advice = ErrUnreachable, "try again later"
		}
	}
	return e
}

// redact removes the secret from an answer that repeats the request. That must happen
// before the answer is shortened, because nobody could recognize half a secret.
func (c *Client) redact(body []byte) []byte {
	for _, secret := range []string{c.key, c.auth} {
		if secret == "" {
			continue
		}
		escaped, err := json.Marshal(secret)
		if err == nil {
			body = bytes.ReplaceAll(body, escaped[1:len(escaped)-1], []byte("(secret)"))
		}
		body = bytes.ReplaceAll(body, []byte(secret), []byte("(secret)"))
		body = bytes.ReplaceAll(body, []byte(base64.StdEncoding.EncodeToString([]byte(secret))), []byte("(secret)"))
	}
	return body
}

func (c *Client) secretAdvice() string {
	switch {
	case c.key != "" && c.stored:
		return "the API refuses the key: check the secret that api_key_from names"
	case c.auth != "" && c.stored:
		return "the API refuses the user and password: check the secret that auth_string_from names"
	case c.key != "":
		return "the API refuses the key: check api_key; your own server uses auth_string instead"
	case c.auth != "":
		return "the API refuses the user and password: check auth_string; Prefect Cloud uses api_key instead"
	}
	return "the API requires authentication: set api_key for Prefect Cloud, or auth_string for your own server"
}

// detail is an answer's error message, at most 300 bytes of it.
func detail(body []byte) string {
	var said struct {
		Detail           json.RawMessage `json:"detail"`
		ExceptionMessage string          `json:"exception_message"`
		ExceptionDetail  json.RawMessage `json:"exception_detail"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	text := said.ExceptionMessage
	for _, raw := range []json.RawMessage{said.Detail, said.ExceptionDetail} {
		var s string
		switch {
		case len(raw) == 0 || string(raw) == "null":
			continue
		case json.Unmarshal(raw, &s) != nil:
			s = messages(raw)
		}
		text = strings.TrimPrefix(text+": "+s, ": ")
	}
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// messages extracts the messages of a validation error, which also repeats the
// request.
func messages(raw json.RawMessage) string {
	var list []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return ""
	}
	var out []string
	for _, m := range list {
		out = append(out, fmt.Sprintf("%s (%s)", m.Msg, strings.Trim(fmt.Sprint(m.Loc...), "[]")))
	}
	return strings.Join(out, "; ")
}

// Retry reports whether an error may be temporary: the API did not answer, or it
// answered that it is busy.
func Retry(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(e.Class, ErrUnreachable) {
		return false
	}
	_, network := errors.AsType[net.Error](e.Err)
	return network || temporary(e.Status)
}
