package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

// bench is a run in a sandbox, and what it prints.
func bench(t *testing.T, account *sandbox.Account, verb string, f runFlags) (r *run, out, errs *bytes.Buffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, []byte(`environment "dev" {}`), 0o600); err != nil {
		t.Fatal(err)
	}
	destroy := verb == "down"
	file, err := spec.Load(path, spec.Options{Destroy: destroy})
	if err != nil {
		t.Fatal(err)
	}
	env, err := file.Environment(spec.Place{Account: sandbox.DefaultAccount, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	id := resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "test"}
	c := stack.NewClients(account.Config("us-east-1"))
	built, err := stack.Build(env, id, c, stack.Options{NoPrefect: true, Destroy: destroy})
	if err != nil {
		t.Fatal(err)
	}
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	a := &app{out: out, err: &notes{Writer: errs}, sandbox: true}
	t.Cleanup(a.idle) // some tests only plan
	s := &session{Stack: built, env: env, id: id, ssm: c.SSM, save: func() error { return nil },
		header: view.Header{Environment: "dev", Account: id.Account, Region: id.Region, Sandbox: true}}
	return a.newRun(s, verb, f), out, errs
}

func (r *run) upNow(ctx context.Context) error {
	return r.do(ctx, func(ctx context.Context) (*provision.Plan, error) { return nil, r.s.Graph.Up(ctx) })
}

func names(account *sandbox.Account) (list []string) {
	for _, c := range account.Calls() {
		list = append(list, c.Operation)
	}
	return list
}

// locked plans under the lease, as a run does that has had to wait for it.
func (r *run) locked(t *testing.T) (context.Context, *lease.Handle) {
	t.Helper()
	held, ctx, err := r.a.lease(r.s.ssm, r.s.id, r.verb, r.flags.lockTimeout).Acquire(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.plan(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx, held
}

// TestLeaseAroundARun: it is taken before anything is changed, and given back at
// the end; a removal takes its parameter along. Who has nothing to do does not
// take it.
func TestLeaseAroundARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up, _, _ := bench(t, account, "up", runFlags{yes: true})
		if err := up.upNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		calls := names(account)
		claimed, made := slices.Index(calls, "PutParameter"), slices.Index(calls, "CreateRole")
		if !slices.Contains(calls, "GetParameterHistory") || claimed < 0 || claimed > made || calls[len(calls)-1] != "PutParameter" {
			t.Errorf("the calls are %v", calls)
		}
		before := len(account.Writes())
		unchanged, _, _ := bench(t, account, "up", runFlags{yes: true})
		if err := unchanged.upNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if writes := account.Writes()[before:]; len(writes) > 0 {
			t.Errorf("up of what is there writes %v", writes)
		}
		down, _, _ := bench(t, account, "down", runFlags{yes: true})
		if err := down.down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have := account.Inventory(); len(have) > 0 {
			t.Errorf("left behind: %v", have)
		}
		before = len(account.Writes())
		again, out, _ := bench(t, account, "down", runFlags{yes: true})
		if err := again.down(t.Context()); err != nil || !strings.Contains(out.String(), "No resources of environment dev in account 123456789012, region us-east-1.") {
			t.Errorf("down again: %v\n%s", err, out)
		}
		if writes := account.Writes()[before:]; len(writes) > 0 {
			t.Errorf("down of nothing writes %v", writes)
		}
	})
}

// TestDownTakesALeaseAlong that is all that is left of an environment.
func TestDownTakesALeaseAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		killed, _, _ := bench(t, account, "down", runFlags{})
		_, held := killed.locked(t)
		if err := held.Release(false); err != nil {
			t.Fatal(err)
		}
		down, _, _ := bench(t, account, "down", runFlags{yes: true})
		if err := down.down(t.Context()); err != nil || len(account.Inventory()) > 0 {
			t.Errorf("down: %v, and leaves %v", err, account.Inventory())
		}
	})
}

