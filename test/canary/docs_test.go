package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/spec"
)

var update = flag.Bool("update", false, "write the list of questions to docs/first-account.md, and the report in testdata")

const root = "../.."

// TestDocumented compares the list in docs/first-account.md with the questions.
func TestDocumented(t *testing.T) {
	const begin, end = "<!-- questions: written by `make golden` from test/canary -->\n", "<!-- /questions -->\n"
	page := filepath.Join(root, "docs", "first-account.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	have, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the questions: %q … %q", page, begin, end)
	}
	want := table(questions())
	if *update {
		if err := os.WriteFile(page, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s is out of date, run `make golden` (-code +page):\n%s", page, diff)
	}
}

// TestNotInCI: the canary runs only if somebody asks for it. What CI runs are its tests.
func TestNotInCI(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(makefile), "run ./test/canary"); n != 1 || !strings.Contains(string(makefile), "\ncanary: ##") {
		t.Errorf("the Makefile runs the canary in %d places, or make canary needs something", n)
	}
	for _, m := range regexp.MustCompile(`(?m)^[a-z./-]+:.*\bcanary\b`).FindAllString(string(makefile), -1) {
		if !strings.HasPrefix(m, "canary: ##") {
			t.Errorf("another target needs it: %s", m)
		}
	}
	ci, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil || strings.Contains(string(ci), "canary") {
		t.Errorf(".ci/run runs it: %v", err)
	}
}

// place is the path of a file or a folder of this repository.
var place = regexp.MustCompile(`\b(?:cmd|docs|provision|templates|test)/[\w./-]*\w`)

// TestQuestions checks that each question is complete, that its name is its own, and
// that the code which it names is there.
func TestQuestions(t *testing.T) {
	seen := map[string]bool{}
	for _, q := range questions() {
		if seen[q.Name] {
			t.Errorf("two questions are named %s", q.Name)
		}
		seen[q.Name] = true
		if !strings.HasSuffix(q.Asks, "?") || q.Assumed == "" || q.Change == "" || q.Ask == nil || q.Lane == "" {
			t.Errorf("%s is not complete", q.Name)
		}
		found := place.FindAllString(q.Relies+" "+q.Change, -1)
		if len(found) == 0 {
			t.Errorf("%s names no code", q.Name)
		}
		for _, p := range found {
			if _, err := os.Stat(filepath.Join(root, p)); err != nil {
				t.Errorf("%s: %v", q.Name, err)
			}
		}
		// A name in front of "in FILE" is one of the file's; in Change it may also be a word.
		names := regexp.MustCompile(`(\w+) in (\S+\.(?:go|sh))`).FindAllStringSubmatch(q.Relies, -1)
		names = append(names, regexp.MustCompile(`(\w*[A-Z]\w*) in (\S+\.(?:go|sh))`).FindAllStringSubmatch(q.Change, -1)...)
		for _, m := range names {
			text, err := os.ReadFile(filepath.Join(root, m[2]))
			if err != nil || !strings.Contains(string(text), m[1]) {
				t.Errorf("%s: %s is not in %s", q.Name, m[1], m[2])
			}
		}
	}
}

// TestReport looks at the report of a whole run: what the caller is called, and where,
// must not be in it.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := newTestRun(t, w)
		r.program.(*inProcess).Drop = "ecs:CreateCluster"
		begun := time.Now()
		results := asked(t, r)
		raw := r.report(results, r.clean(t.Context()), begun, "0123456789ab")
		have := r.redact.text(raw)
		for _, secret := range []string{core.DefaultAccount, "ada", "prefect.example.com", "pnu_", "ASIA"} {
			if strings.Contains(have, secret) {
				t.Errorf("the report has %q:\n%s", secret, have)
			}
		}
		if !strings.Contains(raw, core.DefaultAccount) {
			t.Error("the raw report has no account number, so this test shows nothing")
		}
		for _, q := range questions() {
			if n := strings.Count(have, "**"+q.Name+"**"); n != 1 {
				t.Errorf("the report has %s %d times", q.Name, n)
			}
		}
	})
}

// TestReportReads compares a short report with a golden file.
func TestReportReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestRun(t, newWorld())
		all := []question{named("parameter-rest"), named("caller-policy"), named("task-events"), named("hello")}
		all[0].Answered = "2027-01-03, us-east-1: 30 s"
		results := []result{
			{all[0], answer{asAssumed, "30s, with ParameterAlreadyExists \"The parameter already exists.\" (conflict)"}, 30 * time.Second},
			{all[1], answer{differs, "flowbed up said:\ncluster: create: User: arn:aws:sts::" + core.DefaultAccount +
				":assumed-role/canary-x7k2p9-up/canary-x7k2p9 is not authorized to perform: ecs:CreateCluster"}, 0},
			{all[2], answer{differs, "the event did not come in 2 minutes; 0 others came"}, 2 * time.Minute},
			{all[3], answer{notAsked, "this flowbed has no command hello"}, 0},
		}
		r.codes.add("SSM", "PutParameter", "ParameterAlreadyExists", "")
		r.codes.add("SSM", "PutParameter", "ParameterAlreadyExists", "")
		r.codes.add("ECS", "RunTask", "SomethingNewException", "It is new.")
		r.codes.add("EC2", "RunInstances", "IdempotentInstanceTerminated", "")
		begun := time.Now()
		time.Sleep(21*time.Minute + 7*time.Second)
		l := leftovers{Left: []string{"bucket " + r.bucket()}, Failed: []string{"bucket " + r.bucket() + ": AccessDenied"}, Blind: []string{"rule: no route"}}
		have := r.redact.text(r.report(results, l, begun, "0123456789ab"))
		golden := filepath.Join("testdata", "report.md")
		if *update {
			if err := os.WriteFile(golden, []byte(have), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), have); diff != "" {
			t.Errorf("the report (-want +have):\n%s", diff)
		}
	})
}

// TestConfig writes files that flowbed reads, whatever the API's address and key are.
func TestConfig(t *testing.T) {
	for _, p := range []endpoint{
		{}, {URL: "https://prefect.example.com/api", Key: "pnu_1"}, {URL: "http://prefect.example.com:4200/api"},
		{URL: "http://prefect.example.com:4200/api", Auth: `a"${b}:c`}, {URL: `https://prefect.example.com/"x"/${y}/api`},
	} {
		r := newTestRun(t, newWorld())
		r.Prefect = p
		file := filepath.Join(t.TempDir(), "config.hcl")
		if err := os.WriteFile(file, []byte(r.config("t3.micro")), 0o600); err != nil {
			t.Fatal(err)
		}
		o := spec.Options{Vars: map[string]string{}}
		if secret := p.Key + p.Auth; secret != "" {
			o.Vars["prefect_secret"] = secret
		}
		f, err := spec.Load(file, o)
		if err != nil {
			t.Errorf("%+v: %v\n%s", p, err, r.config("t3.micro"))
			continue
		}
		e, err := f.Environment(spec.Place{Account: core.DefaultAccount, Region: region})
		if err != nil {
			t.Errorf("%+v: %v", p, err)
			continue
		}
		if p.URL != "" && (e.Prefect == nil || e.Prefect.APIURL != p.URL || e.Prefect.APIKey != p.Key || e.Prefect.AuthString != p.Auth || e.Agent == nil) {
			t.Errorf("%+v became %+v", p, e.Prefect)
		}
		if e.TTL == "" || e.Tags[tag] != r.Name || strings.Contains(r.config(""), "pnu_") {
			t.Errorf("the file has a ttl, the tag and no secret:\n%s", r.config(""))
		}
	}
}
