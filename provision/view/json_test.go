package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

var outputs = []Output{
	{Name: "bucket", Value: "flowbed-dev-123456789012-eu-central-1-an"},
	{Name: "subnets", List: []string{"subnet-0a1", "subnet-0b2"}},
	{Name: "public_ip", Value: "203.0.113.20"},
}

// exampleReceipt is of a down that a bucket has stopped.
func exampleReceipt(w io.Writer) error {
	began := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	left := provision.Plan{Actions: []provision.Action{
		{Step: "agent instance"},
		{Step: "cluster", Op: provision.Skip},
		{Step: "execution role", Op: provision.Skip},
		{Step: "agent security group", Object: "sg-0a1", Op: provision.Delete, Owner: ours},
	}}
	return ReceiptJSON(w, testHeader, DownResult{Began: began, Ended: began.Add(90 * time.Second), Left: &left,
		Planned: provision.Plan{Actions: []provision.Action{
			{Step: "agent instance", Object: "i-0a1", Op: provision.Delete, Owner: ours},
			{Step: "key pair"},
			{Step: "cluster", Object: "default", Op: provision.Skip, Notes: []provision.Note{{Text: "was created outside flowbed"}}},
			{Step: "execution role", Object: "ecsTaskExecutionRole", Op: provision.Release,
				Owner: provision.Owner{By: "ci@eu-central-1", Claims: []string{"ci@eu-central-1", "dev@eu-central-1"}},
				Notes: []provision.Note{{Text: "still used by ci@eu-central-1"}}},
			{Step: "agent security group", Object: "sg-0a1", Op: provision.Delete, Owner: ours},
		}},
		Err: &provision.StepError{Step: "agent security group", Doing: "delete",
			Err:   errors.New("DependencyViolation: resource sg-0a1 has a dependent object (for 2m0s)"),
			Cause: "sg-0a1 is used by the network interface eni-0b2 of i-0f3"},
	}, Options{})
}

// upLines is a run that fails in one step.
func upLines(w io.Writer) error {
	l := NewJSONLines(w, Options{Header: testHeader, Verb: "up", Hint: func(error) string { return "ask for the permission" }})
	l.Plan(provision.Plan{Actions: []provision.Action{
		{Step: "bucket", Op: provision.Create, Changes: []provision.Change{{Field: "versioning", To: text("on")}}},
		{Step: "api key parameter", Op: provision.Create, Changes: []provision.Change{{Field: "value", To: provision.Secret()}}},
		{Step: "agent instance", Op: provision.Create, Changes: []provision.Change{{Field: "profile", To: provision.Unknown()}}},
	}}, someCost)
	event := func(wait time.Duration, step string, k provision.EventKind, detail string, elapsed time.Duration, err error) {
		time.Sleep(wait)
		l.Notify(provision.Event{Time: time.Now(), Step: step, Kind: k, Op: provision.Create, Detail: detail, Elapsed: elapsed, Err: err})
	}
	ms := time.Millisecond
	event(0, "bucket", provision.Started, "", 0, nil)
	event(0, "bucket", provision.Acting, "create", 0, nil)
	event(80*ms, "bucket", provision.Waiting, "AWS to show it", 80*ms, nil)
	event(200*ms, "bucket", provision.Done, "", 280*ms, nil)
	event(0, "api key parameter", provision.Started, "", 0, nil)
	event(20*ms, "api key parameter", provision.Waiting, "AWS to show it", 20*ms, errors.New("TooManyUpdates: try again"))
	denied := &provision.StepError{Step: "api key parameter", Doing: "create", Err: errors.New("AccessDenied: not authorized to perform ssm:PutParameter")}
	event(200*ms, "api key parameter", provision.Failed, "create", 220*ms, denied)
	event(0, "agent instance", provision.Skipped, "api key parameter", 0, nil)
	l.Outputs(outputs)
	return l.Done(Outcome{Elapsed: 502 * ms, Err: errors.Join(denied)})
}

func downLines(w io.Writer) error {
	l := NewJSONLines(w, Options{Header: testHeader, Verb: "down"})
	l.Notify(provision.Event{Time: time.Now(), Step: "agent instance", Op: provision.Delete, Kind: provision.Done, Elapsed: time.Minute})
	return l.Done(Outcome{Elapsed: time.Minute, Left: &provision.Plan{Actions: []provision.Action{
		{Step: "agent instance"}, {Step: "cluster", Op: provision.Skip}, {Step: "agent security group", Op: provision.Delete, Owner: ours},
	}}})
}

