package faultmatrix_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/faultmatrix"
	"github.com/flowbed/flowbed/test/prefecttest"
)

const region = "eu-central-1"

// everything declares all that an environment can have. The two %s are its name, and
// the blocks that only config.hcl.example has, without their names.
const everything = `
environment "%s" {
  tags = { team = "data" }
  bucket { expire_days = 90 }
  task_role {
    ecr      = "full"
    dask     = true
    policies = ["arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess"]
    statement {
      actions   = ["sqs:SendMessage"]
      resources = ["*"]
    }
  }
  prefect {
    api_url           = "http://prefect.example/api"
    api_key           = "pnu_a_secret_of_the_test"
    concurrency_limit = 5
  }
  flows {
    cpu    = 512
    memory = 1024
  }
  agent {
    ssh {
      cidr       = "203.0.113.7/32"
      public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dM8zQ2n8gk1d6zB1mG7p9v8kO2T0c4l5aYxJr6q7S test"
    }
  }
%s}
`

// inService has its agent in a service with a memory. The other verbs are those of everything.
const inService = `
environment "%%s" {
  prefect {
    api_url = "http://prefect.example/api"
    api_key = "pnu_a_secret_of_the_test"
  }
  agent {
    service {
      memory = %d
    }
  }
%%s}
`

// serving has its agent in a service, and served is another version of it.
var (
	serving = fmt.Sprintf(inService, 1024)
	served  = fmt.Sprintf(inService, 2048)
)

// changes are other versions of environments, by their text.
var changes = map[string]string{serving: served, narrow: wide, keyless: keyed}

var given = regexp.MustCompile(`(?m)^ +(name|ownership) += .*\n`)

// otherBlocks returns the blocks of the example that are not in everything.
func otherBlocks(t *testing.T) string {
	t.Helper()
	const path = "../../config.hcl.example"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, diags := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var b strings.Builder
	for _, env := range f.Body.(*hclsyntax.Body).Blocks {
		if env.Type != "environment" {
			continue
		}
		for _, block := range env.Body.Blocks {
			if !strings.Contains(everything, "\n  "+block.Type+" {") {
				b.WriteString("  " + given.ReplaceAllString(string(blockRange(block).SliceBytes(text)), "") + "\n")
			}
		}
	}
	return b.String()
}

func blockRange(b *hclsyntax.Block) hcl.Range {
	return hcl.RangeBetween(b.TypeRange, b.CloseBraceRange)
}

// world is an account and a Prefect server. Processes run in it.
type world struct {
	*testing.T
	account *sandbox.Account
	prefect *prefecttest.Server
	names   *faultmatrix.Names
	dir     string
	text    string // of an environment; see everything
	blocks  string // see everything

	mu      sync.Mutex
	workers map[string]*worker // by instance
}

func newWorld(t *testing.T) *world {
	return &world{T: t, account: sandbox.New(), prefect: prefecttest.New(), names: &faultmatrix.Names{}, dir: t.TempDir(), text: everything, blocks: otherBlocks(t),
		workers: map[string]*worker{}}
}

// environment returns the spec of an environment, as a command reads it.
func (w *world) environment(name string, destroy bool) *spec.Environment {
	w.Helper()
	file, err := os.CreateTemp(w.dir, name+"-*.hcl") // one file per call: calls may run in parallel
	if err != nil {
		w.Fatal(err)
	}
	path := file.Name()
	if _, err := fmt.Fprintf(file, w.text, name, w.blocks); err != nil || file.Close() != nil {
		w.Fatal("write the spec:", err)
	}
	f, err := spec.Load(path, spec.Options{Destroy: destroy, Check: stack.Check})
	if err != nil {
		w.Fatal(err)
	}
	e, err := f.Environment(spec.Place{Account: sandbox.DefaultAccount, Region: region})
	if err != nil {
		w.Fatal(err)
	}
	return e
}

// call is one call in flight.
type call struct {
	service, operation string
	write              bool
	key                string // see faultmatrix.Key
	prefect            bool   // to Prefect's API
}

// process is one run of the program. After kill, it can neither make a call nor get a
// reply.
type process struct {
	*world
	env   string
	alter func(*process, call, func() error) error          // if set, runs in place of each call
	again func(ctx context.Context, one func() error) error // if set, makes a call with the SDK's retries

	fence  *lease.Fence  // if set, the process has the lease
	asleep chan struct{} // closed when the process wakes up; nil while it is awake
	slept  time.Duration // by which its monotonic clock is slow

	mu    sync.Mutex
	order []call
	woke  int // how many calls it had made when it woke up
	dead  bool
	end   context.CancelFunc
	graph *provision.Graph
}

func (w *world) process(env string) *process {
	return &process{world: w, env: env}
}

var errKilled = errors.New("the process was killed")

// kill ends the process.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	p.end()
}

