package prefectapi

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// Door decides which calls reach an API.
type Door struct {
	// Admits reports whether a key, or a user with a password, may call the API. It is
	// asked with an empty secret for a call that has none. nil admits everybody.
	Admits func(secret string) bool

	// Cloud answers a call without a key as a Prefect Cloud workspace does.
	Cloud bool

	// CSRF requires a token for calls that may change something.
	CSRF bool
}

const csrfToken = "csrf-token-of-the-server"

// check returns the answer to a call that must not reach the API, or nil.
func (d Door) check(c Call) *Answer {
	if secret := Secret(c.Header); d.Admits != nil && !d.Admits(secret) {
		a := Answer{Status: http.StatusUnauthorized, Body: map[string]any{"exception_message": "Unauthorized"}}
		switch {
		case c.Path == "": // GraphQL has no status codes
			a = Answer{Status: http.StatusOK, Body: map[string]any{"errors": []any{map[string]any{"message": "Unauthenticated"}}}}
		case d.Cloud && secret == "":
			a = refused(http.StatusForbidden, "Not authenticated")
		}
		return &a
	}
	if d.CSRF && c.Method != http.MethodGet && (c.Header.Get("Prefect-Csrf-Token") != csrfToken || c.Header.Get("Prefect-Csrf-Client") == "") {
		a := refused(http.StatusForbidden, "Missing CSRF token.")
		return &a
	}
	return nil
}

// token answers a request for a CSRF token.
func (d Door) token(c Call) Answer {
	if !d.CSRF {
		return refused(http.StatusUnprocessableEntity, "CSRF protection is disabled.")
	}
	return Answer{Status: http.StatusOK, Body: map[string]any{"token": csrfToken, "client": c.Query.Get("client")}}
}

// Secret returns the API key, or the user with the password, of a request's header.
func Secret(h http.Header) string {
	kind, text, _ := strings.Cut(h.Get("Authorization"), " ")
	if kind != "Basic" {
		return text
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	return string(raw)
}
