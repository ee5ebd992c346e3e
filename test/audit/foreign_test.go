package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/prefecttest"
)

// hands are those who may have made what has the names of our objects: words of
// our tags, and what stands there instead.
var hands = map[string]*strings.Replacer{
	"somebody who does not know flowbed": strings.NewReplacer("flowbed:", "others:", "x-flowbed", "x-others"),
	"another environment": strings.NewReplacer(`"flowbed:environment": "dev"`, `"flowbed:environment": "prod"`,
		"flowbed:claim:dev@", "flowbed:claim:prod@", "flowbed:environment=dev", "flowbed:environment=prod", `"environment":"dev"`, `"environment":"prod"`),
	"the environment of this name in another region": strings.NewReplacer(
		`"flowbed:region": "eu-central-1"`, `"flowbed:region": "eu-west-1"`, "flowbed:claim:dev@eu-central-1", "flowbed:claim:dev@eu-west-1",
		"flowbed:region=eu-central-1", "flowbed:region=eu-west-1", `"region":"eu-central-1"`, `"region":"eu-west-1"`),
}

// of are the account and the Prefect server of another hand, who has made all
// that an environment consists of.
func of(t *testing.T, text string, hand *strings.Replacer) (*sandbox.Account, *prefecttest.Server) {
	t.Helper()
	account, server := sandbox.New(), prefecttest.New()
	if err := graph(t, account, text, stack.Options{Transport: server, NoWait: true}).Graph.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sandbox.json")
	if err := account.Save(file); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(hand.Replace(string(raw))), 0o600); err != nil {
		t.Fatal(err)
	}
	if account, err = sandbox.Load(file); err != nil {
		t.Fatal(err)
	}
	pool, err := json.Marshal(server.Pool("flowbed-dev"))
	if err != nil {
		t.Fatal(err)
	}
	var theirs map[string]any
	if err := json.Unmarshal([]byte(hand.Replace(string(pool))), &theirs); err != nil {
		t.Fatal(err)
	}
	server.SetPool("flowbed-dev", theirs)
	server.Calls()
	return account, server
}

// wrote are the writing calls that reached the account or the server.
func wrote(account *sandbox.Account, server *prefecttest.Server) (calls []string) {
	for _, c := range account.Writes() {
		calls = append(calls, c.String())
	}
	for _, c := range server.Calls() {
		if !strings.HasPrefix(c, "GET ") && !strings.HasSuffix(c, "/filter") && !strings.HasSuffix(c, "/count") {
			calls = append(calls, c)
		}
	}
	return calls
}

// everything has a step for each kind of object.
var everything = "task_role { dask = true }\n" + agent("3.9.1", ssh)

// TestForeign: every name is taken by another hand. Neither up nor down makes a
// writing call, whatever the spec says of ownership: what it would adopt it does
// not, while the rest is in the way.
func TestForeign(t *testing.T) {
	modes := map[string]string{
		"own":      everything,
		"adopt":    owning("adopt", "dask = true\n") + agent("3.9.1", ssh),
		"external": owning("external", "dask = true\n") + agent("3.9.1", ssh),
	}
	for who, hand := range hands {
		for mode, text := range modes {
			t.Run(who+", "+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					account, server := of(t, everything, hand)
					before, pool := account.Inventory(), server.Pool("flowbed-dev")
					o := stack.Options{Transport: server, NoWait: true}
					allUsed(t, graph(t, account, text, o).Graph)
					if err := graph(t, account, text, o).Graph.Up(t.Context()); err == nil {
						t.Error("up has a good end")
					}
					o.Destroy, o.ForceDestroy = true, true
					if _, err := graph(t, account, text, o).Graph.Down(t.Context()); err != nil {
						t.Errorf("down: %v", err)
					}
					if calls := wrote(account, server); len(calls) > 0 {
						t.Errorf("writing calls: %v", calls)
					}
					if d := cmp.Diff(before, account.Inventory()); d != "" {
						t.Errorf("the account has changed (-before +after):\n%s", d)
					}
					if d := cmp.Diff(pool, server.Pool("flowbed-dev")); d != "" {
						t.Errorf("the pool has changed (-before +after):\n%s", d)
					}
				})
			})
		}
	}
}

// allUsed: the plan finds each step's object there, and makes none of them; an
// instance's name is not unique.
func allUsed(t *testing.T, g *provision.Graph) {
	t.Helper()
	p, err := g.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range p.Actions {
		if a.Op == provision.Create && a.Step != "agent instance" {
			t.Errorf("the plan would make %s", a.Step)
		}
		if a.Err != nil && a.Awaits == "" {
			t.Errorf("%s: %v", a.Step, a.Err)
		}
	}
	if len(p.Actions) < 13 {
		t.Errorf("the plan has %d steps", len(p.Actions))
	}
}

