package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/e2e/able"
)

// unguarded is the program without its second lock: what it strikes out must not
// have been printed in the first place.
func unguarded() {
	shortest = math.MaxInt
	main()
}

// The secrets have all that is escaped somewhere; the word in them is not, so
// that it is found in whatever form.
const (
	word   = "5entine1"
	hidden = `pnu_` + word + `"\<&>%+/=` + word
)

// shows says which form of a secret is in a text.
func shows(text []byte) string {
	lower := bytes.ToLower(text)
	for _, form := range []string{word, base64.StdEncoding.EncodeToString([]byte(hidden))[:20], "NWVudGluZT"} {
		if bytes.Contains(lower, bytes.ToLower([]byte(form))) {
			return form
		}
	}
	return ""
}

// given is what a flag that is no switch is given in turn. A new flag of a
// command has to be added: what it makes the command print must be looked at.
var given = map[string][]string{
	"format": {"text", "json", "env", "prefect", "mermaid", "dot"}, "receipt": {"receipt.json"}, "report": {"report.html"}, "lines": {"5"},
	"lock-timeout": {"1s"}, "timeout": {"1s"}, "match": {"dev", "*"}, "older-than": {"1h"},
	"agent": {"instance", "service", none}, "api-url": {"https://prefect.example.com/api", none},
	"out": {"plan.json"},
	"for": {"plan", "up", "down", "hello", "logs", "agent", "worker", "key"}, "run": {"amber-heron"}, "since": {"1h"}, "part": {"1"}, "confirm": {"dev", "prod"}, "trust": {"github:owner/repo"},
}

// command is a command line, and whether it is one of the few that are tried in
// every situation.
type command struct {
	args []string
	each bool
}

// commands are all commands of the program, each with each of its flags.
func commands(t *testing.T) (list []command) {
	t.Helper()
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			walk(sub, append(slices.Clone(path), sub.Name()))
		}
		if !c.Runnable() || len(path) == 0 {
			return
		}
		line := func(each bool, more ...string) {
			list = append(list, command{append(slices.Clone(path), more...), each})
		}
		yes := []string{}
		if c.Flags().Lookup("yes") != nil {
			yes = append(yes, "--yes")
		}
		line(false)
		line(true, yes...)
		line(true, append(yes, "-v")...)
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			switch {
			case f.Name == "yes" || f.Name == "help":
			case f.Value.Type() == "bool":
				line(f.Name == "json", append(slices.Clone(yes), "--"+f.Name)...)
			case given[f.Name] == nil:
				t.Errorf("flowbed %s --%s: say in this test what it is to be given", strings.Join(path, " "), f.Name)
			default:
				for _, v := range given[f.Name] {
					line(false, append(slices.Clone(yes), "--"+f.Name, v)...)
				}
			}
		})
	}
	root := newApp(os.Stdin, os.Stdout, os.Stderr).command()
	root.InitDefaultCompletionCmd()
	walk(root, nil)
	if len(list) < 30 {
		t.Errorf("only %d command lines", len(list))
	}
	return list
}

// good is a file with the secret where it belongs; %[1]s is the API.
const good = `variable "api_key" { sensitive = true }

environment "dev" {
  region = "us-east-1"
  prefect {
    api_url = "%[1]s/api"
    api_key = var.api_key
  }
  agent {}
}
`

// situation is where the commands are run.
type situation struct {
	name    string
	every   bool // with all flags
	program string
	file    string
	built   bool // the environment is there
	args    []string
	env     []string
	broken  string // what is in the sandbox's file instead
	stored  string // the name of a parameter of somebody else with the secret
}

