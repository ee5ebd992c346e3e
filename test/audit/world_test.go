package audit_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/audit"
)

const (
	region = "eu-central-1"
	secret = "pnu_sentinel0123456789abcdef"
	ssh    = "ssh {\npublic_key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dM8zQ2n8gk1d6zB1mG7p9v8kO2T0c4l5aYxJr6q7S test\"\n}\n"
)

// agent returns an agent block for a Prefect version.
func agent(version, more string) string {
	return "agent {\n" + more + "}\nprefect {\nversion = \"" + version + "\"\napi_url = \"https://prefect.example.com/api\"\napi_key = \"" + secret + "\"\n}\n"
}

// environments are the environments that the tests check.
var environments = []struct{ name, text string }{
	{"default", agent("3.9.1", "")},
	{"service", agent("3.9.1", "service {}\n")},
	{"Prefect 1 in a service", "prefect {\nversion = \"1.4.1\"\napi_url = \"https://prefect.example.com\"\napi_key = \"" + secret + "\"\n}\nagent {\nservice {}\n}\n"},
	{"service that expires", "ttl = \"1h\"\n" + agent("3.9.1", "service {\nspot = true\n}\n")},
	{"ssh", agent("3.9.1", ssh)},
	{"dask", "task_role { dask = true }\n" + agent("3.9.1", ssh)},
	{"without S3 and ECR", "task_role {\ns3 = \"none\"\necr = \"none\"\n}\n" + agent("2.20.25", "")},
	{"statements", "task_role {\nstatement {\nactions = [\"sqs:SendMessage\"]\nresources = [\"arn:aws:sqs:${region}:${account}:events\"]\n}\n}\n" + agent("2.20.25", "")},
	{"Prefect 1", agent1("1.4.1")},
	{"Prefect 0.14", agent1("0.14.6")},
	{"tags", "tags = { cost-center = \"42\" }\n" + agent("3.9.1", "")},
	{"expiry", "bucket { expire_days = 30 }\n" + agent("3.9.1", "")},
	{"names of its own", "execution_role { name = \"flows-execution\" }\ncluster { name = \"flows\" }\n" + agent("3.9.1", "")},
}

func agent1(version string) string {
	return "agent {}\nprefect {\nversion = \"" + version + "\"\napi_url = \"https://prefect.example.com\"\napi_key = \"" + secret + "\"\n}\n"
}

// up builds an environment in an account and reads the account.
func up(t *testing.T, account *sandbox.Account, text string) *audit.Account {
	t.Helper()
	if err := graph(t, account, text, stack.Options{}).Graph.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, err := audit.Look(t.Context(), account.Config(region), sandbox.DefaultAccount, secret)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// graph builds the graph of an environment from the text of its block. Without a
// transport there is no Prefect.
func graph(t *testing.T, account *sandbox.Account, text string, o stack.Options) *stack.Stack {
	t.Helper()
	o.Address, o.Wait = netip.MustParsePrefix("203.0.113.7/32"), time.Minute
	o.NoPrefect = o.Transport == nil
	s, err := stack.Build(environment(t, "dev", text, o.Destroy), identity(), stack.NewClients(account.Config(region)), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// environment parses the text of an environment block.
func environment(t *testing.T, name, text string, destroy bool) *spec.Environment {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, []byte("environment \""+name+"\" {\n"+text+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := spec.Load(path, spec.Options{Destroy: destroy, Check: stack.Check})
	if err != nil {
		t.Fatal(err)
	}
	env, err := f.Environment(spec.Place{Account: sandbox.DefaultAccount, Region: region})
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// must returns the result of a call that the test itself makes.
func must[T any](t *testing.T, f func(context.Context) (T, error)) T {
	t.Helper()
	out, err := f(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}
