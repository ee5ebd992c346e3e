package spec

import (
	"errors"
	"strings"
	"testing"
)

// TestCheck checks that an error from another package points at its field if the file
// sets that field, and else at the environment. Other packages are not asked if the file
// has errors, or for down.
func TestCheck(t *testing.T) {
	asked := 0
	o := Options{Home: "testdata/home", Environ: noEnviron, Check: func(e *Environment) []Complaint {
		asked++
		if e.Region != "us-east-1" || e.Account == "" || e.Prefect.WorkPool != "flowbed-dev" {
			t.Errorf("have an incomplete environment: %+v", e)
		}
		p := e.Prefect
		return []Complaint{{Fields: []any{&p.CAFile, &p.APIURL}, Summary: "Too long", Detail: "It is too long."}}
	}}
	text := in("prefect", `api_url = "https://prefect.example.com/api"`)
	_, err := load(text, o)
	e, ok := errors.AsType[*Error](err)
	if !ok || asked != 1 || len(e.Diags) != 1 || e.Diags[0].Summary != "Too long" || e.Diags[0].Subject.Start.Line != 3 {
		t.Fatalf("have %v, asked %d times; want one error in line 4", err, asked)
	}
	if _, err := load(strings.Replace(text, "api_url", "version = \"3\"\n api_url", 1), o); err == nil || asked != 1 {
		t.Errorf("have %v, asked %d times", err, asked)
	}
	o.Destroy = true
	if _, err := load(text, o); err != nil || asked != 1 {
		t.Errorf("removal: have %v, asked %d times", err, asked)
	}
	o.Destroy, o.Check = false, func(*Environment) []Complaint { return []Complaint{{Summary: "Odd"}} }
	_, err = load(text, o)
	if e, ok := errors.AsType[*Error](err); !ok || e.Diags[0].Subject.Start.Line != 1 {
		t.Errorf("have %v, want an error at the environment", err)
	}
}
