package sandbox_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

// sharing is an account as one of several processes has it.
func sharing(path string) try.User {
	a := try.Must(sandbox.Load(path))
	a.Keep = path
	return try.Of(a, "us-east-1")
}

func newFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), ".flowbed", "sandbox.json")
}

// TestShared: two processes that use one file see what the other one does, and lose nothing.
func TestShared(t *testing.T) {
	path := newFile(t)
	one, two := sharing(path), sharing(path)
	try.OK(one.Role("one"))
	try.WantCode(t, two.Role("one"), "EntityAlreadyExists")
	try.OK(two.Role("two"))
	if !one.HasRole("two") {
		t.Error("a read does not see what the other process has written")
	}
	try.OK(one.Role("three"))
	for _, name := range []string{"one", "two", "three"} {
		if !sharing(path).HasRole(name) {
			t.Errorf("role %s is lost", name)
		}
	}
	if err := errors.Join(one.Save(path), two.Save(path)); err != nil {
		t.Error(err)
	}
	try.OK(os.Remove(path)) // which the file's comment allows
	if two.HasRole("one") {
		t.Error("the account outlives its file")
	}
}

// TestSharedAtOnce: many processes write at the same time, to AWS and to Prefect.
func TestSharedAtOnce(t *testing.T) {
	const processes, each = 4, 4
	path := newFile(t)
	name := func(p, i int) string { return fmt.Sprintf("of-%d-%d", p, i) }
	api := func(a try.User) *prefect.Client {
		return try.Must(prefect.New(prefect.Config{URL: "http://prefect.example/api", Transport: sandbox.Prefect(a.Account)}))
	}
	var all sync.WaitGroup
	for p := range processes {
		all.Go(func() {
			a := sharing(path)
			for i := range each {
				err := api(a).CreatePool(t.Context(), prefect.NewPool{Name: name(p, i), Type: "ecs", Template: prefect.Base(prefect.Worker3)})
				if err := errors.Join(a.Role(name(p, i)), err); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	a := sharing(path)
	for p := range processes {
		for i := range each {
			if !a.HasRole(name(p, i)) {
				t.Errorf("role %s is lost", name(p, i))
			}
			if _, err := api(a).ReadPool(t.Context(), name(p, i)); err != nil {
				t.Errorf("pool %s: %v", name(p, i), err)
			}
		}
	}
}

// TestSharedSecret: a value in memory is that of the parameter that was put here, and not of
// another process's parameter with the same name and version.
func TestSharedSecret(t *testing.T) {
	path := newFile(t)
	one, two := sharing(path), sharing(path)
	two.Secrets = []string{"the second"}
	putSecret(t, one.Account, "the first")
	try.Must(ssm.NewFromConfig(two.Config("us-east-1")).DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("/key")}))
	putSecret(t, two.Account, "the second")
	if have := getSecret(t, two.Account); have != "the second" {
		t.Errorf("the process that has put it: have %q", have)
	}
	if have := getSecret(t, one.Account); have == "the first" {
		t.Error("the other process still has the first value")
	}
	if putSecret(t, one.Account, "the third"); getSecret(t, one.Account) != "the third" {
		t.Error("the value is lost")
	}
}

// TestSaveOverAnother: without Keep, Save does not overwrite what another process has saved.
func TestSaveOverAnother(t *testing.T) {
	path := newFile(t)
	one, two := try.Of(try.Must(sandbox.Load(path)), "us-east-1"), sharing(path)
	try.OK(one.Role("one"))
	try.OK(two.Role("two"))
	if err := one.Save(path); err == nil || !strings.Contains(err.Error(), "another process has changed it") {
		t.Errorf("have %v", err)
	}
	if !sharing(path).HasRole("two") {
		t.Error("the other process's role is lost")
	}
}

// TestSharedIsDamaged: a call fails if the file cannot be read any more, and does not replace it.
func TestSharedIsDamaged(t *testing.T) {
	path := newFile(t)
	one := sharing(path)
	try.OK(one.Role("one"))
	try.OK(os.WriteFile(path, []byte("{"), 0o600))
	if err := one.Role("two"); err == nil || !strings.Contains(err.Error(), "delete the file") {
		t.Errorf("have %v", err)
	}
	if have := string(try.Must(os.ReadFile(path))); have != "{" {
		t.Errorf("the file was replaced: %s", have)
	}
}

// TestReadsLeaveNothing: who only reads needs neither a lock nor a folder.
func TestReadsLeaveNothing(t *testing.T) {
	path := newFile(t)
	one := sharing(path)
	if one.HasRole("one") {
		t.Error("a new account has a role")
	}
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("a read has made the folder: %v", err)
	}
}

// TestStoppedWriter: a process that was stopped in the middle of a write blocks others for a
// while only, and says which file it is; and reads go on.
func TestStoppedWriter(t *testing.T) {
	path := newFile(t)
	one := sharing(path)
	try.OK(one.Role("one"))
	holder := try.Must(os.OpenFile(path+".lock", os.O_RDWR, 0))
	held(t, holder)
	synctest.Test(t, func(t *testing.T) {
		err := one.Role("two")
		if err == nil || !strings.Contains(err.Error(), path+".lock: another process has held it for 30s →") {
			t.Errorf("have %v", err)
		}
		if !one.HasRole("one") || one.HasRole("two") {
			t.Error("the account is not as before")
		}
	})
	try.OK(holder.Close()) // as the system does when a process ends
	try.OK(one.Role("two"))
	// A lock on a file that was deleted holds nobody up.
	holder = try.Must(os.OpenFile(path+".lock", os.O_RDWR, 0))
	held(t, holder)
	try.OK(os.RemoveAll(filepath.Dir(path)))
	try.OK(one.Role("three"))
	try.OK(holder.Close())
}
