package resource_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/test/prefecttest"
)

const poolName = "flowbed-dev"

// flows is a work pool and its worker on a Prefect server in memory.
type flows struct {
	server       *prefecttest.Server
	config       prefect.Config
	id           resource.Identity
	limit        *int
	queues       []string
	defaults     prefect.Defaults
	agent        resource.InstanceState
	destroy      bool
	unknownState bool
	ignored      provision.Fields
}

func newFlows() *flows {
	s := prefecttest.New()
	return &flows{
		server: s, config: prefect.Config{URL: "http://prefect.test/api", Transport: s},
		id: resource.Identity{Env: "dev", Account: "123456789012", Region: "us-east-1", Partition: "aws"},
		defaults: prefect.Defaults{
			Kind: prefect.Worker3, ClusterARN: "arn:cluster", TaskRole: "arn:task", ExecutionRole: "arn:execution",
			VPC: "vpc-1", Subnets: []string{"subnet-1"}, Groups: []string{"sg-1"}, LogGroup: "/flowbed/dev",
			Region: "us-east-1", DefaultImage: "prefecthq/prefect:3.9.1-python3.12",
		},
		agent: resource.InstanceState{EC2Instance: resource.EC2Instance{ID: "i-0123456789abcdef0", Launched: time.Now()}},
	}
}

func (f *flows) pool(t *testing.T) resource.Pool {
	t.Helper()
	p := resource.Pool{
		ID: f.id, Name: poolName, Limit: f.limit, Queues: f.queues, Destroy: f.destroy,
		Want: func() prefect.Defaults { return f.defaults },
	}
	if !f.unknownState {
		var err error
		if p.API, err = prefect.New(f.config); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (f *flows) graph(t *testing.T) *provision.Graph {
	t.Helper()
	g := &provision.Graph{Owner: f.id.Owner(), Ignore: map[string]provision.Fields{"pool": f.ignored}}
	provision.Add(g, "pool", provision.Own, f.pool(t))
	return g
}

func (f *flows) up(t *testing.T) {
	t.Helper()
	if err := f.graph(t).Up(t.Context()); err != nil {
		t.Fatalf("up: %v", err)
	}
}

func (f *flows) plan(t *testing.T) provision.Action {
	t.Helper()
	p, err := f.graph(t).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p.Actions[0]
}

func poolFields(a provision.Action) (names []string) {
	for _, c := range a.Changes {
		names = append(names, c.Field)
	}
	return names
}

// defaultOf is a variable's default in the pool as it is on the server.
func (f *flows) defaultOf(name string) any {
	t, _ := f.server.Pool(poolName)["base_job_template"].(map[string]any)
	return prefect.Template(t).Default(name)
}

func (f *flows) setDefault(name string, v any) {
	p := f.server.Pool(poolName)
	vars := p["base_job_template"].(map[string]any)["variables"].(map[string]any)["properties"].(map[string]any)
	vars[name].(map[string]any)["default"] = v
	f.server.SetPool(poolName, p)
}

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlows()
		f.limit = new(4)
		if a := f.plan(t); a.Op != provision.Create || !slices.Contains(poolFields(a), "network_configuration.subnets") {
			t.Fatalf("plan of nothing: %v %v", a.Op, poolFields(a))
		}
		if calls := f.server.Calls(); !slices.Equal(calls, []string{"GET /work_pools/" + poolName}) {
			t.Errorf("a plan called %v", calls)
		}
		f.up(t)
		if got := f.defaultOf("cluster"); got != "arn:cluster" {
			t.Errorf("cluster is %v", got)
		}
		f.server.Calls()
		if a := f.plan(t); a.Op != provision.None {
			t.Fatalf("plan after up: %v %v %v", a.Op, poolFields(a), a.Err)
		}
		f.up(t)
		for _, call := range f.server.Calls() {
			if !strings.HasPrefix(call, "GET ") {
				t.Errorf("the second up called %s", call)
			}
		}
	})
}

