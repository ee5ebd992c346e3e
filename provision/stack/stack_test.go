package stack_test

import (
	gocmp "cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/prefecttest"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, have string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s (-want +have):\n%s", path, diff)
	}
}

const region = "eu-central-1"

// environment is what a text says.
func environment(t *testing.T, text string, destroy bool) *spec.Environment {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := spec.Load(path, spec.Options{Destroy: destroy, Check: stack.Check})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Environment(spec.Place{Account: sandbox.DefaultAccount, Region: region})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// build is the stack of a text in an account.
func build(t *testing.T, account *sandbox.Account, text string, o stack.Options) *stack.Stack {
	t.Helper()
	env := environment(t, text, o.Destroy)
	id := resource.Identity{Env: env.Name, Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0", Extra: env.Tags}
	o.Address, o.Wait = netip.MustParsePrefix("203.0.113.7/32"), gocmp.Or(o.Wait, time.Minute)
	s, err := stack.Build(env, id, stack.NewClients(account.Config(region)), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// steps is the outline of a plan: what each step does, and why it cannot.
func steps(t *testing.T, s *stack.Stack, down bool) string {
	t.Helper()
	plan := s.Graph.Plan
	if down {
		plan = s.Graph.PlanDown
	}
	p, err := plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, a := range p.Actions {
		fmt.Fprintf(&b, "%-8s %s", a.Op, a.Step)
		if a.Err != nil && a.Awaits == "" {
			fmt.Fprintf(&b, ": %v", a.Err)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

const agent3 = `prefect {
	api_url           = "%s/api"
	auth_string       = "flow:bed-of-flows"
	concurrency_limit = 7
}
agent {
	ssh { public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtrA6bFuLpRHCEArr5R5S0EJzbf6zp2z9AhbhlNqEIl" }
}`

const agent1 = `prefect {
	version = "1.4.1"
	api_url = "%s"
}
agent {
	labels = ["fargate-dev", "s3-flow-storage"]
}`

// graphQL answers all that is asked of a Server of Prefect 1 in the same way.
func graphQL(answer string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, answer)
	})
}

// TestSteps shows which steps there are for which spec, and in which order.
func TestSteps(t *testing.T) {
	server := prefecttest.New()
	server.Auth = "flow:bed-of-flows"
	api := httptest.NewServer(server)
	defer api.Close()
	old := httptest.NewServer(graphQL(`{"data":{"agent":[],"tenant":[{"id":"1"}]}}`))
	defer old.Close()
	for _, c := range []struct {
		name, text string
		o          stack.Options
	}{
		{"no agent", ``, stack.Options{}},
		{"Prefect 3", agent3, stack.Options{}},
		{"worker elsewhere", agent3[:strings.Index(agent3, "agent {")], stack.Options{}},
		{"without waiting", agent3, stack.Options{NoWait: true}},
		{"without Prefect", agent3, stack.Options{NoPrefect: true}},
		{"Prefect 1", agent1, stack.Options{}},
		{"removal of Prefect 1", agent1, stack.Options{Destroy: true}},
		{"borrowed and adopted", `bucket { ownership = "adopt" }
			execution_role { ownership = "external" }
			cluster {
				name = "flows"
				ownership = "external"
			}`, stack.Options{}},
		{"removal", agent3, stack.Options{Destroy: true}},
	} {
		url := api.URL
		if c.text == agent1 {
			url = old.URL
		}
		text := strings.Replace(c.text, "%s", url, 1)
		t.Run(c.name, func(t *testing.T) {
			s := build(t, sandbox.New(), "environment \"dev\" {\n"+text+"\n}", c.o)
			golden(t, strings.ReplaceAll(c.name, " ", "_")+".steps", steps(t, s, c.o.Destroy))
		})
	}
}