// owning says the ownership of all that has one.
func owning(word, task string) string {
	return fmt.Sprintf("bucket { ownership = %[1]q }\ntask_role {\n%[2]sownership = %[1]q\n}\nexecution_role { ownership = %[1]q }\ncluster { ownership = %[1]q }\n", word, task)
}

// targets are the parameters that name what a call writes to.
var targets = []string{"Bucket", "RoleName", "ClusterName", "Cluster", "ResourceArn"}

// TestBorrowed: an environment lives with the bucket, the roles and the cluster
// of another hand. No writing call names one of them, and afterwards the account
// is as it was.
func TestBorrowed(t *testing.T) {
	const borrowed = `bucket {
  name      = "flows-of-others"
  namespace = "global"
  %[1]s
}
task_role {
  name = "task-of-others"
  %[1]s
}
execution_role {
  name = "execution-of-others"
  %[1]s
}
cluster {
  name = "cluster-of-others"
  %[1]s
}
`
	for who, hand := range hands {
		t.Run(who, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account, _ := of(t, fmt.Sprintf(borrowed, "")+agent("3.9.1", ""), hand)
				before := account.Inventory()
				var calls writes
				text := fmt.Sprintf(borrowed, `ownership = "external"`) + strings.Replace(agent("3.9.1", ""), "api_key", "# api_key", 1)
				build := func(destroy bool) *provision.Graph {
					env := environment(t, "test", text, destroy)
					id := identity()
					id.Env = "test"
					cfg := account.Config(region)
					cfg.APIOptions = append(cfg.APIOptions, calls.note)
					s, err := stack.Build(env, id, stack.NewClients(cfg), stack.Options{Destroy: destroy, NoPrefect: true, ForceDestroy: destroy})
					if err != nil {
						t.Fatal(err)
					}
					return s.Graph
				}
				if err := build(false).Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				if p, err := build(false).Plan(t.Context()); err != nil || !p.Empty() || p.Count(provision.Use) != 4 {
					t.Errorf("after up: %v, %+v", err, p)
				}
				if left, err := build(true).Down(t.Context()); err != nil || !left.Empty() {
					t.Errorf("down: %v, %+v", err, left)
				}
				if d := cmp.Diff(before, account.Inventory()); d != "" {
					t.Errorf("the account has changed (-before +after):\n%s", d)
				}
				if len(calls.list) < 20 {
					t.Errorf("only %d writing calls were seen", len(calls.list))
				}
				for _, c := range calls.list {
					if strings.Contains(c, "of-others") {
						t.Errorf("writing call %s", c)
					}
				}
			})
		})
	}
}

// writes are writing calls with what they write to.
type writes struct {
	mu   sync.Mutex
	list []string
}

func (w *writes) note(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("flowbed:writes",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error) {
			v := reflect.ValueOf(in.Parameters).Elem()
			name := strings.TrimSuffix(v.Type().Name(), "Input")
			if !slices.ContainsFunc([]string{"Get", "List", "Describe", "Head"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
				call := path.Base(v.Type().PkgPath()) + ":" + name
				for _, field := range targets {
					if f, ok := v.FieldByName(field), v.FieldByName(field).IsValid(); ok {
						if s, ok := f.Interface().(*string); ok {
							call += " " + aws.ToString(s)
						}
					}
				}
				w.mu.Lock()
				w.list = append(w.list, call)
				w.mu.Unlock()
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}

// TestForeignLease: what has the name of the lease and is none is not written
// to, by whatever wants the lease.
func TestForeignLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		api := ssm.NewFromConfig(account.Config(region))
		must(t, func(ctx context.Context) (*ssm.PutParameterOutput, error) {
			return api.PutParameter(ctx, &ssm.PutParameterInput{
				Name: aws.String(lease.Parameter("dev")), Value: aws.String("held by nobody you know"), Type: types.ParameterTypeString})
		})
		before := account.Inventory()
		l := lease.Lease{API: api, ID: identity(), Command: "up"}
		if _, _, err := l.Acquire(t.Context(), nil); err == nil {
			t.Error("the lease was taken")
		}
		if _, err := l.Current(t.Context()); err == nil {
			t.Error("nobody seems to hold the lease")
		}
		if err := l.Break(t.Context(), "nonce"); err == nil {
			t.Error("the lease was broken")
		}
		if _, err := l.Tidy(t.Context()); err == nil {
			t.Error("the lease was tidied away")
		}
		if d := cmp.Diff(before, account.Inventory()); d != "" {
			t.Error(d)
		}
		if n := len(account.Writes()); n != 1 {
			t.Errorf("%d writing calls, want only that of the other hand", n)
		}
	})
}

func identity() resource.Identity {
	return resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}
}