// TestPoolDrift changes each of our values and some of others, one after the
// other: the plan names the field, up repairs it with one call, and what is not
// ours stays.
func TestPoolDrift(t *testing.T) {
	for _, c := range []struct {
		name  string
		drift func(*flows)
		want  []string
	}{
		{"cluster", func(f *flows) { f.setDefault("cluster", "other") }, []string{"cluster"}},
		{"role", func(f *flows) { f.setDefault("task_role_arn", nil) }, []string{"task_role_arn"}},
		{"logs", func(f *flows) {
			f.setDefault("cloudwatch_logs_options", map[string]any{"theirs": "x"})
		}, []string{"cloudwatch_logs_options.awslogs-group", "cloudwatch_logs_options.awslogs-region", "cloudwatch_logs_options.awslogs-create-group"}},
		{"nested network", func(f *flows) {
			f.setDefault("network_configuration", map[string]any{"awsvpcConfiguration": map[string]any{"subnets": []any{"s"}}})
		}, []string{"network_configuration.subnets", "network_configuration.securityGroups", "network_configuration.assignPublicIp"}},
		{"limit", func(f *flows) {
			p := f.server.Pool(poolName)
			p["concurrency_limit"] = 1
			f.server.SetPool(poolName, p)
		}, []string{"concurrency limit"}},
		{"description", func(f *flows) {
			p := f.server.Pool(poolName)
			p["description"] = "Ours now!"
			f.server.SetPool(poolName, p)
		}, []string{"description"}},
		{"template replaced", func(f *flows) {
			p := f.server.Pool(poolName)
			p["base_job_template"] = map[string]any(prefect.Base(prefect.Worker3))
			f.server.SetPool(poolName, p)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlows()
				f.limit = new(4)
				f.up(t)
				f.setDefault("cpu", 512.0)
				c.drift(f)
				a := f.plan(t)
				if a.Op != provision.Update || c.want != nil && !slices.Equal(poolFields(a), c.want) {
					t.Fatalf("plan: %v %v %v", a.Op, poolFields(a), a.Notes)
				}
				f.server.Calls()
				f.up(t)
				writes := slices.DeleteFunc(f.server.Calls(), func(call string) bool { return strings.HasPrefix(call, "GET ") })
				if len(writes) != 1 {
					t.Errorf("up called %v", writes)
				}
				if a := f.plan(t); a.Op != provision.None {
					t.Errorf("still %v", poolFields(a))
				}
				if got := f.defaultOf("cpu"); got != 512.0 && c.name != "template replaced" {
					t.Errorf("cpu is %v", got)
				}
				if o, ok := f.defaultOf("cloudwatch_logs_options").(map[string]any); c.name == "logs" && (!ok || o["theirs"] != "x") {
					t.Errorf("log options are %v", o)
				}
			})
		})
	}
}

// TestPoolDeclarations: up adds what the template lacks so that the worker reads our values, also
// if none of these differs, or all of them are ignored.
func TestPoolDeclarations(t *testing.T) {
	const role, key, network = "execution_role_arn", "prefect_api_auth_string_secret_arn", "network_configuration"
	for _, c := range []struct {
		name  string
		drift func(f *flows, variables, lines map[string]any)
		want  []string // the fields of the plan
		keep  []string // the variables whose defaults others have set

		ignore provision.Fields
	}{
		{"a pool of Prefect 2", func(f *flows, variables, lines map[string]any) {
			delete(variables, key)
			delete(lines, key)
			delete(lines, role)
		}, []string{"template " + key, "template " + role}, nil, nil},
		{"a line is gone", func(f *flows, _, lines map[string]any) { delete(lines, "cluster") }, []string{"template cluster"}, nil, nil},
		{"a line is gone, and another value differs", func(f *flows, variables, lines map[string]any) {
			delete(lines, "cluster")
			variables["vpc_id"].(map[string]any)["default"] = "vpc-2"
		}, []string{"template cluster", "vpc_id"}, nil, nil},
		{"a line of what is ignored is gone", func(f *flows, variables, lines map[string]any) {
			delete(lines, network)
			variables[network].(map[string]any)["default"] = map[string]any{"subnets": []any{"subnet-2"}}
		}, []string{"template " + network}, []string{network}, provision.Fields{network + ".subnets", network + ".securityGroups", network + ".assignPublicIp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlows()
				f.up(t)
				p := f.server.Pool(poolName)
				template := p["base_job_template"].(map[string]any)
				c.drift(f, template["variables"].(map[string]any)["properties"].(map[string]any), template["job_configuration"].(map[string]any))
				f.server.SetPool(poolName, p)
				theirs := map[string]any{}
				for _, name := range c.keep {
					theirs[name] = f.defaultOf(name)
				}
				f.ignored = c.ignore
				if a := f.plan(t); !slices.Equal(poolFields(a), c.want) {
					t.Errorf("the plan has %q, want %q", poolFields(a), c.want)
				}
				f.server.Calls()
				f.up(t)
				if writes := slices.DeleteFunc(f.server.Calls(), func(call string) bool { return strings.HasPrefix(call, "GET ") }); len(writes) != 1 {
					t.Errorf("up called %v", writes)
				}
				if a := f.plan(t); a.Op != provision.None {
					t.Errorf("after up, the plan has %q", poolFields(a))
				}
				for name, want := range theirs {
					if diff := cmp.Diff(want, f.defaultOf(name)); diff != "" {
						t.Errorf("%s, which is ignored (-before +after up):\n%s", name, diff)
					}
				}
			})
		})
	}
}

func TestPoolUnknownValues(t *testing.T) {
	f := newFlows()
	f.defaults.Groups, f.defaults.VPC = nil, ""
	for _, c := range f.plan(t).Changes {
		unknown := c.Field == "vpc_id" || c.Field == "network_configuration.securityGroups" || c.Field == "network_configuration.assignPublicIp"
		if c.To.Known() == unknown {
			t.Errorf("%s is %v", c.Field, c.To)
		}
	}
}