// sleep stops the process for longer than its lease. In that time somebody else removes the
// environment. If the machine is suspended too, its monotonic clock stands still.
func (p *process) sleep(suspended bool) {
	asleep, begun := make(chan struct{}), time.Now()
	p.mu.Lock()
	p.asleep = asleep
	p.mu.Unlock()
	if err := p.process(p.env).leased(p.Context(), "down"); err != nil {
		p.Errorf("down while the other run sleeps: %v", err)
	}
	p.settle()
	p.mu.Lock()
	defer p.mu.Unlock()
	if suspended {
		p.slept = time.Since(begun)
	}
	p.asleep, p.woke = nil, len(p.order)
	close(asleep)
}

// clock is the machine's clock.
func (p *process) clock() (steady, wall time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	return now.Add(-p.slept), now
}

// pass makes a call, or whatever alter turns it into.
func (p *process) pass(c call, do func() error) error {
	p.mu.Lock()
	for p.asleep != nil {
		asleep := p.asleep
		p.mu.Unlock()
		<-asleep
		if err := p.fence.Over(); err != nil { // which the program checks on the wire
			return err
		}
		p.mu.Lock()
	}
	if p.dead {
		p.mu.Unlock()
		return errKilled
	}
	c.key = p.names.In(c.key)
	p.order = append(p.order, c)
	p.mu.Unlock()
	if p.alter == nil {
		return do()
	}
	return p.alter(p, c, do)
}

// writes returns the keys of the writes that the process made, without duplicates.
func (p *process) writes() (keys []string) {
	for _, c := range p.order {
		if c.write {
			keys = append(keys, c.key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// middleware puts pass between the SDK's clients and the account.
func (p *process) middleware(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("flowbed:matrix",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			out middleware.InitializeOutput, md middleware.Metadata, err error) {
			c := callOf(in.Parameters)
			one := func() error {
				return p.pass(c, func() (err error) {
					if out, md, err = next.HandleInitialize(ctx, in); err == nil {
						p.learn(in.Parameters, out.Result)
					}
					return err
				})
			}
			if p.again != nil {
				err = p.again(ctx, one)
			} else {
				err = one()
			}
			return out, md, err
		}), middleware.Before)
}

var poolPath = regexp.MustCompile(`^/api`)

// RoundTrip does the same for calls to Prefect's API.
func (p *process) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	path := poolPath.ReplaceAllString(r.URL.Path, "")
	read := r.Method == http.MethodGet || strings.HasSuffix(path, "/filter") || strings.HasSuffix(path, "/count")
	c := call{service: "prefect", operation: r.Method, key: "prefect:" + r.Method + " " + path, write: !read, prefect: true}
	p.beat()
	err = p.pass(c, func() error {
		again := r.Clone(r.Context())
		if r.GetBody != nil {
			if again.Body, err = r.GetBody(); err != nil {
				return err
			}
		}
		resp, err = p.prefect.RoundTrip(again)
		return err
	})
	if status, ok := errors.AsType[statusError](err); ok {
		return &http.Response{StatusCode: int(status), Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// statusError is the HTTP status with which Prefect's API rejects a call.
type statusError int

func (e statusError) Error() string { return http.StatusText(int(e)) }

// config returns the AWS configuration of the process's clients.
func (p *process) config() aws.Config {
	cfg := p.account.Config(region)
	cfg.APIOptions = append([]func(*middleware.Stack) error{p.middleware}, cfg.APIOptions...)
	if p.fence != nil {
		cfg = p.fence.Guard(cfg)
	}
	return cfg
}

func (p *process) identity() resource.Identity {
	return resource.Identity{Env: p.env, Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}
}

func (p *process) stack(destroy bool) *stack.Stack {
	p.Helper()
	id, env := p.identity(), p.environment(p.env, destroy)
	id.Extra = env.Tags
	s, err := stack.Build(env, id, stack.NewClients(p.config()), stack.Options{
		Destroy: destroy, ForceDestroy: destroy, Wait: 5 * time.Minute, Settle: p.account.Lag, Transport: p, Address: netip.MustParsePrefix("203.0.113.7/32"),
		Fence: p.fence,
	})
	if err != nil {
		p.Fatal(err)
	}
	p.graph = s.Graph
	return s
}

// up does what the command does, without a prompt.
func (p *process) up(ctx context.Context) error {
	ctx, p.end = context.WithCancel(ctx)
	defer p.end()
	g := p.stack(false).Graph
	plan, err := g.Plan(ctx)
	if err != nil {
		return err
	}
	if err := plan.Err(); err != nil || plan.Empty() {
		return err
	}
	return g.Up(ctx)
}

// down does what the command does.
func (p *process) down(ctx context.Context) error {
	ctx, p.end = context.WithCancel(ctx)
	defer p.end()
	g := p.stack(true).Graph
	plan, err := g.PlanDown(ctx)
	if err != nil {
		return err
	}
	if err := plan.Err(); err != nil || plan.Empty() {
		return err
	}
	left, err := g.Down(ctx)
	if err == nil && !left.Empty() {
		err = fmt.Errorf("left: %+v", left)
	}
	return err
}
