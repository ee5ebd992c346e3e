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
	"strings"
)

// What an error means; use errors.Is.
var (
	ErrNotFound     = errors.New("not found")
	ErrConflict     = errors.New("exists already")
	ErrUnauthorized = errors.New("not authorised")
	ErrUnreachable  = errors.New("unreachable")
)

// Error is a call that failed. Its text names the API, but never the secret.
type Error struct {
	URL    string // the API's
	Status int    // of HTTP; 0 if there was no answer
	Detail string // what the API said
	Hint   string // what to do
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
	if e.Hint != "" {
		b.WriteString(". " + e.Hint)
	}
	return b.String()
}

// Unwrap lets errors.Is find the class and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Class, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// reason is the innermost sentence of a network error: what stands around it
// repeats the URL.
func reason(err error) string {
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

// unanswered makes an error of a call without an answer.
func (c *Client) unanswered(err error) error {
	e := &Error{URL: c.shown, Err: err, Class: ErrUnreachable, Hint: "Check api_url, and whether it can be reached from here."}
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		e.Hint = "If a private authority signed its certificate, set ca_file."
	case errors.As(err, new(x509.HostnameError)):
		e.Hint = "The certificate is for another name. Check api_url."
	case errors.Is(err, context.Canceled):
		e.Class, e.Hint = nil, ""
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Hint = "It answers without TLS: api_url may have to begin with http://."
	}
	return e
}

// refused makes an error of an answer that is none of the good ones.
func (c *Client) refused(status int, body []byte) error {
	e := &Error{URL: c.shown, Status: status, Detail: detail(c.strike(body))}
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		e.Hint = "The API has moved. Set api_url to where it is now; the key is not sent after it."
	case http.StatusUnauthorized:
		e.Class, e.Hint = ErrUnauthorized, c.secretHint()
	case http.StatusForbidden:
		e.Class, e.Hint = ErrUnauthorized, "Check that the key may see this workspace and change its work pools."
	case http.StatusNotFound:
		e.Class = ErrNotFound
		if e.Detail == "" || e.Detail == "Not Found" { // the router's word, not a handler's
			e.Class, e.Hint = ErrUnreachable, "This is not the root of a Prefect API. A server's api_url ends in /api."
		}
	case http.StatusConflict:
		e.Class = ErrConflict
	default:
		if status >= 500 || status == http.StatusTooManyRequests {
			e.Class, e.Hint = ErrUnreachable, "Try again later."
		}
	}
	return e
}

// strike takes the secret out of an answer that repeats what it was sent, before
// the answer is shortened: half a secret could not be told from other text.
func (c *Client) strike(body []byte) []byte {
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

func (c *Client) secretHint() string {
	switch {
	case c.key != "":
		return "It refuses the key: check api_key. (A server of your own takes auth_string instead.)"
	case c.auth != "":
		return "It refuses the user and password: check auth_string. (Prefect Cloud takes api_key instead.)"
	}
	return "It asks for authentication: set api_key for Prefect Cloud, or auth_string for a server of your own."
}

// detail is what an answer says about the error, in at most 300 bytes.
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

// messages are the sentences of a validation error. It also repeats what was
// sent, which nobody wants to read.
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

// Retry reports whether an error may pass by itself: the API did not answer, or
// said that it cannot at present.
func Retry(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(e.Class, ErrUnreachable) {
		return false
	}
	_, network := errors.AsType[net.Error](e.Err)
	return network || passing(e.Status)
}
