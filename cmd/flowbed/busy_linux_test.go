package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSomethingMoves: while AWS does not answer, the terminal shows what the command waits for.
// With its answer that goes, and leaves nothing behind.
func TestSomethingMoves(t *testing.T) {
	for args, want := range map[string]string{
		"list --region us-east-1": "Checking AWS credentials", "doctor": "Checking AWS credentials", "plan": "Checking AWS credentials",
		"unlock": "Checking AWS credentials", "agent logs": "Checking AWS credentials", "outputs": "Checking AWS credentials",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			answer := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-answer:
				case <-r.Context().Done():
				}
				w.WriteHeader(http.StatusForbidden)
			}))
			defer server.Close()
			d := talk(t, configured(t, bareConfig), "", []string{
				"TERM=xterm", "CI=", "FLOWBED_SANDBOX=", "AWS_ENDPOINT_URL=" + server.URL, "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=x",
			}, strings.Fields(args)...)
			if !d.until(want) {
				t.Fatalf("nothing moves: %s", &d.said)
			}
			close(answer)
			_, said := d.end()
			last := said[strings.LastIndex(said, want):]
			if !strings.Contains(last, "\r\x1b[K") || strings.Contains(last[strings.LastIndex(last, "\r\x1b[K"):], want) {
				t.Errorf("left behind: %q", last)
			}
		})
	}
}