// TestPlanOfARunThatWasOvertaken: what was planned before another run, is planned
// again under the lease, and carried out as it is then.
func TestPlanOfARunThatWasOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		first, _, _ := bench(t, account, "up", runFlags{yes: true})
		if err := first.upNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		logs := cloudwatchlogs.NewFromConfig(account.Config("us-east-1"))
		if _, err := logs.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("/flowbed/dev")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		second, out, errs := bench(t, account, "up", runFlags{yes: true})
		account.Fault = func(c sandbox.Call) sandbox.Fault {
			if c.Operation != "PutParameter" {
				return sandbox.Fault{}
			}
			account.Fault = nil
			return sandbox.Fault{ // another run, from its beginning to its end, in the moment before the lease is taken
				Refuse: &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"},
				Then: func() {
					third, _, _ := bench(t, account, "up", runFlags{yes: true})
					if err := third.upNow(t.Context()); err != nil {
						t.Error(err)
					}
				},
			}
		}
		if err := second.upNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(errs.String(), "The account has changed since then") || !strings.Contains(out.String(), "Nothing to do") {
			t.Errorf("it says\n%s\n%s", out, errs)
		}
		var made []string
		for _, c := range account.Writes() {
			if c.Operation == "CreateLogGroup" {
				made = append(made, c.String())
			}
		}
		if len(made) != 2 { // by the first run and by the third
			t.Errorf("the log group was created %d times, want 2", len(made))
		}
		if second.held != nil {
			t.Error("it still holds the lease")
		}
	})
}

// TestRunWaits checks that a run that waited for the lock reads again what it had read
// before.
func TestRunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		first, _, _ := bench(t, account, "up", runFlags{yes: true})
		if err := first.upNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		down, _, _ := bench(t, account, "down", runFlags{yes: true, lockTimeout: time.Minute})
		ctx, held := down.locked(t)
		second, _, errs := bench(t, account, "up", runFlags{yes: true, lockTimeout: time.Minute})
		ended := make(chan error)
		go func() { ended <- second.upNow(t.Context()) }()
		time.Sleep(10 * time.Second)
		if left, err := down.s.Graph.Down(ctx); err != nil || !left.Empty() {
			t.Fatal(left, err)
		}
		if err := held.Release(true); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(errs.String(), "Waiting up to 1m0s for the lock, held by ") || !strings.Contains(errs.String(), "Up: 6 created") {
			t.Errorf("the second up says\n%s", errs)
		}
		p, _, _ := bench(t, account, "up", runFlags{})
		if err := p.plan(t.Context()); err != nil || !p.planned.Empty() {
			t.Errorf("after it the plan is %+v, %v", p.planned, err)
		}

		third, _, _ := bench(t, account, "up", runFlags{yes: true, lockTimeout: time.Second})
		_, held = third.locked(t)
		before := len(account.Writes())
		fourth, _, _ := bench(t, account, "down", runFlags{yes: true, lockTimeout: 3 * time.Second})
		err := fourth.down(t.Context())
		if _, ok := errors.AsType[*lease.HeldError](err); !ok || exitCode(err) != exitFailed {
			t.Errorf("the second run ended with %v", err)
		}
		if n := len(account.Writes()) - before; n > 0 {
			t.Errorf("it made %d writing calls", n)
		}
		if err := held.Release(false); err != nil {
			t.Error(err)
		}
	})
}

// TestNoSummaryWithoutChanges: a run that cannot take the lock after a confirmed plan has
// changed nothing, so it prints only the error.
func TestNoSummaryWithoutChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.Fault = func(c sandbox.Call) sandbox.Fault {
			if c.Operation == "PutParameter" {
				return sandbox.Fault{Refuse: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}}
			}
			return sandbox.Fault{}
		}
		up, _, errs := bench(t, account, "up", runFlags{yes: true})
		if err := up.upNow(t.Context()); err == nil {
			t.Error("up has changed an account without the lock")
		}
		if strings.Contains(errs.String(), "Up:") {
			t.Errorf("up says\n%s", errs)
		}
		if writes := account.Inventory(); len(writes) > 0 {
			t.Errorf("up made %v", writes)
		}
	})
}

