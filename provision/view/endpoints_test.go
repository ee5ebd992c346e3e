package view

import (
	"io"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// spread is the header of an account whose services have different endpoints.
func spread(general string) Header {
	h := testHeader
	h.Endpoint = general
	h.Endpoints = map[string]string{"s3": "http://127.0.0.1:9000", "cloudwatch_logs": "http://x\x1b[2J"}
	return h
}

func TestPlaces(t *testing.T) {
	for general, want := range map[string]string{
		"":                      "all others at AWS",
		"http://127.0.0.1:5000": "all others at http://127.0.0.1:5000",
	} {
		want = `cloudwatch_logs at http://x\x1b[2J, s3 at http://127.0.0.1:9000, ` + want
		if have := spread(general).Places(); have != want {
			t.Errorf("have %s\nwant %s", have, want)
		}
	}
}

// Every document with a header has the endpoints.
func TestEndpointsInJSON(t *testing.T) {
	h := spread("")
	for name, write := range map[string]func(io.Writer, Header) error{
		"plan":    func(w io.Writer, h Header) error { return PlanJSON(w, h, "up", provision.Plan{}, nil) },
		"outputs": func(w io.Writer, h Header) error { return OutputsJSON(w, h, nil) },
		"doctor":  func(w io.Writer, h Header) error { return CheckupJSON(w, h, nil, nil) },
		"receipt": func(w io.Writer, h Header) error { return ReceiptJSON(w, h, DownResult{}, Options{}) },
		"list": func(w io.Writer, h Header) error {
			return EnvironmentsJSON(w, nil, someTime, nil, true, Options{Header: h})
		},
		"run":   func(w io.Writer, h Header) error { return NewJSONLines(w, Options{Header: h}).Done(Outcome{}) },
		"hello": func(w io.Writer, h Header) error { return NewFlowRunJSON(w, Options{Header: h}).Done(RunResult{}) },
	} {
		for _, c := range []struct {
			h    Header
			want bool
		}{{h, true}, {testHeader, false}} {
			var b strings.Builder
			if err := write(&b, c.h); err != nil {
				t.Fatal(err)
			}
			text := strings.NewReplacer(" ", "", "\n", "").Replace(b.String())
			if have := strings.Contains(text, `"service_endpoints":{"cloudwatch_logs":"http://x\u001b[2J","s3":"http://127.0.0.1:9000"}`); have != c.want {
				t.Errorf("%s: the endpoints are in it: %v, want %v\n%s", name, have, c.want, b.String())
			}
		}
	}
}
