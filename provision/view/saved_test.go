package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

var someConfig = map[string]string{"name": "dev", "agent.instance_type": "t2.micro", "agent.setup": strings.Repeat("x", 500), "prefect.api_key": "(secret)"}

var savedExample = SavedPlan{
	Program: "0.3.0", Verb: "up", Header: testHeader, Flags: []string{"--force-destroy-bucket"},
	Config: map[string]string{"name": "dev", "region": "eu-central-1", "prefect.api_key": "(secret)"},
}

func exampleSavedPlan(w io.Writer) error {
	s, err := NewSavedPlan(savedExample, provision.Plan{Actions: examplePlan.Actions[1:3]})
	if err != nil {
		return err
	}
	return WriteSavedPlan(w, s)
}

func savedOf(t *testing.T, p provision.Plan) SavedPlan {
	t.Helper()
	s := savedExample
	s.Config = someConfig
	s, err := NewSavedPlan(s, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func textOf(t *testing.T, s SavedPlan) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteSavedPlan(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSavedPlan: what is read is what was written, and it has not moved.
func TestSavedPlan(t *testing.T) {
	for name, p := range map[string]provision.Plan{"creation": creation, "drift": drift, "down": removal, "hostile": hostile, "empty": {}} {
		saved := savedOf(t, p)
		read, err := ReadSavedPlan(strings.NewReader(textOf(t, saved)), "plan.json", "0.3.0")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if read.Fingerprint != saved.Fingerprint || len(read.Fingerprint) != 32 {
			t.Errorf("%s: fingerprint %s, want %s", name, read.Fingerprint, saved.Fingerprint)
		}
		if moved, err := read.Moved(someConfig, p); err != nil || len(moved) > 0 {
			t.Errorf("%s has moved: %q, %v", name, moved, err)
		}
		if d := read.Elsewhere(testHeader); len(d) > 0 {
			t.Errorf("%s is elsewhere: %q", name, d)
		}
		if again := textOf(t, read); again != textOf(t, saved) {
			t.Errorf("%s is written otherwise:\n%s", name, again)
		}
	}
}

// TestSavedPlanFingerprint: it is that of what would be done, not of who asks when.
func TestSavedPlanFingerprint(t *testing.T) {
	one, other := savedOf(t, drift), savedExample
	other.Config, other.Header.Caller, other.Program = someConfig, "arn:aws:iam::123456789012:user/grace", "0.4.0"
	other, err := NewSavedPlan(other, drift)
	if err != nil || other.Fingerprint != one.Fingerprint {
		t.Errorf("fingerprint %s of another caller, want %s, %v", other.Fingerprint, one.Fingerprint, err)
	}
	for name, change := range map[string]func(*SavedPlan){
		"flags":  func(s *SavedPlan) { s.Flags = nil },
		"verb":   func(s *SavedPlan) { s.Verb = "down" },
		"config": func(s *SavedPlan) { s.Config = map[string]string{"name": "dev"} },
		"region": func(s *SavedPlan) { s.Header.Region = "us-east-1" },
	} {
		s := savedExample
		s.Config = someConfig
		change(&s)
		if s, err := NewSavedPlan(s, drift); err != nil || s.Fingerprint == one.Fingerprint {
			t.Errorf("%s: the same fingerprint, %v", name, err)
		}
	}
}

// TestSavedPlanHides: what the guard finds is in neither the file nor the comparison.
func TestSavedPlanHides(t *testing.T) {
	s := savedExample
	s.Config = map[string]string{"agent.env.TOKEN": "hunter2222"}
	s.Hide = func(text []byte) []byte { return bytes.ReplaceAll(text, []byte("hunter2222"), []byte("(secret)")) }
	p := provision.Plan{Actions: []provision.Action{{Step: "work pool", Op: provision.Update, Changes: []provision.Change{{Field: "env", To: text("hunter2222")}}}}}
	saved, err := NewSavedPlan(s, p)
	if err != nil {
		t.Fatal(err)
	}
	file := textOf(t, saved)
	if strings.Contains(file, "hunter") {
		t.Errorf("the file has it:\n%s", file)
	}
	read, err := ReadSavedPlan(strings.NewReader(file), "plan.json", "0.3.0")
	if err != nil {
		t.Fatal(err)
	}
	read.Hide = s.Hide
	if moved, err := read.Moved(s.Config, p); err != nil || len(moved) > 0 {
		t.Errorf("it has moved: %q, %v", moved, err)
	}
}

// TestSavedPlanRefuses: each file that is no plan of this flowbed says what and where, and what to do.
func TestSavedPlanRefuses(t *testing.T) {
	good := textOf(t, savedOf(t, drift))
	for name, c := range map[string]struct{ text, what, todo string }{
		"empty":            {"", "p.json is empty", "plan --out p.json"},
		"blank":            {"\n \n", "p.json is empty", "plan --out"},
		"truncated":        {good[:len(good)/2], "p.json is cut off at line ", "plan --out"},
		"one byte":         {good[:1], "p.json is cut off at line 1, column 1", "plan --out"},
		"twice":            {good + good, "something follows its end at line ", "plan --out"},
		"no JSON":          {"environment \"dev\" {}", "it is no JSON at line 1, column 1", "plan --out"},
		"a list":           {"[]", "line 1, column 1", "plan --out"},
		"null":             {"null", "p.json is not a saved plan of flowbed", "plan --out"},
		"another's":        {`{"format_version": "1.2", "terraform_version": "1.9"}`, "p.json is not a saved plan of flowbed", "plan --out"},
		"plan --json":      {`{"format_version": "2", "type": "plan", "verb": "up"}`, "is what --json prints", "plan --out"},
		"another version":  {strings.Replace(good, `"0.3.0"`, `"0.9.1"`, 1), "is a plan of flowbed 0.9.1, and this is flowbed 0.3.0", "use the version that made the plan, or make it again"},
		"no version":       {strings.Replace(good, `"0.3.0"`, `7`, 1), "of an unknown version", "use the version"},
		"another format":   {strings.Replace(good, `"format_version": "2"`, `"format_version": "3"`, 1), "they may plan differently", "use the version"},
		"another action":   {strings.Replace(good, `"action": "delete"`, `"action": "none"`, 1), "was changed after flowbed wrote it: its fingerprint", "plan --out"},
		"another flag":     {strings.Replace(good, `--force-destroy-bucket`, `--force-destroy`, 1), "was changed after flowbed wrote it", "plan --out"},
		"another verb":     {strings.Replace(good, `"verb": "up"`, `"verb": "sideways"`, 1), "was changed after flowbed wrote it", "plan --out"},
		"a new member":     {strings.Replace(good, `"flags"`, `"more": 1, "flags"`, 1), `was changed after flowbed wrote it: unknown field "more"`, "plan --out"},
		"a wrong type":     {strings.Replace(good, `"flags": [`, `"flags": "all", "x": [`, 1), "was changed after flowbed wrote it: at line ", "plan --out"},
		"no time":          {strings.Replace(good, `"created": "20`, `"created": "x20`, 1), "created is not a time", "plan --out"},
		"of down, cut off": {strings.Replace(good, `"verb": "up"`, `"verb": "down"`, 1)[:len(good)-9], "p.json is cut off", "`flowbed plan --down --out p.json`"},
		"deep":             {strings.Repeat("[", 20000), "it is no JSON at line 1", "plan --out"},
		"huge":             {`{"type": "` + strings.Repeat("x", LargestSavedPlan) + `"}`, "p.json is larger than 16 MiB", "plan --out"},
	} {
		_, err := ReadSavedPlan(strings.NewReader(c.text), "p.json", "0.3.0")
		e, ok := errors.AsType[*SavedPlanError](err)
		if !ok || !strings.Contains(e.What, c.what) || !strings.Contains(e.Hint(), c.todo) {
			t.Errorf("%s: %v → %+v", name, err, e)
		}
		if ours := strings.TrimSpace(c.text) == "" || strings.Contains(c.text, `"saved-plan"`); ok && strings.Contains(e.Hint(), "p.json") != ours {
			t.Errorf("%s: a command would write over a file that is no plan: %s", name, e.Hint())
		}
		if strings.Contains(c.text, "0.3.0") == false && ok && len(e.What) > 200 {
			t.Errorf("%s: the message is long: %s", name, e.What)
		}
	}
	broken := errors.New("disk on fire")
	if _, err := ReadSavedPlan(failing{broken}, "p.json", "0.3.0"); !errors.Is(err, broken) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// moved is a plan with one action that differs.
func moved(p provision.Plan, at int, change func(*provision.Action)) provision.Plan {
	p.Actions = slices.Clone(p.Actions)
	p.Actions[at].Changes, p.Actions[at].Notes = slices.Clone(p.Actions[at].Changes), slices.Clone(p.Actions[at].Notes)
	change(&p.Actions[at])
	return p
}

// TestMoved: each difference is named, with its object.
func TestMoved(t *testing.T) {
	warning := provision.Note{Severity: provision.Warn, Text: "opens the key"}
	for name, c := range map[string]struct {
		plan provision.Plan
		want []string
	}{
		"an action":      {moved(drift, 0, func(a *provision.Action) { a.Op, a.Object = provision.Replace, "flows" }), []string{"bucket: unchanged in the plan, replace now; object (none) in the plan, flows now"}},
		"nothing to do":  {moved(drift, 1, func(a *provision.Action) { a.Op, a.Changes = provision.None, nil }), []string{"task role: change in the plan, nothing to do now"}},
		"an owner":       {moved(drift, 0, func(a *provision.Action) { a.Owner = theirs }), []string{"bucket: owner dev@eu-central-1 in the plan, prod@eu-central-1 now"}},
		"a field more":   {moved(drift, 0, func(a *provision.Action) { a.Changes = []provision.Change{{Field: "acl", From: text("public")}} }), []string{"bucket: acl differs now: public → (none)"}},
		"a field less":   {moved(drift, 1, func(a *provision.Action) { a.Changes = a.Changes[1:] }), []string{"task role: tags no longer differs"}},
		"another value":  {moved(drift, 1, func(a *provision.Action) { a.Changes[0].From = text("team=x") }), []string{"task role: tags: team=ml → team=data in the plan, team=x → team=data now"}},
		"a document":     {moved(drift, 1, func(a *provision.Action) { a.Changes[2].From = doc(newPolicy) }), []string{"task role: policy stray: Allow sts:AssumeRole"}},
		"a new object":   {moved(drift, 5, func(a *provision.Action) { a.Changes[1].Replace = false }), []string{"agent instance: type: t2.micro → t3.small, by a new object in the plan, t2.micro → t3.small now"}},
		"a step less":    {provision.Plan{Actions: drift.Actions[1:]}, []string{"bucket: in the plan (unchanged), and not any more"}},
		"a step more":    {provision.Plan{Actions: append(slices.Clone(drift.Actions), provision.Action{Step: "key pair", Object: "flowbed-dev", Op: provision.Delete})}, []string{"key pair flowbed-dev: not in the plan (delete now)"}},
		"a warning":      {moved(drift, 0, func(a *provision.Action) { a.Notes = []provision.Note{warning} }), []string{"bucket: new: warning: opens the key"}},
		"an information": {moved(drift, 3, func(a *provision.Action) { a.Notes[0].Text = "holds 13 GB" }), nil},
		"sharers":        {moved(drift, 0, func(a *provision.Action) { a.Owner.Claims = []string{"ci@eu-central-1"} }), nil},
		"two":            {moved(moved(drift, 0, func(a *provision.Action) { a.Op = provision.Update }), 6, func(a *provision.Action) { a.Op = provision.Skip }), []string{"bucket: unchanged in the plan, change now", "old group: delete in the plan, skip now"}},
	} {
		have, err := savedOf(t, drift).Moved(someConfig, c.plan)
		if err != nil || len(have) != len(c.want) {
			t.Errorf("%s: %q, %v", name, have, err)
			continue
		}
		for i := range have {
			if !strings.HasPrefix(have[i], c.want[i]) {
				t.Errorf("%s: %q, want %q", name, have[i], c.want[i])
			}
		}
	}
}

func TestMovedConfig(t *testing.T) {
	now := map[string]string{"name": "dev", "agent.instance_type": "t3.small", "agent.setup": strings.Repeat("y", 500), "tags.team": "data"}
	have, err := savedOf(t, drift).Moved(now, drift)
	want := []string{
		"config file: agent.instance_type: t2.micro in the plan, t3.small now",
		"config file: agent.setup: 500 bytes, sha256 ",
		"config file: prefect.api_key: (secret) in the plan, (none) now",
		"config file: tags.team: (none) in the plan, data now",
	}
	if err != nil || len(have) != len(want) {
		t.Fatalf("%q, %v", have, err)
	}
	for i := range want {
		if !strings.HasPrefix(have[i], want[i]) {
			t.Errorf("have %s\nwant %s", have[i], want[i])
		}
	}
}

func TestElsewhere(t *testing.T) {
	now := testHeader
	now.Account, now.Caller, now.Sandbox, now.Endpoint = "210987654321", "arn:aws:iam::210987654321:user/ada", true, "http://127.0.0.1:5000"
	now.Endpoints = map[string]string{"s3": "http://127.0.0.1:9000"}
	want := []string{
		"account: 123456789012 in the plan, 210987654321 now", "sandbox: false in the plan, true now",
		"endpoint: (none) in the plan, http://127.0.0.1:5000 now",
		"endpoints of AWS services: all others at AWS in the plan, s3 at http://127.0.0.1:9000, all others at the embedded sandbox now",
	}
	if d := cmp.Diff(want, savedOf(t, drift).Elsewhere(now)); d != "" {
		t.Error(d)
	}
}

// FuzzSavedPlan: whatever is in a file, reading it ends with a plan that can be written again, or
// with an error that says what to do.
func FuzzSavedPlan(f *testing.F) {
	for _, p := range []provision.Plan{creation, drift, removal, hostile, {}} {
		s := savedExample
		s.Config = someConfig
		s, err := NewSavedPlan(s, p)
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if err := WriteSavedPlan(&b, s); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()/3])
	}
	f.Add([]byte(`{"format_version":"2","type":"saved-plan","flowbed":"0.3.0","steps":[{"changes":[{"from":{}}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ReadSavedPlan(bytes.NewReader(text), "p.json", "0.3.0")
		if err != nil {
			e, ok := errors.AsType[*SavedPlanError](err)
			if !ok || e.What == "" || e.Todo == "" || strings.Contains(e.What, "\n") {
				t.Fatalf("%#v", err)
			}
			return
		}
		if _, err := s.Moved(nil, drift); err != nil {
			t.Fatal(err)
		}
		again, err := ReadSavedPlan(strings.NewReader(textOf(t, s)), "p.json", "0.3.0")
		if err != nil || again.Fingerprint != s.Fingerprint {
			t.Fatalf("%v:\n%s", err, text)
		}
	})
}

// TestSummaryOf: a file counts as the plan does.
func TestSummaryOf(t *testing.T) {
	for name, p := range map[string]provision.Plan{"creation": creation, "drift": drift, "down": removal, "unchanged": unchanged, "empty": {}} {
		d := planJSON("", p)
		text, err := json.Marshal(d.Summary)
		if err != nil {
			t.Fatal(err)
		}
		have, err := json.Marshal(savedOf(t, p).json().Summary)
		if err != nil || string(have) != string(text) {
			t.Errorf("%s: %s, want %s, %v", name, have, text, err)
		}
	}
}

// TestSavedPlanTime: the time is that of the plan.
func TestSavedPlanTime(t *testing.T) {
	s := savedOf(t, drift)
	s.Created = time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	read, err := ReadSavedPlan(strings.NewReader(textOf(t, s)), "p.json", "0.3.0")
	if err != nil || !read.Created.Equal(s.Created) {
		t.Errorf("%v, %v", read.Created, err)
	}
}
