package permissions_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/lifecycle"
	"github.com/flowbed/flowbed/test/prefecttest"
)

const region = "eu-central-1"

var identity = resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}

// home is where the environment of config.hcl.example is.
const home = "us-east-1"

var here = resource.Identity{Env: "dev", Region: home, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}

// environment is what a text says; see file.
func environment(t *testing.T, text, place string, destroy bool) *spec.Environment {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.hcl")
	text, vars := file(text)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := spec.Load(name, spec.Options{Env: identity.Env, Destroy: destroy, Vars: vars, Home: "../spec/testdata/home"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Environment(spec.Place{Account: identity.Account, Region: cmp.Or(f.Region(), place)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// world is an account in which the caller may do only what the kinds say.
type world struct {
	*testing.T
	account *sandbox.Account
	server  *prefecttest.Server
	made    map[permissions.Verb]map[string]bool // actions of all calls so far
	says    said                                 // what the kinds said of all files so far
	planned provision.Plan                       // the last one
	rewrite func(string) string                  // changes the policy before it is used; nil: not

	mu     sync.Mutex
	calls  []string
	denied []error
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, account: sandbox.New(), server: prefecttest.New(), made: map[permissions.Verb]map[string]bool{}, says: said{}}
	for _, v := range permissions.Verbs {
		w.made[v] = map[string]bool{}
	}
	return w
}

// config notes the actions and the refusals of all calls.
func (w *world) config() aws.Config {
	cfg := w.account.Config(home)
	note := middleware.InitializeMiddlewareFunc("flowbed:note", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
		middleware.InitializeOutput, middleware.Metadata, error) {
		out, md, err := next.HandleInitialize(ctx, in)
		t := reflect.TypeOf(in.Parameters).Elem()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls = append(w.calls, awserr.Action(path.Base(t.PkgPath()), strings.TrimSuffix(t.Name(), "Input")))
		if awserr.Classify(err) == awserr.Denied {
			w.denied = append(w.denied, err)
		}
		return out, md, err
	})
	cfg.APIOptions = append([]func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(note, middleware.Before)
	}}, cfg.APIOptions...)
	return cfg
}

// run carries out a verb under its own policy, and reports what the verb said.
func (w *world) run(v permissions.Verb, text string, o stack.Options) error {
	w.Helper()
	return w.runUnder(policyFor{v, text}, v, text, o)
}

// policyFor is the policy for a verb and a file.
type policyFor struct {
	verb permissions.Verb
	text string
}

// runUnder carries out a verb under the policy for a verb that may be another one, of a
// file that may be another one.
func (w *world) runUnder(p policyFor, v permissions.Verb, text string, o stack.Options, more ...policyFor) error {
	w.Helper()
	o.Destroy = o.Destroy || v == permissions.Down
	o.Address, o.Wait = lifecycle.Caller, time.Minute
	if o.Transport == nil {
		o.Transport = w.server
	}
	env := environment(w.T, text, home, o.Destroy)
	id := here
	id.Extra = env.Tags
	var steps []permissions.Needs
	for _, p := range append(more, p) {
		o := o
		o.Destroy = p.verb == permissions.Down
		asked := needs(w.T, p.text, id, p.verb, o)
		w.says.add(p.verb, asked)
		steps = append(steps, asked...)
	}
	w.calls, w.denied = nil, nil
	w.account.Policy = permissions.NewPolicy(steps).String()
	if w.rewrite != nil {
		w.account.Policy = w.rewrite(w.account.Policy)
	}
	cfg := w.config()
	s, err := stack.Build(env, id, stack.NewClients(cfg), o)
	if err != nil {
		w.Fatal(err)
	}
	err = w.carryOut(v, s, ssm.NewFromConfig(cfg))
	if v == permissions.Plan {
		o.Destroy = true
		gone, failed := stack.Build(environment(w.T, text, home, true), id, stack.NewClients(cfg), o)
		if failed != nil {
			w.Fatal(failed)
		}
		_, failed = gone.Graph.PlanDown(context.Background())
		err = errors.Join(err, failed)
	}
	w.account.Policy = ""
	for _, d := range w.denied {
		w.Errorf("%s: denied: %v", v, d)
	}
	may := permissions.Actions(steps)
	for _, a := range w.calls {
		w.made[v][a] = true
		if !slices.Contains(may, a) {
			w.Errorf("%s calls %s, which no kind says", v, a)
		}
	}
	return err
}

func (w *world) carryOut(v permissions.Verb, s *stack.Stack, api *ssm.Client) error {
	ctx := context.Background()
	if v == permissions.Hello {
		h, err := s.Hello()
		w.check(err)
		h.Timeout = 10 * time.Minute
		_, err = h.Run(ctx)
		return err
	}
	if v == permissions.Plan {
		var err error
		w.planned, err = s.Graph.Plan(ctx)
		return err
	}
	l := &lease.Lease{API: api, ID: here, Command: string(v)}
	held, run, err := l.Acquire(ctx, nil)
	if err != nil {
		return err
	}
	if v == permissions.Up {
		return errors.Join(s.Graph.Up(run), held.Release(w.empty()))
	}
	left, err := s.Graph.Down(run)
	if err == nil && !left.Empty() {
		err = errors.New("something is left")
	}
	return errors.Join(err, held.Release(err == nil))
}

// hand returns a second user of the account, who may do everything.
func (w *world) hand() *lifecycle.World {
	return lifecycle.NewWorld(w.account.Config(home), here.Account)
}

func (w *world) empty() bool { return len(w.account.Inventory()) == 0 }

// must fails the test if a verb fails.
func (w *world) must(v permissions.Verb, text string, o stack.Options) {
	w.Helper()
	if err := w.run(v, text, o); err != nil {
		w.Fatalf("%s: %v", v, err)
	}
}
