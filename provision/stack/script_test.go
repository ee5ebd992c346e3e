package stack_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

const inPrefect1 = `environment "dev" {
	prefect {
		version = "1.4.1"
		api_url = "https://prefect.example.com"
		api_key = "pnu_0123456789abcdef"
	}
	agent {
		labels = ["etl"]
	}
}`

// identified is the identity of the stacks that a release of flowbed builds.
func identified(version string) resource.Identity {
	return resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: version}
}

func script(t *testing.T, text string) string {
	t.Helper()
	s, err := stack.Script(environment(t, text, false), identified("1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestScript: what Script returns without a call is what runs after up, but for what only AWS
// knows. It has no secret.
func TestScript(t *testing.T) {
	for _, c := range []struct {
		name, text string
		unknown    int
	}{
		{"instance", onInstance, 0},
		{"service", inService(""), 0},
		{"prefect 1", inPrefect1, 2},
		{"prefect 1 in a service", strings.Replace(inPrefect1, "labels", "service {}\nlabels", 1), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := slow()
				have := script(t, c.text)
				if n := strings.Count(have, provision.Unknown().String()); n != c.unknown {
					t.Errorf("%d values are not known, want %d:\n%s", n, c.unknown, have)
				}
				o := with(account)
				o.NoPrefect = true
				s := build(t, account, c.text, o)
				if err := s.Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				var runs string
				var err error
				if s.RunsService() {
					service, found := s.Service(t.Context())
					if found != nil {
						t.Fatal(found)
					}
					runs, err = service.Script(t.Context())
				} else {
					agent, found := s.Agent(t.Context())
					if found != nil {
						t.Fatal(found)
					}
					runs, err = s.UserData(t.Context(), agent)
				}
				if err != nil {
					t.Fatal(err)
				}
				if c.unknown == 0 {
					if d := cmp.Diff(have, runs); d != "" {
						t.Errorf("what runs (-said +runs):\n%s", d)
					}
				} else if strings.Contains(runs, provision.Unknown().String()) || strings.Count(have, "\n") != strings.Count(runs, "\n") {
					t.Errorf("said:\n%s\nruns:\n%s", have, runs)
				}
				if strings.Contains(have+runs, "pnu_") {
					t.Error("the secret is in it")
				}
				// Another release alone changes nothing.
				next, err := stack.Build(environment(t, c.text, false), identified("2.0.0"), stack.NewClients(account.Config(region)), o)
				if err != nil {
					t.Fatal(err)
				}
				p, err := next.Graph.Plan(t.Context())
				if err != nil || !p.Empty() {
					t.Errorf("for another release, the plan is %+v, %v", p, err)
				}
			})
		})
	}
}

// change is what a plan says of a field.
func change(t *testing.T, account *sandbox.Account, text, step, field string) provision.Change {
	t.Helper()
	o := with(account)
	o.NoPrefect = true
	p, err := build(t, account, text, o).Graph.Plan(t.Context())
	if err != nil || p.Err() != nil {
		t.Fatal(err, p.Err())
	}
	for _, a := range p.Actions {
		for _, c := range a.Changes {
			if a.Step == step && c.Field == field {
				return c
			}
		}
	}
	t.Fatalf("the plan has no %s of %s: %+v", field, step, p)
	return provision.Change{}
}

// TestServiceCauses: a plan says why the container is another one.
func TestServiceCauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		o := with(account)
		o.NoPrefect = true
		text := strings.Replace(inService(""), "agent {", "agent {\npip_packages = [\"s3fs\"]\nenv = { A = \"1\" }\n", 1)
		if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name, old, new string
			want           []string
		}{
			{"version", "prefect {", "prefect {\nversion = \"3.9.0\"", []string{"prefect 3.9.1 → 3.9.0"}},
			{"packages", `"s3fs"`, `"polars"`, []string{"pip_packages -s3fs +polars"}},
			{"env", `A = "1"`, `B = "it's 1"`, []string{"agent.env -A", "agent.env +B"}},
			{"image", "service {", "service {\nimage = \"example.com/worker:1\"", []string{"image prefecthq/prefect-aws:0.7.12-python3.12-prefect3.9.1 → example.com/worker:1"}},
			{"stop timeout", "service {", "service {\nstop_timeout = 33", []string{"stop_timeout 120 seconds → 33 seconds"}},
			{"API", "https://prefect.example.com", "https://other.example.com", []string{"prefect.api_url changed"}},
			{"queues", "agent {", "agent {\nwork_queues = [\"etl\"]", []string{"agent.work_queues added"}},
		} {
			d := change(t, account, strings.Replace(text, c.old, c.new, 1), "task definition", "definition")
			if !slices.Equal(d.Causes, c.want) || !d.From.IsScript() || !d.To.IsScript() || d.From == d.To {
				t.Errorf("%s: have %q, want %q", c.name, d.Causes, c.want)
			}
		}
		o2, err := stack.Build(environment(t, strings.Replace(text, "service {", "service {\nmemory = 2048", 1), false), identified("1.0.0"), stack.NewClients(account.Config(region)), o)
		if err != nil {
			t.Fatal(err)
		}
		p, err := o2.Graph.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range p.Actions {
			if a.Step == "task definition" && (len(a.Changes) != 1 || a.Changes[0].Field != "memory" || a.Changes[0].Joint == nil) {
				t.Errorf("with other memory: %+v", a.Changes)
			}
		}
	})
}

