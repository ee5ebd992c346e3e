package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/view"
)

// savedNow is the plan of a run, as plan --out saves it.
func savedNow(t *testing.T, account *sandbox.Account, verb string) *saved {
	t.Helper()
	r, _, _ := bench(t, account, verb, runFlags{})
	if err := r.plan(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := view.NewSavedPlan(view.SavedPlan{Program: planner(), Verb: verb, Header: r.s.header}, r.planned)
	if err != nil {
		t.Fatal(err)
	}
	return &saved{"plan.json", p}
}

// TestSavedPlanThatWasOvertaken: another run comes in the moment before the lock is taken. Nothing
// is changed then, whatever flag confirms.
func TestSavedPlanThatWasOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		r, out, errs := bench(t, account, "up", runFlags{yes: true})
		r.saved = savedNow(t, account, "up")
		writes := 0
		account.Fault = func(c sandbox.Call) sandbox.Fault {
			if c.Operation != "PutParameter" {
				return sandbox.Fault{}
			}
			account.Fault = nil
			return sandbox.Fault{
				Refuse: &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"},
				Then: func() {
					other, _, _ := bench(t, account, "up", runFlags{yes: true})
					if err := other.upNow(t.Context()); err != nil {
						t.Error(err)
					}
					writes = len(account.Writes())
				},
			}
		}
		err := r.upNow(t.Context())
		e, ok := errors.AsType[*movedError](err)
		if !ok || exitCode(err) != exitFailed || !strings.Contains(e.Error(), "- log group /flowbed/dev: create in the plan, nothing to do now") {
			t.Fatalf("it ended with %v\n%s", err, errs)
		}
		if strings.Contains(errs.String(), "This is the new plan") || strings.Contains(out.String(), "Nothing to do") {
			t.Errorf("it shows another plan:\n%s\n%s", out, errs)
		}
		for _, c := range account.Writes()[writes:] {
			if c.Service != "ssm" { // the lock
				t.Errorf("it called %s", c)
			}
		}
		if r.held != nil {
			t.Error("it still holds the lock")
		}
	})
}

// TestSavedPlanWaits: the world moves while the run waits for the lock of another one.
func TestSavedPlanWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		first, _, _ := bench(t, account, "up", runFlags{yes: true})
		if err := first.upNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		plan := savedNow(t, account, "up")
		down, _, _ := bench(t, account, "down", runFlags{yes: true, lockTimeout: time.Minute})
		ctx, held := down.locked(t)
		second, _, _ := bench(t, account, "up", runFlags{yes: true, lockTimeout: time.Minute})
		second.saved = plan
		ended := make(chan error)
		go func() { ended <- second.upNow(t.Context()) }()
		time.Sleep(10 * time.Second)
		if left, err := down.s.Graph.Down(ctx); err != nil || !left.Empty() {
			t.Fatal(left, err)
		}
		if err := held.Release(true); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !strings.Contains(err.Error(), "- log group /flowbed/dev: unchanged in the plan, create now") {
			t.Errorf("it ended with %v", err)
		}
		if have := account.Inventory(); len(have) > 0 {
			t.Errorf("it has created %v", have)
		}
	})
}

// TestSavedPlanIsCarriedOut: what has not moved is carried out, and asked about without --yes.
func TestSavedPlanIsCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		r, out, errs := bench(t, account, "up", runFlags{yes: true})
		r.saved = savedNow(t, account, "up")
		if err := r.upNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "+ create    log group            /flowbed/dev\n+ create") || !strings.Contains(errs.String(), "Up: 6 created") {
			t.Errorf("it says\n%s\n%s", out, errs)
		}
		down, _, errs := bench(t, account, "down", runFlags{yes: true})
		down.saved = savedNow(t, account, "down")
		if err := down.down(t.Context()); err != nil || !strings.Contains(errs.String(), "6 deleted") {
			t.Errorf("down: %v\n%s", err, errs)
		}
	})
}

// TestSavedPlanOfAnotherAccount: nothing is read there, and the exit code is that of the wrong account.
func TestSavedPlanOfAnotherAccount(t *testing.T) {
	account := sandbox.New()
	r, _, _ := bench(t, account, "up", runFlags{yes: true})
	r.saved = savedNow(t, account, "up")
	r.s.header.Account = "210987654321"
	before := len(account.Calls())
	err := r.upNow(t.Context())
	if exitCode(err) != exitDenied || !strings.Contains(err.Error(), "account: 123456789012 in the plan, 210987654321 now") {
		t.Errorf("exit code %d: %v", exitCode(err), err)
	}
	if hint := r.a.hint(err); !strings.Contains(hint, "--profile") {
		t.Errorf("the hint is %q", hint)
	}
	if n := len(account.Calls()) - before; n > 0 {
		t.Errorf("%d calls", n)
	}
}

// TestSavedPlanThatCannotBeRead: the reason why an object cannot be read is told, not that the plan
// is another one.
func TestSavedPlanThatCannotBeRead(t *testing.T) {
	account := sandbox.New()
	plan := savedNow(t, account, "up")
	account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Operation != "DescribeLogGroups" {
			return sandbox.Fault{}
		}
		return sandbox.Fault{Refuse: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}}
	}
	r, _, _ := bench(t, account, "up", runFlags{yes: true})
	r.saved = plan
	err := r.upNow(t.Context())
	if _, ok := errors.AsType[*movedError](err); ok || exitCode(err) != exitDenied {
		t.Errorf("exit code %d: %v", exitCode(err), err)
	}
	if n := len(account.Writes()); n > 0 {
		t.Errorf("%d writing calls", n)
	}
}

// TestMovedErrorIsShort: nobody reads a hundred differences.
func TestMovedErrorIsShort(t *testing.T) {
	e := (&saved{"my plan.json", view.SavedPlan{Verb: "down", Flags: []string{"--force-destroy"}}}).moved(make([]string, mostMoved+3))
	if text := e.Error(); strings.Count(text, "\n") != mostMoved+1 || !strings.HasSuffix(text, "\n  - and 3 more differences") {
		t.Errorf("it says %s", text)
	}
	if want := "`flowbed plan --down --out 'my plan.json' --force-destroy`"; !strings.HasSuffix(e.Hint(), want) {
		t.Errorf("the hint is %s, want %s", e.Hint(), want)
	}
}

// TestPlanner: two builds that are no release are not the same version.
func TestPlanner(t *testing.T) {
	was := built
	t.Cleanup(func() { built = was })
	built.Commit = "0123abcd"
	if have := planner(); have != "dev-0123abcd" {
		t.Errorf("have %s", have)
	}
}

// TestPrivateOutput: only the user may read a saved plan, also if the file was open to others.
func TestPrivateOutput(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has other permissions
	}
	for name, failing := range map[string]bool{"renamed": false, "a mount point": true} {
		path := filepath.Join(t.TempDir(), "plan.json")
		if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		o, err := (&app{}).newPlanFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if failing {
			rename = func(string, string) error { return errors.New("busy") }
			t.Cleanup(func() { rename = os.Rename })
		}
		if err := o.write([]byte("new")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		rename = os.Rename
	}
}
