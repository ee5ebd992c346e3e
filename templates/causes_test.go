package templates

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/secret"
)

// TestCauses: what makes two setup scripts differ has its name in the config file, or is
// flowbed's own.
func TestCauses(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*input)
		want []string
	}{
		{"nothing", func(*input) {}, nil},
		{"version", func(i *input) { i.Prefect, i.PrefectAWS, i.Before = "3.9.2", "0.8.0", "2026-12-01T00:00:00Z" }, []string{"prefect 3.9.1 → 3.9.2"}},
		{"prefect-aws", func(i *input) { i.PrefectAWS = "0.7.13" }, []string{"prefect-aws 0.7.12 → 0.7.13"}},
		{"date", func(i *input) { i.Before = "2026-12-01T00:00:00Z" }, []string{"packages released before 2026-10-31T00:00:00Z → 2026-12-01T00:00:00Z"}},
		{"no date", func(i *input) { i.Prefect, i.Before = "3.10.0", "" }, []string{"prefect 3.9.1 → 3.10.0"}},
		{"packages", func(i *input) { i.Install = []string{"boto3>=1", "polars"} }, []string{"pip_packages -s3fs==1 +polars"}},
		{"index", func(i *input) { i.Index = "https://packages.example.com/simple" }, []string{"agent.pip_index_url added"}},
		{"setup", func(i *input) { i.Setup = "echo 2\n" }, []string{"agent.setup changed"}},
		{"no setup", func(i *input) { i.Setup = "" }, []string{"agent.setup removed"}},
		{"env", func(i *input) { i.Extra = []Setting{{"KEPT", "two\nlines"}, {"NEW", "y"}, {"TWICE", "2"}} },
			[]string{"agent.env -GONE", "agent.env +NEW", "agent.env TWICE changed"}},
		{"a variable of flowbed", func(i *input) { i.Extra = append(i.Extra, Setting{"AWS_MAX_ATTEMPTS", "20"}) }, []string{"the variable AWS_MAX_ATTEMPTS changed"}},
		{"proxy", func(i *input) {
			i.Proxy = &Proxy{URL: "http://proxy.example.com:3128"}
			i.Extra = append(i.Proxy.Settings(), i.Extra...)
		}, []string{"agent.proxy added"}},
		{"ttl", func(i *input) { i.TTL = 2 * time.Hour }, []string{"ttl 1h0m0s → 2h0m0s"}},
		{"no ttl", func(i *input) { i.TTL = 0 }, []string{"ttl removed"}},
		{"API", func(i *input) { i.APIURL = "https://prefect.example.com/api" }, []string{"prefect.api_url changed"}},
		{"CA", func(i *input) { i.CA = ca }, []string{"prefect.ca_file added"}},
		{"pool", func(i *input) { i.WorkPool = "other" }, []string{"prefect.work_pool flowbed-dev → other"}},
		{"queues", func(i *input) { i.Queues = []string{"a", "b"} }, []string{"agent.work_queues changed"}},
		{"events", func(i *input) { i.Events = "flowbed-dev-events" }, []string{"prefect.events added"}},
		{"no secret", func(i *input) { i.Secret = nil }, []string{"the secret that the agent reads removed"}},
		{"another secret", func(i *input) {
			i.Secret = &Secret{Variable: "PREFECT_API_KEY", From: secret.Ref{Partition: "aws", Service: secret.SecretsManager, Region: "eu-west-1", Account: "123456789012", Name: "prefect-AbCdEf"}}
		}, []string{"the secret that the agent reads changed"}},
		{"several", func(i *input) { i.Prefect, i.Setup, i.WorkPool = "3.9.2", "echo 2\n", "other" },
			[]string{"prefect 3.9.1 → 3.9.2", "agent.setup changed", "prefect.work_pool flowbed-dev → other"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := func(edit func(*input)) string {
				i := worker()
				i.Install, i.Setup, i.TTL = []string{"boto3>=1", "s3fs==1"}, "echo 1\n", time.Hour
				i.Queues = []string{"a"}
				i.Extra = []Setting{{"GONE", "x"}, {"KEPT", "two\nlines"}, {"TWICE", "1"}}
				edit(&i)
				script, err := i.worker()
				if err != nil {
					t.Fatal(err)
				}
				return script
			}
			have, want := text(func(*input) {}), text(c.edit)
			if d := cmp.Diff(c.want, Causes(Program{have, "0.2.0"}, Program{want, "0.3.0"})); d != "" {
				t.Errorf("the causes (-want +have):\n%s", d)
			}
		})
	}
}

