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

// owners are others who may own objects with our names. Each replaces words in our
// tags.
var owners = map[string]*strings.Replacer{
	"somebody who does not know flowbed": strings.NewReplacer("flowbed:", "others:", "x-flowbed", "x-others"),
	"another environment": strings.NewReplacer(`"flowbed:environment": "dev"`, `"flowbed:environment": "prod"`,
		"flowbed:claim:dev@", "flowbed:claim:prod@", "flowbed:environment=dev", "flowbed:environment=prod", `"environment":"dev"`, `"environment":"prod"`),
	"the environment of this name in another region": strings.NewReplacer(
		`"flowbed:region": "eu-central-1"`, `"flowbed:region": "eu-west-1"`, "flowbed:claim:dev@eu-central-1", "flowbed:claim:dev@eu-west-1",
		"flowbed:region=eu-central-1", "flowbed:region=eu-west-1", `"region":"eu-central-1"`, `"region":"eu-west-1"`),
}

// ownedBy returns an account and a Prefect server in which another owner has a
// complete environment.
func ownedBy(t *testing.T, text string, owner *strings.Replacer) (*sandbox.Account, *prefecttest.Server) {
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
	if err := os.WriteFile(file, []byte(owner.Replace(string(raw))), 0o600); err != nil {
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
	if err := json.Unmarshal([]byte(owner.Replace(string(pool))), &theirs); err != nil {
		t.Fatal(err)
	}
	server.SetPool("flowbed-dev", theirs)
	server.Calls()
	return account, server
}

// wrote returns the writes that reached the account or the server.
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

// everything has a step for each kind of resource.
var everything = "task_role { dask = true }\n" + agent("3.9.1", ssh)

// TestForeign checks that neither up nor down writes anything if another owner has
// taken every name, whatever ownership the config file sets. up does not adopt
// anything while a conflict stops it.
func TestForeign(t *testing.T) {
	modes := map[string]string{
		"own":      everything,
		"adopt":    owning("adopt", "dask = true\n") + agent("3.9.1", ssh),
		"external": owning("external", "dask = true\n") + agent("3.9.1", ssh),
	}
	for who, owner := range owners {
		for mode, text := range modes {
			t.Run(who+", "+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					account, server := ownedBy(t, everything, owner)
					before, pool := account.Inventory(), server.Pool("flowbed-dev")
					o := stack.Options{Transport: server, NoWait: true}
					allUsed(t, graph(t, account, text, o).Graph)
					if err := graph(t, account, text, o).Graph.Up(t.Context()); err == nil {
						t.Error("up succeeded, want a conflict")
					}
					o.Destroy, o.ForceDestroy = true, true
					if _, err := graph(t, account, text, o).Graph.Down(t.Context()); err != nil {
						t.Errorf("down: have %v, want no error", err)
					}
					if calls := wrote(account, server); len(calls) > 0 {
						t.Errorf("have writes %v, want none", calls)
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

// allUsed checks that the plan finds every object and creates none. An instance is
// the exception, because its name is not unique.
func allUsed(t *testing.T, g *provision.Graph) {
	t.Helper()
	p, err := g.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range p.Actions {
		if a.Op == provision.Create && a.Step != "agent instance" {
			t.Errorf("the plan creates %s, want it found", a.Step)
		}
		if a.Err != nil && a.Awaits == "" {
			t.Errorf("%s: %v", a.Step, a.Err)
		}
	}
	if len(p.Actions) < 13 {
		t.Errorf("the plan has only %d steps", len(p.Actions))
	}
}

// owning sets the ownership of everything that has one.
func owning(word, task string) string {
	return fmt.Sprintf("bucket { ownership = %[1]q }\ntask_role {\n%[2]sownership = %[1]q\n}\nexecution_role { ownership = %[1]q }\ncluster { ownership = %[1]q }\n", word, task)
}

// targets are the parameters that name what a call writes to.
var targets = []string{"Bucket", "RoleName", "ClusterName", "Cluster", "ResourceArn"}

// TestExternal checks an environment that uses another owner's bucket, roles and
// cluster. No write names one of them, and down leaves the account as it was.
func TestExternal(t *testing.T) {
	const external = `bucket {
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
	for who, owner := range owners {
		t.Run(who, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account, _ := ownedBy(t, fmt.Sprintf(external, "")+agent("3.9.1", ""), owner)
				before := account.Inventory()
				var calls writes
				text := fmt.Sprintf(external, `ownership = "external"`) + strings.Replace(agent("3.9.1", ""), "api_key", "# api_key", 1)
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
					t.Errorf("plan after up: have %v, %+v, want 4 uses and no change", err, p)
				}
				if left, err := build(true).Down(t.Context()); err != nil || !left.Empty() {
					t.Errorf("down: have %v, left %+v, want no error and nothing left", err, left)
				}
				if d := cmp.Diff(before, account.Inventory()); d != "" {
					t.Errorf("the account has changed (-before +after):\n%s", d)
				}
				if len(calls.list) < 20 {
					t.Errorf("have only %d writes, want at least 20", len(calls.list))
				}
				for _, c := range calls.list {
					if strings.Contains(c, "of-others") {
						t.Errorf("have write %s to another owner's object", c)
					}
				}
			})
		})
	}
}

// writes collects writes with their targets.
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

// TestForeignLease checks that nothing overwrites a parameter that has the lease's
// name but is not a lease.
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
			t.Error("acquiring the lease succeeded, want an error")
		}
		if _, err := l.Current(t.Context()); err == nil {
			t.Error("reading the lease succeeded, want an error")
		}
		if err := l.Break(t.Context(), "nonce"); err == nil {
			t.Error("breaking the lease succeeded, want an error")
		}
		if _, err := l.Tidy(t.Context()); err == nil {
			t.Error("removing the expired lease succeeded, want an error")
		}
		if d := cmp.Diff(before, account.Inventory()); d != "" {
			t.Error(d)
		}
		if n := len(account.Writes()); n != 1 {
			t.Errorf("have %d writes, want only the other owner's", n)
		}
	})
}

func identity() resource.Identity {
	return resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}
}
