package stack_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/prefecttest"
)

const (
	poolAuth = "ada:correct-horse"
	poolSpec = `environment "dev" {
	prefect {
		api_url     = "http://prefect.example/api"
		auth_string = "` + poolAuth + `"
	}
}`
	withoutSecret = `environment "dev" {
	prefect { api_url = "http://prefect.example/api" }
}`
	devPool = "flowbed-dev"
)

// pools is an environment with a work pool, and the Prefect server that has it.
type pools struct {
	*testing.T
	account *sandbox.Account
	server  *prefecttest.Server
	o       stack.Options // of down
	alter   func(*aws.Config)
}

func newPools(t *testing.T) *pools {
	p := &pools{T: t, account: sandbox.New(), server: prefecttest.New()}
	p.server.Auth = poolAuth
	p.o = stack.Options{Destroy: true, Transport: p.server}
	p.up()
	return p
}

func (p *pools) up() {
	p.Helper()
	if err := build(p.T, p.account, poolSpec, stack.Options{Transport: p.server}).Graph.Up(p.Context()); err != nil {
		p.Fatal(err)
	}
}

// TestDownOfNothing: where nothing was built, or an earlier run has left the pool, down does not fail
// because the API does not let flowbed ask for the pool, or is not there. It says so.
func TestDownOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, server := sandbox.New(), prefecttest.New()
		server.Auth = poolAuth
		for _, text := range []string{withoutSecret, strings.Replace(poolSpec, poolAuth, "ada:wrong", 1), poolSpec} {
			for name, transport := range map[string]http.RoundTripper{"there": server, "away": refusing{}} {
				g := build(t, account, text, stack.Options{Destroy: true, Transport: transport}).Graph
				p, err := g.PlanDown(t.Context())
				asked := name == "there" && text == poolSpec
				if a := poolAction(p); err != nil || p.Err() != nil || (a.Op == provision.Skip) == asked || !asked && !strings.Contains(a.Notes[0].Text, "could not ask Prefect") {
					t.Errorf("%s, %s: the plan has %+v, %v, %v", text, name, a, err, p.Err())
				}
				left, err := g.Down(t.Context())
				if err != nil || poolAction(left).Op == provision.Leave {
					t.Errorf("%s, %s: down has left %+v, %v", text, name, poolAction(left), err)
				}
			}
		}
	})
}

// bare is the stack of a down without the config file.
func (p *pools) bare() *stack.Stack {
	p.Helper()
	f, err := spec.Bare("dev", spec.Options{Region: region})
	if err != nil {
		p.Fatal(err)
	}
	env, err := f.Environment(spec.Place{Account: sandbox.DefaultAccount, Region: region})
	if err != nil {
		p.Fatal(err)
	}
	id := resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}
	cfg := p.account.Config(region)
	if p.alter != nil {
		p.alter(&cfg)
	}
	s, err := stack.Build(env, id, stack.NewClients(cfg), p.o)
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// down removes the environment, and returns what the plan before and after it says of the pool.
func (p *pools) down(s *stack.Stack) (before, after provision.Action) {
	p.Helper()
	plan, err := s.Graph.PlanDown(p.Context())
	if err != nil || plan.Err() != nil {
		p.Fatal(err, plan.Err())
	}
	left, err := s.Graph.Down(p.Context())
	if err != nil || !left.Empty() {
		p.Fatalf("down: %v, left %+v", err, left)
	}
	if have := contents(p.T, p.account); strings.Contains(have, "flowbed:") {
		p.Errorf("down left in AWS: %s", have)
	}
	return poolAction(plan), poolAction(left)
}

func poolAction(p provision.Plan) (found provision.Action) {
	for _, a := range p.Actions {
		if strings.HasSuffix(a.Step, "work pool") && a.Op != provision.None {
			found = a
		}
	}
	return found
}

func notes(a provision.Action) string {
	var list []string
	for _, n := range a.Notes {
		list = append(list, n.Severity.String()+": "+n.Text)
	}
	return strings.Join(list, "\n")
}

// downs are the three ways to remove an environment: by its name, with a file that does not
// have the secret, and with the whole file.
var downs = map[string]func(*pools) *stack.Stack{
	"name": (*pools).bare,
	"file without the secret": func(p *pools) *stack.Stack {
		return build(p.T, p.account, withoutSecret, p.o)
	},
	"file": func(p *pools) *stack.Stack { return build(p.T, p.account, poolSpec, p.o) },
}

