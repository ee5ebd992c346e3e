package permissions_test

import (
	"context"
	"os"
	"path/filepath"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

const inVPCOfAnother = "network { vpc_from = \"shared\" }\nagent {}\nprefect { api_url = \"https://prefect.example.com/api\" }"

// The VPC of another environment is only read, also to say that there is none.
func borrowing(w *world) {
	if err := w.run(permissions.Plan, inVPCOfAnother, quiet); err != nil {
		w.Errorf("plan without the other environment: %v", err)
	}
	w.account.Policy = ""
	w.check(w.lender(false).Graph.Up(context.Background()))
	w.must(permissions.Plan, inVPCOfAnother, quiet)
	w.must(permissions.Up, inVPCOfAnother, quiet)
	w.must(permissions.Plan, inVPCOfAnother, quiet)
	w.must(permissions.Down, inVPCOfAnother, quiet)
	w.account.Policy = ""
	if left, err := w.lender(true).Graph.Down(context.Background()); err != nil || !left.Empty() {
		w.Errorf("down of the other environment: %v, %+v", err, left)
	}
}

// lender is the graph of an environment with a VPC of its own, beside that of the other runs.
func (w *world) lender(destroy bool) *stack.Stack {
	w.Helper()
	path := filepath.Join(w.TempDir(), "config.hcl")
	w.check(os.WriteFile(path, []byte("environment \"shared\" {\nnetwork { vpc = \"new\" }\n}"), 0o600))
	f, err := spec.Load(path, spec.Options{Destroy: destroy})
	w.check(err)
	id := here
	id.Env = "shared"
	env, err := f.Environment(spec.Place{Account: id.Account, Region: home})
	w.check(err)
	s, err := stack.Build(env, id, stack.NewClients(w.account.Config(home)), stack.Options{Transport: sandbox.Prefect(w.account), Destroy: destroy})
	w.check(err)
	return s
}
