package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
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