func TestPoolOfOthers(t *testing.T) {
	other := prefect.Mark{Environment: "dev", Region: "us-east-1", Account: "999999999999"}
	for _, c := range []struct {
		name string
		pool map[string]any
		want string
	}{
		{"nobody's", map[string]any{"type": "ecs"}, "was created outside flowbed"},
		{"another account's", map[string]any{"type": "ecs", "description": other.Describe("")}, "belongs to environment dev@us-east-1 in account 999999999999"},
		{"push", map[string]any{"type": "ecs:push"}, `is a push pool (ecs), which has no workers, but the agent needs one of type "ecs"`},
		{"managed", map[string]any{"type": "prefect:managed"}, "is a managed pool"},
		{"process", map[string]any{"type": "process"}, `is of type "process"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlows()
			f.server.SetPool(poolName, c.pool)
			f.server.Calls()
			err := f.graph(t).Up(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if calls := f.server.Calls(); len(calls) != 1 {
				t.Errorf("called %v", calls)
			}
			f.destroy = true
			if left, err := f.graph(t).Down(t.Context()); err != nil || !left.Empty() {
				t.Errorf("down: %v, %+v", err, left)
			}
			if f.server.Pool(poolName) == nil {
				t.Error("down deleted it")
			}
		})
	}
}

func TestPoolPlanTimeErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong func(*flows)
		class error
		want  string
	}{
		{"wrong key", func(f *flows) { f.server.Key, f.config.APIKey = "right", "wrong" }, prefect.ErrUnauthorized, "check api_key"},
		{"unreachable", func(f *flows) { f.config.Transport = nowhere{} }, prefect.ErrUnreachable, "check api_url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlows()
				c.wrong(f)
				if a := f.plan(t); !errors.Is(a.Err, c.class) || !strings.Contains(a.Err.Error(), c.want) {
					t.Errorf("plan: %v", a.Err)
				}
				// Its removal goes on, and leaves the pool.
				f.destroy = true
				p, err := f.graph(t).PlanDown(t.Context())
				if err != nil || p.Err() != nil || p.Actions[0].Op != provision.Skip {
					t.Fatalf("plan of down: %v %+v", err, p)
				}
				if text := p.Actions[0].Notes[0].Text; !strings.Contains(text, "could not query Prefect") || !strings.Contains(text, c.want) {
					t.Errorf("note: %s", text)
				}
			})
		})
	}
	f := newFlows()
	f.destroy, f.unknownState = true, true
	if left, err := f.graph(t).Down(t.Context()); err != nil || !left.Empty() {
		t.Errorf("down without a key: %v", err)
	}
}

func TestPoolDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlows()
		f.up(t)
		f.destroy = true
		f.server.Deploy(poolName, 2)
		left, err := f.graph(t).Down(t.Context())
		if err != nil || f.server.Pool(poolName) == nil {
			t.Fatalf("down of a pool in use: %v", err)
		}
		if text := left.Actions[0].Notes[0].Text; text != "is used by 2 deployments (etl/d1, etl/d2)" {
			t.Errorf("note: %s", text)
		}
		f.server.Deploy(poolName, 0)
		if _, err := f.graph(t).Down(t.Context()); err != nil || f.server.Pool(poolName) != nil {
			t.Fatalf("down: %v", err)
		}
		if _, err := f.graph(t).Down(t.Context()); err != nil {
			t.Errorf("second down: %v", err)
		}
	})
}

// TestPoolDeployedMeanwhile keeps a pool for which a deployment was made after
// the plan.
func TestPoolDeployedMeanwhile(t *testing.T) {
	f := newFlows()
	f.up(t)
	f.server.Deploy(poolName, 1)
	err := f.pool(t).Delete(t.Context(), resource.PoolState{})
	if err == nil || f.server.Pool(poolName) == nil || !strings.HasPrefix(err.Error(), "the work pool now has 1 deployment → ") {
		t.Errorf("%v", err)
	}
}

// TestPoolCreatedMeanwhile takes a lost reply for what it is.
func TestPoolCreatedMeanwhile(t *testing.T) {
	f := newFlows()
	f.up(t)
	if _, err := f.pool(t).Create(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPoolAdvice(t *testing.T) {
	f := newFlows()
	f.up(t)
	p := f.server.Pool(poolName)
	p["is_paused"] = true
	f.server.SetPool(poolName, p)
	f.setDefault("family", "mine")
	f.setDefault("task_definition_arn", "arn:definition")
	var got []string
	for _, n := range f.plan(t).Notes {
		got = append(got, n.Severity.String()+": "+n.Text)
	}
	want := []string{
		"warning: the pool is paused, so no flows start → resume it (prefect work-pool resume flowbed-dev)",
		"warning: the template sets the family mine, but the agent can run only task definitions named prefect_flowbed-dev_*",
		"warning: the template sets the task definition arn:definition, which overrides the image, logs and secrets of the environment",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPoolInterrupted(t *testing.T) {
	f := newFlows()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := f.graph(t).Up(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if f.server.Pool(poolName) != nil {
		t.Error("a run that had ended made the pool")
	}
}