// TestCausesOfRelease: whatever line of flowbed's own another release has changed, the cause is
// that release, also beside a change of the file.
func TestCausesOfRelease(t *testing.T) {
	i := worker()
	i.TTL, i.Proxy, i.Setup = time.Hour, &Proxy{URL: "http://proxy.example.com:3128"}, "echo 1\n"
	script, err := i.worker()
	if err != nil {
		t.Fatal(err)
	}
	i.Prefect, i.Before = "3.9.2", "2026-12-01T00:00:00Z"
	next, err := i.worker()
	if err != nil {
		t.Fatal(err)
	}
	const release = "flowbed 0.3.0's setup script instead of flowbed 0.2.0's"
	for _, line := range []string{
		"umask 022", "AWS_RETRY_MODE=\"adaptive\"", "MemoryMax=85%", "fail 'there is no Python 3.12, and neither dnf nor apt-get'", "--retries 5",
		"OnCalendar=minutely", "bs=1M", "--with-healthcheck", "handle = os.open(", "install -d /etc/systemd", "code=0", "pip==26.3", "chmod 0755 /opt/flowbed/bin/report",
	} {
		if !strings.Contains(script, line) {
			t.Fatalf("the script has no line with %s", line)
		}
		old := Program{strings.Replace(script, line, "x"+line, 1), "0.2.0"}
		want := []string{release}
		if strings.HasPrefix(line, "AWS_RETRY") { // the file can set it, too
			want = []string{"agent.env -xAWS_RETRY_MODE", "the variable AWS_RETRY_MODE added"}
		}
		if d := cmp.Diff(want, Causes(old, Program{script, "0.3.0"})); d != "" {
			t.Errorf("%s (-want +have):\n%s", line, d)
		}
		if line == "--with-healthcheck" || len(want) > 1 { // options and variables may come with a version of Prefect
			continue
		}
		if have := Causes(old, Program{next, "0.3.0"}); !slices.Equal(have, []string{"prefect 3.9.1 → 3.9.2", release}) {
			t.Errorf("%s, with another version of Prefect: %q", line, have)
		}
	}
	for _, c := range []struct{ have, want, text string }{
		{"", "0.3.0", "flowbed 0.3.0's setup script"}, {"0.3.0", "0.3.0", "flowbed's setup script"}, {"0.2.0", "", "flowbed's setup script"},
	} {
		if have := Causes(Program{"#!/bin/sh\n", c.have}, Program{"#!/bin/bash\n", c.want}); !slices.Equal(have, []string{c.text}) {
			t.Errorf("of %s and %s: %q", c.have, c.want, have)
		}
	}
}

// TestCausesOfFile: scripts that this release has made differ because of what they were made
// from, and never because of flowbed.
func TestCausesOfFile(t *testing.T) {
	all := agents(t)
	delete(all, "worker-odd") // it has another environment's name
	for name, script := range all {
		all[name] = strings.Replace(script, " --no-create-pool-if-not-found", "", 1) // follows from Prefect's version
	}
	for one, have := range all {
		for two, want := range all {
			list := Causes(Program{have, "0.3.0"}, Program{want, "0.3.0"})
			if have == want != (len(list) == 0) {
				t.Errorf("%s to %s: %q", one, two, list)
			}
			for _, c := range list {
				if strings.Contains(c, "flowbed's") || strings.Contains(c, "PRIVATE") {
					t.Errorf("%s to %s: %q", one, two, list)
				}
			}
		}
	}
}