func TestDownDeletesPool(t *testing.T) {
	for name, open := range downs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPools(t)
				var learned []string
				p.o.Learned = func(s string) { learned = append(learned, s) }
				before, after := p.down(open(p))
				if before.Op != provision.Delete || after.Op != provision.None || p.server.Pool(devPool) != nil {
					t.Errorf("%v, then %v", before.Op, after.Op)
				}
				if read := slices.Equal(learned, []string{poolAuth}); read != (name != "file") {
					t.Errorf("the run read %q from the account", learned)
				}
				if want := "info: in Prefect at http://prefect.example/api"; (notes(before) == want) != (name == "name") {
					t.Errorf("notes: %s", notes(before))
				}
			})
		})
	}
}

// TestDownLeavesPool: a pool that down cannot reach is left and named, and the rest goes.
func TestDownLeavesPool(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*pools)
		want string // by the run without a file
	}{
		{"server down", func(p *pools) { p.o.Transport = refusing{} }, "the work pool flowbed-dev at http://prefect.example/api is left, because flowbed could not query Prefect: "},
		{"server broken", func(p *pools) { p.server.Fail = func(*http.Request) int { return 500 } }, "500 Internal Server Error"},
		{"strange answer", func(p *pools) { p.server.Fail = func(*http.Request) int { return 418 } }, "418 I'm a teapot"},
		{"deployments cannot be listed", func(p *pools) {
			p.server.Fail = func(r *http.Request) int {
				return map[bool]int{true: 422}[strings.Contains(r.URL.Path, "/deployments/")]
			}
		}, "422 Unprocessable Entity"},
		{"secret refused", func(p *pools) { p.server.Auth = "ada:another" }, "401 Unauthorized"},
		{"secret may not be read", func(p *pools) {
			p.alter = func(cfg *aws.Config) { cfg.APIOptions = append(cfg.APIOptions, denyDecryption) }
		}, "read the secret of the Prefect API: "},
		{"no record", func(p *pools) { p.untag(resource.KeyPrefectAPI) }, "does not record the URL of its Prefect API"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPools(t)
				c.do(p)
				before, after := p.down(p.bare())
				for when, a := range map[string]provision.Action{"before": before, "after": after} {
					if a.Op != provision.Leave || !strings.Contains(notes(a), c.want) || !strings.HasSuffix(notes(a), "prefect work-pool delete flowbed-dev") {
						t.Errorf("%s: %v\n%s", when, a.Op, notes(a))
					}
					if strings.Contains(notes(a), "correct-horse") {
						t.Error("the plan shows the secret")
					}
				}
			})
		})
	}
}

// denyDecryption lets parameters be read, but no secrets.
func denyDecryption(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("deny", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
		middleware.InitializeOutput, middleware.Metadata, error) {
		if get, ok := in.Parameters.(*ssm.GetParameterInput); ok && aws.ToBool(get.WithDecryption) {
			return middleware.InitializeOutput{}, middleware.Metadata{}, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "denied by the test"}
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

func (p *pools) untag(key string) {
	p.Helper()
	_, err := stack.NewClients(p.account.Config(region)).Logs.UntagResource(p.Context(), &cloudwatchlogs.UntagResourceInput{
		ResourceArn: aws.String("arn:aws:logs:" + region + ":" + sandbox.DefaultAccount + ":log-group:/flowbed/dev"), TagKeys: []string{key},
	})
	if err != nil {
		p.Fatal(err)
	}
}

func (p *pools) tag(value string) {
	p.Helper()
	_, err := stack.NewClients(p.account.Config(region)).Logs.TagResource(p.Context(), &cloudwatchlogs.TagResourceInput{
		ResourceArn: aws.String("arn:aws:logs:" + region + ":" + sandbox.DefaultAccount + ":log-group:/flowbed/dev"),
		Tags:        map[string]string{resource.KeyPrefectAPI: value},
	})
	if err != nil {
		p.Fatal(err)
	}
}

// refusing is a network in which nothing listens.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

// watching sees the secrets of all calls.
type watching struct {
	next    http.RoundTripper
	mu      *sync.Mutex
	headers map[string][]string // by host
}

func (w watching) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.headers[r.URL.Host] = append(w.headers[r.URL.Host], r.Header.Get("Authorization"))
	return w.next.RoundTrip(r)
}

// TestSecretStaysHome: somebody who may tag the log group, but not read the parameter, gets no
// secret with the URL of a server of their own.
func TestSecretStaysHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, api := range []string{"http://evil.example/api", "http://prefect.example/api2", "http://prefect.example:81/api"} {
			p := newPools(t)
			p.tag(api)
			w := watching{p.server, &sync.Mutex{}, map[string][]string{}}
			p.o.Transport = w
			before, _ := p.down(p.bare())
			if before.Op != provision.Leave || len(w.headers) != 1 {
				t.Errorf("%s: %v, calls to %v", api, before.Op, w.headers)
			}
			for host, list := range w.headers {
				for _, h := range list {
					if h != "" {
						t.Errorf("%s got the secret", host)
					}
				}
			}
		}
		for _, bad := range []string{"http://ada:pass=40@evil.example/api", "file:///etc/passwd", "=", "=zz", "http", ""} {
			p := newPools(t)
			p.tag(bad)
			if before, _ := p.down(p.bare()); before.Op != provision.Leave || !strings.Contains(notes(before), "does not record") {
				t.Errorf("%q: %v\n%s", bad, before.Op, notes(before))
			}
		}
	})
}