var examplePlan = provision.Plan{Actions: []provision.Action{
	{Step: "bucket", Owner: ours},
	{Step: "task role", Op: provision.Update, Owner: ours, Changes: []provision.Change{
		{Field: "policy flows", From: doc(`{"Statement":[]}`), To: doc(`{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`)},
	}},
	{Step: "api key parameter", Op: provision.Create, Changes: []provision.Change{{Field: "value", To: provision.Secret()}}},
	{Step: "cluster", Op: provision.Use, Notes: []provision.Note{{Severity: provision.Warn, Text: "has no FARGATE_SPOT"}}},
	{Step: "agent instance", Op: provision.Replace, Owner: ours, Changes: []provision.Change{
		{Field: "type", From: text("t2.micro"), To: text("t3.small"), Replace: true, Why: "EC2 changes it only while stopped"},
	}},
}}

var someBuild = Build{Version: "0.3.0", Commit: "0123456789abcdef0123456789abcdef01234567", Date: "2026-11-26T08:00:00Z", Go: "go1.26.8", Platform: "linux/amd64"}

var someValidation = Validation{Config: "config.hcl", Problems: []Problem{{Severity: "error", Summary: "unknown block",
	Detail: `An environment block has no block "buckets".`, Hint: `did you mean "bucket"?`, File: "config.hcl", Line: 4, Column: 3}}}

var someLock = Lock{Holder: "ada@workstation", Command: "up", PID: 4711,
	Since: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC), Expires: time.Date(2026, 11, 26, 8, 2, 0, 0, time.UTC)}

// TestDocumentation keeps the examples of docs/json.md true.
func TestDocumentation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const path = "../../docs/json.md"
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		have := string(b)
		for _, example := range []struct {
			name  string
			write func(io.Writer) error
		}{ // in this order, because the clock of the last one moves
			{"plan", func(w io.Writer) error { return PlanJSON(w, testHeader, "up", examplePlan, someCost) }},
			{"saved", exampleSavedPlan},
			{"down", downLines},
			{"receipt", exampleReceipt},
			{"list", func(w io.Writer) error {
				return EnvironmentsJSON(w, someEnvironments[:2], someTime, nil, false, Options{Verb: "list", Header: testHeader})
			}},
			{"show", func(w io.Writer) error {
				return ConfigJSON(w, "dev", json.RawMessage(`{"region":"eu-central-1","logs":{"retention_days":30},"prefect":{"api_key":{"secret":true},"version":"3.9.1"}}`))
			}},
			{"outputs", func(w io.Writer) error { return OutputsJSON(w, testHeader, outputs) }},
			{"doctor", func(w io.Writer) error { return CheckupJSON(w, testHeader, someChecks, someCost) }},
			{"validation", func(w io.Writer) error { return ValidationJSON(w, someValidation) }},
			{"lock", func(w io.Writer) error { return LockJSON(w, testHeader, &someLock, false) }},
			{"version", func(w io.Writer) error { return BuildJSON(w, someBuild, someTime) }},
			{"hello", flowLines},
			{"up", upLines},
		} {
			var text bytes.Buffer
			if err := example.write(&text); err != nil {
				t.Fatal(err)
			}
			mark := fmt.Sprintf("<!-- example: %s -->\n```json\n", example.name)
			before, rest, ok := strings.Cut(have, mark)
			_, after, ok2 := strings.Cut(rest, "```\n")
			if !ok || !ok2 {
				t.Fatalf("%s has no example %s", path, example.name)
			}
			have = before + mark + text.String() + "```\n" + after
		}
		if *update {
			if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		if d := cmp.Diff(string(b), have); d != "" {
			t.Errorf("%s (-is +should be):\n%s", path, d)
		}
	})
}

// Every line is one object with a type and a time in UTC; the first says the
// version, the last sums up.
func TestLines(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{"up": upLines, "down": downLines} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			var types []string
			for line := range strings.Lines(b.String()) {
				var l struct {
					Type string
					Time time.Time
				}
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				if l.Time.IsZero() || l.Time.Location() != time.UTC {
					t.Errorf("%s: time %s", l.Type, l.Time)
				}
				types = append(types, l.Type)
			}
			want := map[string][]string{
				"up":   {"version", "plan", "start", "act", "wait", "done", "start", "wait", "fail", "skip", "outputs", "summary"},
				"down": {"version", "done", "summary"},
			}
			if d := cmp.Diff(want[name], types); d != "" {
				t.Error(d)
			}
		})
	}
}

// All plans, in all forms, are valid JSON, and a broken document is a text.
func TestPlanJSON(t *testing.T) {
	for name, p := range map[string]provision.Plan{
		"creation": creation, "drift": drift, "trouble": trouble, "down": removal, "hostile": hostile, "empty": {},
	} {
		var b bytes.Buffer
		if err := PlanJSON(&b, testHeader, "up", p, nil); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b.Bytes()) {
			t.Errorf("%s is no JSON", name)
		}
		golden(t, "json/"+name, b.String())
	}
}
