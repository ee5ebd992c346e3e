package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

// TestMain lets the test's own binary be the real program, when it is called by
// its name.
func TestMain(m *testing.M) {
	sandboxSetup = 0 // also in the program that the scripts run
	testscript.Main(m, map[string]func(){"flowbed": main, "flowbed-unguarded": unguarded, "flowbed-endless": endless})
}

// endless is the program with agents that never get ready: up waits until it is stopped.
func endless() {
	sandboxSetup = 1000 * time.Hour
	main()
}

// sentinel is the API key in all scripts. After each command it must be neither
// in what was printed nor in any file.
const sentinel = "pnu_sentinel0123456789abcdef"

func TestScripts(t *testing.T) {
	example, err := os.ReadFile("../../config.hcl.example")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			server := httptest.NewServer(http.HandlerFunc(refuse))
			e.Defer(server.Close)
			e.Vars = append(e.Vars, "HOME="+home, "FLOWBED_SANDBOX=1", "FLOWBED_VAR_api_key="+sentinel,
				"AWS_EC2_METADATA_DISABLED=true", "SERVER="+server.URL)
			if err := os.MkdirAll(home, 0o700); err != nil {
				return err
			}
			if err := network(e); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "config.hcl.example"), example, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "tidy": tidy, "json": isJSON, "follows": followsSchema, "edit": edit, "pick": pick,
		},
	})
}

// refuse answers each call with the error that its path names. Below /caller it
// tells who is calling, and lets those with the MFA code 123456 assume a role.
func refuse(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/xml")
	if strings.HasPrefix(r.URL.Path, "/caller/") && r.FormValue("Action") == "GetCallerIdentity" {
		fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
			`<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/ada</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/caller/") && r.FormValue("TokenCode") == "123456" {
		fmt.Fprint(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>`+
			`<AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>example</SecretAccessKey><SessionToken>example</SessionToken>`+
			`<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
		return
	}
	w.WriteHeader(http.StatusForbidden)
	if r.Header.Get("X-Amz-Target") != "" { // of a service that speaks JSON
		fmt.Fprintf(w, `{"__type": %q, "message": "as the test wishes"}`, path.Base(r.URL.Path))
		return
	}
	fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>`+
		`<Code>%s</Code><Message>as the test wishes</Message></Error></ErrorResponse>`, path.Base(r.URL.Path))
}

// exits runs a command that has to end with a code: exits CODE COMMAND ARGS… It prints no
// secret, and with --json what docs/schemas describes.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command [args]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	have := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		have = e.ExitCode()
	}
	if have != want {
		ts.Fatalf("exit code %d, want %d", have, want)
	}
	for _, name := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(name), sentinel) {
			ts.Fatalf("the secret is in %s", name)
		}
	}
	if slices.Contains(args, "--json") {
		ts.Check(checkSchemas(ts.ReadFile("stdout")))
	}
	ts.Check(filepath.WalkDir(ts.Getenv("WORK"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		if bytes.Contains(b, []byte(sentinel)) {
			return fmt.Errorf("the secret is in %s", p)
		}
		if errors.Is(err, fs.ErrPermission) { // a script has made it unreadable
			err = nil
		}
		return err
	}))
}

// What differs from run to run: times, the ids that the sandbox counts while
// steps run together, and how long the user data is, which is of no interest here.
var changing = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\b\d+\.\ds\b`), "N.Ns"},
	{regexp.MustCompile(`\b(sg|i)-0[0-9a-f]{16}\b`), "$1-N"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000\b`), "TIME"},
	{regexp.MustCompile(`\b(prefect|fetch-secret)\[\d+\]`), "$1[N]"},
	{regexp.MustCompile(`(user data +)\d+ lines`), "${1}N lines"},
	{regexp.MustCompile(`(us-east-1 +)\d+[sm] +`), "${1}N  "}, // the age in a list
	{regexp.MustCompile(`(flowbed-hello[-/]|/dev-|/broken-)[a-z2-7]{8}\b`), "${1}ID"},
	{regexp.MustCompile(`(amber-heron-)\d+`), "${1}N"},
	{regexp.MustCompile(`\b[0-9a-f]{8}(-0000-4000-8000-|: )`), "N$1"}, // a run, or a task
}

// tidy writes what was printed to a file, without what differs from run to run.
// Lines of progress are sorted, since steps that do not need each other run
// together: tidy [-sort] stdout|stderr FILE
func tidy(ts *testscript.TestScript, neg bool, args []string) {
	sorted := len(args) > 0 && args[0] == "-sort"
	if sorted {
		args = args[1:]
	}
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tidy [-sort] stdout|stderr file")
	}
	text := ts.ReadFile(args[0])
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.with)
	}
	if sorted {
		lines := strings.SplitAfter(text, "\n")
		slices.Sort(lines)
		text = strings.Join(lines, "")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// isJSON checks that stdout is JSON documents of which the first says the
// format's version, and that they are of the given types, in this order; a type
// stands for all that follow each other: json TYPE…
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: json type...")
	}
	var have []string
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	for first := true; ; first = false {
		var doc struct {
			Version string `json:"format_version"`
			Type    string
		}
		err := d.Decode(&doc)
		if err == io.EOF {
			break
		}
		ts.Check(err)
		if first && doc.Version != "2" {
			ts.Fatalf("the first document has the format %q", doc.Version)
		}
		if slices.Contains([]string{"start", "act", "wait", "done"}, doc.Type) {
			doc.Type = "progress"
		}
		if len(have) == 0 || have[len(have)-1] != doc.Type {
			have = append(have, doc.Type)
		}
	}
	if !slices.Equal(have, args) {
		ts.Fatalf("documents of the types %q, want %q", have, args)
	}
}

// pick sets a variable to what a pattern finds in stdout: pick NAME PATTERN
func pick(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pick name pattern")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("stdout does not match %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// edit replaces a string in a file, as a user would: edit FILE OLD NEW
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit file old new")
	}
	was := ts.ReadFile(args[0])
	if !strings.Contains(was, args[1]) {
		ts.Fatalf("%s does not contain %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(was, args[1], args[2])), 0o600))
}