// TestDownPausesPool: a pool with deployments stays, paused; up resumes it. A pause of
// somebody else stays theirs.
func TestDownPausesPool(t *testing.T) {
	for name, open := range downs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPools(t)
				p.server.Deploy(devPool, 7)
				before, after := p.down(open(p))
				const used = "7 deployments (etl/d1, etl/d2, etl/d3, etl/d4, etl/d5, and 2 more)"
				if before.Op != provision.Release || !strings.Contains(notes(before), "still used by "+used) || !strings.Contains(notes(before), "will be paused") ||
					!strings.Contains(notes(before), "--delete-deployments deletes the deployments with their scheduled runs, and the pool") {
					t.Errorf("before: %v\n%s", before.Op, notes(before))
				}
				if after.Op != provision.Skip || !strings.Contains(notes(after), "is used by "+used) || !strings.Contains(notes(after), "is paused → ") {
					t.Errorf("after: %v\n%s", after.Op, notes(after))
				}
				if p.paused() != true || p.server.Pool(devPool) == nil {
					t.Fatal("the pool is not paused")
				}
				p.server.Calls()
				if p.down(build(t, p.account, poolSpec, p.o)); slices.ContainsFunc(p.server.Calls(), func(c string) bool { return strings.HasPrefix(c, "PATCH") }) {
					t.Error("a second down changes the pool")
				}
				plan, err := build(t, p.account, poolSpec, stack.Options{Transport: p.server}).Graph.Plan(t.Context())
				if err != nil || !slices.ContainsFunc(poolAction(plan).Changes, func(c provision.Change) bool { return c.Field == "paused" }) {
					t.Errorf("the plan of up does not resume the pool: %v %+v", err, poolAction(plan))
				}
				p.up()
				p.settled()
				if p.paused() != false {
					t.Error("up did not resume the pool")
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPools(t)
		p.server.Deploy(devPool, 1)
		p.pause(true)
		before, _ := p.down(p.bare())
		if before.Op != provision.Skip || !strings.Contains(notes(before), "is paused, but not by flowbed") {
			t.Errorf("%v\n%s", before.Op, notes(before))
		}
		p.up()
		if p.settled(); p.paused() != true {
			t.Error("up resumed a pool that somebody else has paused")
		}
		// Somebody resumes what flowbed has paused, and pauses it again after the next up.
		p.pause(false)
		p.down(p.bare())
		p.pause(false)
		p.up()
		p.settled()
		p.pause(true)
		p.up()
		if p.settled(); p.paused() != true {
			t.Error("up resumed a pool that somebody has paused after them")
		}
	})
}

// settled checks that up has nothing to do.
func (p *pools) settled() {
	p.Helper()
	plan, err := build(p.T, p.account, poolSpec, stack.Options{Transport: p.server}).Graph.Plan(p.Context())
	if err != nil || !plan.Empty() {
		p.Errorf("the plan after up: %v %+v", err, plan.Actions)
	}
}

func (p *pools) paused() any { return p.server.Pool(devPool)["is_paused"] }