// TestReleaseReplaces: when another release of flowbed sets an instance up in another way, the
// plan says so, and shows how.
func TestReleaseReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		o := with(account)
		o.NoPrefect = true
		s := build(t, account, onInstance, o)
		if err := s.Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		agent, err := s.Agent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		written, err := s.UserData(t.Context(), agent)
		if err != nil {
			t.Fatal(err)
		}
		old := strings.Replace(strings.Replace(written, "umask 022\n", "umask 077\n", 1), "3.9.1", "3.9.0", 2)
		api := ec2.NewFromConfig(account.Config(region))
		if _, err := api.StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{agent.ID}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // virtual
		if _, err := api.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{
			InstanceId: &agent.ID, UserData: &ec2types.SecureBlobAttributeValue{Value: []byte(old)},
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{agent.ID}, Tags: []ec2types.Tag{
			{Key: aws.String(resource.KeyVersion), Value: aws.String("0.9.0")},
			{Key: aws.String(resource.KeyLaunch), Value: aws.String("image=al2023 volume=16 user-data=0123456789abcdef")},
		}}); err != nil {
			t.Fatal(err)
		}
		c := change(t, account, onInstance, "agent instance", "user data")
		want := []string{"prefect 3.9.0 → 3.9.1", "flowbed 1.0.0's setup script instead of flowbed 0.9.0's"}
		if !slices.Equal(c.Causes, want) || c.From.String() != old || c.To.String() != written || !c.Replace {
			t.Errorf("have %q, want %q", c.Causes, want)
		}
	})
}

// TestSecretInScript: the secret of the API does not get into what the agent runs, wherever the
// text comes from.
func TestSecretInScript(t *testing.T) {
	const key = "pnu_0123456789abcdef"
	for _, c := range []struct{ name, prefect, agent, want string }{
		{"setup", `api_key = "` + key + `"`, `setup = "curl -H 'X-Key: ` + key + `' x\necho"`, "setup"},
		{"env", `api_key = "` + key + `"`, `env = { A = "-` + key + `" }`, "env"},
		{"labels", `api_key = "` + key + `"`, `work_queues = ["` + key + `"]`, "work_queues"},
		{"service", `api_key = "` + key + `"`, "env = { A = \"" + key + "\" }\nservice {}", "env"},
		{"password", `auth_string = "ada:correct-horse"`, `env = { A = "correct-horse" }`, "env"},
		{"short", `auth_string = "ada:flowbed"`, `env = { A = "flowbed" }`, ""},
		{"nothing", `api_key = "` + key + `"`, `env = { A = "pnu_0123456789" }`, ""},
	} {
		path := filepath.Join(t.TempDir(), "config.hcl")
		text := "environment \"dev\" {\nprefect {\napi_url = \"https://prefect.example.com/api\"\n" + c.prefect + "\n}\nagent {\n" + c.agent + "\n}\n}\n"
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := spec.Load(path, spec.Options{Check: stack.Check})
		var have string
		if e, ok := errors.AsType[*spec.Error](err); ok {
			have = e.Diags[0].Detail
		} else if err != nil {
			t.Fatal(err)
		}
		if c.want == "" && have != "" || !strings.Contains(have, c.want) || strings.Contains(have, key) || strings.Contains(have, "horse") {
			t.Errorf("%s: have %q, want a complaint about %q", c.name, have, c.want)
		}
	}
}