// TestSummaryHasTheProblems: the JSON summary has the problems of a plan, by their steps.
func TestSummaryHasTheProblems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		if _, err := iam.NewFromConfig(account.Config("us-east-1")).CreateRole(t.Context(), &iam.CreateRoleInput{
			RoleName: aws.String(resource.Names{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1"}.TaskRole()), AssumeRolePolicyDocument: aws.String(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`),
		}); err != nil {
			t.Fatal(err)
		}
		up, out, _ := bench(t, account, "up", runFlags{yes: true, asJSON: true})
		if err := up.upNow(t.Context()); err == nil {
			t.Error("up has taken the role of somebody else")
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if last := lines[len(lines)-1]; !strings.Contains(last, `"type":"summary"`) ||
			!strings.Contains(last, `"step":"task role"`) || !strings.Contains(last, "was created outside flowbed") {
			t.Errorf("the last line is %s", last)
		}
	})
}

// TestLostLeaseStopsTheRun calmly: what is under way finishes, nothing new begins.
func TestLostLeaseStopsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		r, _, _ := bench(t, account, "up", runFlags{yes: true})
		api := ssm.NewFromConfig(account.Config("us-east-1"))
		stolen := false
		account.Fault = func(c sandbox.Call) sandbox.Fault {
			if c.Operation == "CreateRole" && !stolen {
				stolen = true
				return sandbox.Fault{Then: func() {
					_, _ = api.DeleteParameter(context.Background(), &ssm.DeleteParameterInput{Name: aws.String(lease.Parameter("dev"))})
				}}
			}
			if c.Operation == "PutRolePolicy" { // goes on for longer than the lease
				return sandbox.Fault{Refuse: &smithy.GenericAPIError{Code: "ConcurrentModification", Message: "try again"}}
			}
			return sandbox.Fault{}
		}
		err := r.upNow(t.Context())
		if _, ok := errors.AsType[*lease.LostError](err); !ok || exitCode(err) != exitFailed {
			t.Errorf("the run ended with %v", err)
		}
		if _, ok := account.Inventory()["ssm us-east-1"]; ok {
			t.Error("the lease that was taken away came back")
		}
	})
}

// TestSamePlan: after a long time without an answer the plan is made again, and
// only the same one is carried out without another question. Then the run no longer says that
// it reads.
func TestSamePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		r, _, errs := bench(t, account, "up", runFlags{})
		if err := r.plan(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.a.idle()
		same := func(want bool, calls bool) {
			t.Helper()
			before := len(account.Calls())
			have, err := r.samePlanSoon(t.Context())
			if err != nil || have != want || len(account.Calls()) > before != calls {
				t.Errorf("same: %v, %v, %d calls; want %v", have, err, len(account.Calls())-before, want)
			}
		}
		same(true, false)
		time.Sleep(time.Minute)
		same(true, true)
		logs := cloudwatchlogs.NewFromConfig(account.Config("us-east-1"))
		if _, err := logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/flowbed/dev")}); err != nil {
			t.Fatal(err)
		}
		same(true, false) // it is not a quarter of a minute old
		time.Sleep(time.Minute)
		same(false, true)
		if err := r.planned.Err(); err == nil {
			t.Error("the new plan is not the one to be shown")
		}
		if errs.Len() > 0 {
			t.Errorf("it says %q", errs)
		}
	})
}

// TestDeclinedRunLeavesNothing: not even the parameter of its lease.
func TestDeclinedRunLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		r, _, _ := bench(t, account, "up", runFlags{})
		_, r.held = r.locked(t)
		if err := r.unlock(errDeclined); err != nil || len(account.Inventory()) > 0 {
			t.Errorf("have %v, left %v", err, account.Inventory())
		}
	})
}