// pause pauses or resumes the pool, as people do in Prefect.
func (p *pools) pause(on bool) {
	pool := p.server.Pool(devPool)
	pool["is_paused"] = on
	p.server.SetPool(devPool, pool)
}

// killed lets the first writes of a run pass, to AWS and to Prefect, and no others.
type killed struct {
	next http.RoundTripper
	left *atomic.Int64
}

func (k killed) RoundTrip(r *http.Request) (*http.Response, error) {
	reads := r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/filter") || strings.HasSuffix(r.URL.Path, "/count")
	if !reads && k.left.Add(-1) < 0 {
		return nil, errors.New("killed")
	}
	return k.next.RoundTrip(r)
}

// TestDownPoolCutShort: wherever a run is killed, the next one goes on, without the file. The
// secret goes after the pool.
func TestDownPoolCutShort(t *testing.T) {
	for _, c := range []struct {
		name        string
		deployments int
		o           stack.Options
		stays       bool
	}{
		{"delete", 0, stack.Options{}, false},
		{"pause", 2, stack.Options{}, true},
		{"delete deployments", 3, stack.Options{DeleteDeployments: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for n := int64(0); ; n++ {
					p := newPools(t)
					p.server.Deploy(devPool, c.deployments)
					p.o.DeleteDeployments = c.o.DeleteDeployments
					left := new(atomic.Int64)
					left.Store(n)
					p.account.Fault = func(c sandbox.Call) sandbox.Fault {
						if c.Write && left.Add(-1) < 0 {
							return sandbox.Fault{Refuse: errors.New("killed")}
						}
						return sandbox.Fault{}
					}
					p.o.Transport = killed{p.server, left}
					_, err := p.bare().Graph.Down(t.Context())
					p.account.Fault, p.o.Transport = nil, p.server
					done := func() bool {
						pool := p.server.Pool(devPool)
						return pool == nil && !c.stays || pool != nil && c.stays && p.paused() == true
					}
					if !done() && !strings.Contains(contents(t, p.account), "prefect-api-key") {
						t.Fatalf("after %d writes, the secret is gone and the pool is not done", n)
					}
					p.down(p.bare())
					if !done() {
						t.Fatalf("after %d writes and another down, the pool is %v", n, p.server.Pool(devPool))
					}
					if err == nil {
						return
					}
				}
			})
		})
	}
}

// TestDownDeletesDeployments: the plan says what goes with the pool.
func TestDownDeletesDeployments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPools(t)
		p.server.Deploy(devPool, 2)
		p.o.DeleteDeployments = true
		before, after := p.down(p.bare())
		if want := "warning: 2 deployments will be deleted, with all scheduled runs: etl/d1, etl/d2"; before.Op != provision.Delete || !strings.Contains(notes(before), want) {
			t.Errorf("%v\n%s", before.Op, notes(before))
		}
		deleted := slices.DeleteFunc(p.server.Calls(), func(c string) bool { return !strings.HasPrefix(c, "DELETE ") })
		if after.Op != provision.None || p.server.Pool(devPool) != nil || len(deleted) != 3 || deleted[2] != "DELETE /work_pools/"+devPool {
			t.Errorf("%v, calls %v", after.Op, deleted)
		}
	})
}

// TestOldPoolsOfDown: several pools, of which one cannot be deleted, do not hide each other.
func TestOldPoolsOfDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPools(t)
		named := func(pool string) string {
			return strings.Replace(poolSpec, "prefect {", fmt.Sprintf("prefect {\nwork_pool = %q", pool), 1)
		}
		for _, pool := range []string{"two", "three"} {
			p.server.Deploy(devPool, 1)
			if err := build(t, p.account, named(pool), stack.Options{Transport: p.server}).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.server.Deploy("two", 1)
		}
		_, after := p.down(p.bare())
		if p.server.Pool("three") != nil || p.paused() != true || p.server.Pool("two")["is_paused"] != true {
			t.Errorf("three: %v, two: %v", p.server.Pool("three"), p.server.Pool("two")["is_paused"])
		}
		if said := after.Object + "\n" + notes(after); !strings.Contains(said, "two\n") || !strings.Contains(said, "warning: flowbed-dev is used by 1 deployment (etl/d1)") {
			t.Errorf("a pool is not named: %s", said)
		}
	})
}
