package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/view"
)

// TestGuard: a secret is struck out in every form in which texts travel.
func TestGuard(t *testing.T) {
	var b bytes.Buffer
	a := &app{secrets: []string{hidden, "short", ""}}
	inJSON, err := json.Marshal(map[string]string{"error": "refused: " + hidden})
	if err != nil {
		t.Fatal(err)
	}
	r := http.Request{Header: http.Header{}}
	r.Header.Set("Authorization", "Basic "+string(forms(hidden)[4]))
	for _, text := range []string{
		"the key is " + hidden + "!", string(inJSON), `{"html": false, "key": "pnu_` + word + `\"\\<&>%+/=` + word + `"}`,
		"<p>" + html.EscapeString(hidden) + "</p>", `n1["` + view.MermaidText(hidden) + `"]`, `n1 [label="` + view.DOTText(hidden) + `"]`,
		"https://api.example/" + url.PathEscape(hidden) + "/pools", base64.URLEncoding.EncodeToString([]byte(hidden)),
		"https://api.example/?" + url.Values{"key": {hidden}}.Encode(), r.Header.Get("Authorization"),
	} {
		b.Reset()
		n, err := a.guarded(&b).Write([]byte(text))
		if form := shows(b.Bytes()); form != "" || err != nil || n != len(text) || !bytes.Contains(b.Bytes(), []byte("(secret)")) {
			t.Errorf("%s is written as %s (%d, %v)", text, &b, n, err)
		}
	}
	b.Reset()
	if _, err := a.guarded(&b).Write([]byte("a short word")); err != nil || b.String() != "a short word" {
		t.Errorf("have %q, %v", &b, err)
	}
}

// TestGuardOfSeveral: no part of a secret is left if it has another one in it, or several lines that are
// shown one by one.
func TestGuardOfSeveral(t *testing.T) {
	const pem = "-----BEGIN KEY-----\n  c2VjcmV0\n-----END KEY-----\n"
	a := &app{secrets: []string{"hunter2", "hunter2-and-more", "say-hunter2", pem}}
	a.learned.add("hunter2-and-more-of-it")
	for text, want := range map[string]string{
		"hunter2 hunter2-and-more hunter2-and-more-of-it.": "(secret) (secret) (secret).",
		"say-hunter2!":     "(secret)!",
		pem:                "(secret)\n",
		"    c2VjcmV0 | x": "    (secret) | x",
		`{"key":"-----BEGIN KEY-----\n  c2VjcmV0\n-----END KEY-----\n"}`: `{"key":"(secret)"}`,
	} {
		var b bytes.Buffer
		if _, err := a.guarded(&b).Write([]byte(text)); err != nil || b.String() != want && b.String() != strings.TrimSuffix(want, "\n") {
			t.Errorf("%q is written as %q, want %q, %v", text, &b, want, err)
		}
	}
}