func situations(server string) []situation {
	sandbox := []string{"FLOWBED_SANDBOX=1", "FLOWBED_VAR_api_key=" + hidden}
	aws := []string{"AWS_ENDPOINT_URL=" + server + "/aws", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=" + hidden,
		"FLOWBED_VAR_api_key=" + hidden}
	wrong := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	return []situation{
		{name: "nothing there", every: true, program: "flowbed-unguarded", file: good, env: sandbox},
		{name: "built", every: true, program: "flowbed-unguarded", file: good, env: sandbox, built: true},
		{name: "by --var", program: "flowbed-unguarded", file: good, env: sandbox[:1], args: []string{"--var", "api_key=" + hidden}},
		{name: "--var without a name", program: "flowbed-unguarded", file: good, env: sandbox, args: []string{"--var", hidden}},
		{name: "variable not declared", program: "flowbed-unguarded", file: good, env: sandbox, args: []string{"--var", "key=" + hidden}},
		{name: "secret as a region", program: "flowbed-unguarded", file: wrong(`"us-east-1"`, `var.api_key`), env: sandbox},
		{name: "secret as a URL", program: "flowbed-unguarded", file: wrong(`"%[1]s/api"`, `"https://${var.api_key}"`), env: sandbox},
		{name: "secret as a number", program: "flowbed-unguarded", file: wrong(`region = "us-east-1"`, `logs { retention_days = var.api_key }`), env: sandbox},
		{name: "secret as a file's name", program: "flowbed-unguarded", file: wrong(`"us-east-1"`, `file(var.api_key)`), env: sandbox},
		{name: "key with spaces", program: "flowbed-unguarded", file: good, env: []string{"FLOWBED_SANDBOX=1", "FLOWBED_VAR_api_key= " + hidden + " \n"}},
		{name: "mistake beside the secret", program: "flowbed-unguarded", env: sandbox[:1],
			file: wrong("api_key = var.api_key", `api_key = "`+strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(hidden, `\`, `\\`), `"`, `\"`), "%", "%%")+`" + 1`)},
		{name: "a key that exists", program: "flowbed-unguarded", env: sandbox, stored: "/team/prefect",
			file: wrong("api_key = var.api_key", `api_key_from = "/team/prefect"`)},
		{name: "broken sandbox", program: "flowbed-unguarded", file: good, env: sandbox, broken: `{"format": 7}`},
		{name: "AWS and Prefect repeat what they refuse", program: "flowbed", file: good, env: aws},
		{name: "half of the credentials", program: "flowbed-unguarded", file: good, env: []string{aws[0], aws[2], aws[3]}},
	}
}

// TestSentinel runs every command with every flag in every situation, and looks
// for the secret in what it prints, writes and sends.
func TestSentinel(t *testing.T) {
	server := &parrot{}
	api := httptest.NewServer(server)
	t.Cleanup(api.Close)
	built := t.TempDir()
	s := situations(api.URL)[0]
	s.prepare(t, built, api.URL)
	if code, said := s.run(t, built, "up", "--yes"); code != 0 {
		t.Fatalf("up: exit code %d\n%s", code, said)
	}
	t.Cleanup(func() {
		server.mu.Lock()
		defer server.mu.Unlock()
		if server.keys == 0 || server.aws == 0 {
			t.Errorf("Prefect's API was sent the key %d times, and AWS called %d times", server.keys, server.aws)
		}
		for _, leak := range server.leaks {
			t.Errorf("the secret was sent: %s", leak)
		}
	})
	for _, s := range situations(api.URL) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for i, c := range commands(t) {
				// A process for each takes time: `make check` tries a third of them.
				if !c.each && !s.every || able.Check() && i%3 != 0 {
					continue
				}
				dir := t.TempDir()
				if s.built {
					if err := os.CopyFS(dir, os.DirFS(built)); err != nil {
						t.Fatal(err)
					}
				}
				s.prepare(t, dir, api.URL)
				code, said := s.run(t, dir, c.args...)
				what := fmt.Sprintf("flowbed %s: exit code %d", strings.Join(c.args, " "), code)
				if form := shows(said); form != "" {
					t.Errorf("%s: shows %s:\n%s", what, form, said)
				}
				if endless := slices.Contains(c.args, "--follow"); code < 0 || code > 4 && (!endless || code != exitInterrupted) || bytes.Contains(said, []byte("goroutine ")) {
					t.Errorf("%s:\n%s", what, said)
				}
				if s.stored != "" && slices.Equal(c.args, []string{"up", "--yes"}) && code != 0 {
					t.Errorf("%s, although the key is there:\n%s", what, said)
				}
				s.files(t, what, dir)
			}
		})
	}
}

// prepare writes the file, and what is wrong beside it. The sandbox's instance cannot
// reach an API on this machine.
func (s situation) prepare(t *testing.T, dir, api string) {
	t.Helper()
	if slices.Contains(s.env, "FLOWBED_SANDBOX=1") {
		api = "https://prefect.example.com"
	}
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), fmt.Appendf(nil, s.file, api), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.stored != "" {
		s.store(t, filepath.Join(dir, ".flowbed"))
	}
	if s.broken == "" {
		return
	}
	if err := os.MkdirAll(filepath.Join(dir, ".flowbed"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".flowbed", "sandbox.json"), []byte(s.broken), 0o600); err != nil {
		t.Fatal(err)
	}
}

// store puts the parameter into the account of the sandbox. Its file has only a fingerprint of
// the value, which the program recognizes by its variable.
func (s situation) store(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sandbox.json")
	account, err := sandbox.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ssm.NewFromConfig(account.Config("us-east-1")).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: &s.stored, Value: aws.String(hidden), Type: types.ParameterTypeSecureString})
	if err == nil {
		err = account.Save(path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s situation) run(t *testing.T, dir string, args ...string) (int, []byte) {
	t.Helper()
	ctx := t.Context()
	if slices.Contains(args, "--follow") { // it ends when somebody stops it
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, 3*time.Second)
		defer stop()
	}
	cmd := exec.CommandContext(ctx, s.program, append(args, s.args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir = dir
	cmd.Env = append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true", "FLOWBED_PUBLIC_IP=203.0.113.7"}, s.env...)
	said, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended && ctx.Err() == nil {
		t.Fatalf("flowbed %s: %v", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), said
}

// files looks through all files but the one that a person has written.
func (s situation) files(t *testing.T, what, dir string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "config.hcl" {
			return err
		}
		b, err := os.ReadFile(path)
		if form := shows(b); form != "" {
			t.Errorf("%s: %s has %s in it", what, path, form)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// parrot is AWS and Prefect's API at once. It refuses everything but the
// question who calls, and repeats what it was sent.
type parrot struct {
	mu        sync.Mutex
	keys, aws int
	leaks     []string
}

// ServeHTTP implements http.Handler.
func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	toPrefect := !strings.HasPrefix(r.URL.Path, "/aws")
	header := r.Header.Clone()
	p.mu.Lock()
	if toPrefect && header.Get("Authorization") == "Bearer "+hidden {
		p.keys++
		header.Del("Authorization")
	}
	if !toPrefect {
		p.aws++
	}
	if form := shows(fmt.Appendf(nil, "%s %v %s", r.URL, header, body)); form != "" {
		p.leaks = append(p.leaks, r.Method+" "+r.URL.Path+" with "+form)
	}
	p.mu.Unlock()
	if !toPrefect && bytes.Contains(body, []byte("Action=GetCallerIdentity")) {
		fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
			`<Arn>arn:aws:iam::123456789012:user/test</Arn><UserId>A</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		return
	}
	sent := fmt.Sprintf("%s %v %s", r.URL, r.Header, body)
	if toPrefect {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, `{"detail": %q}`, sent)
		return
	}
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprint(w, refusal(r.Header, sent))
}

// refusal is an error in the words of the service's protocol.
func refusal(h http.Header, message string) string {
	var safe bytes.Buffer
	_ = xml.EscapeText(&safe, []byte(message)) // a buffer takes everything
	e := "<Error><Code>AccessDenied</Code><Message>" + safe.String() + "</Message></Error>"
	switch scope := h.Get("Authorization"); {
	case h.Get("X-Amz-Target") != "":
		return fmt.Sprintf(`{"__type":"AccessDeniedException","message":%q}`, message)
	case strings.Contains(scope, "/ec2/"):
		return "<Response><Errors>" + e + "</Errors></Response>"
	case strings.Contains(scope, "/s3/"):
		return e
	}
	return "<ErrorResponse>" + e + "</ErrorResponse>"
}
