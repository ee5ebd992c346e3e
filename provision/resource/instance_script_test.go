package resource_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// protections are the calls of a plan of a replacement that ask whether EC2 may terminate the instance.
const protections = 2

// attributeCalls are how often the plans ask for the user data or a protection.
func (e *agent) attributeCalls() (n int) {
	for _, c := range e.account.Calls() {
		if c.Operation == "DescribeInstanceAttribute" {
			n++
		}
	}
	return n
}

func userDataOf(t *testing.T, a provision.Action) provision.Change {
	t.Helper()
	at := slices.IndexFunc(a.Changes, func(c provision.Change) bool { return c.Field == "user data" })
	if at < 0 {
		t.Fatalf("the plan says %q", fields(a))
	}
	return a.Changes[at]
}

// TestScriptInPlan: the plan has both user data as they are, and why they differ. It asks for
// the one that runs only if it is another one.
func TestScriptInPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		if c := userDataOf(t, e.plan(t)); !c.To.IsScript() || c.To.String() != e.userData || !c.From.IsNothing() {
			t.Errorf("the plan of a creation has %+v", c)
		}
		s := e.up(t)
		old := e.userData
		e.plan(t)
		if n := e.attributeCalls(); n != 0 {
			t.Errorf("the user data was read %d times, although nothing differs", n)
		}
		e.userData = "#!/bin/sh\necho something else\n"
		c := userDataOf(t, e.plan(t))
		if c.From.String() != old || !c.From.IsScript() || c.To.String() != e.userData || !slices.Equal(c.Causes, []string{"1.0.0 wrote " + old}) {
			t.Errorf("have %+v", c)
		}
		if n := e.attributeCalls() - protections; n != 1 {
			t.Errorf("the user data was read %d times, want once", n)
		}
		e.kind, e.userData = "t3.micro", old
		e.plan(t)
		if n := e.attributeCalls() - 2*protections; n != 1 {
			t.Errorf("the user data was read %d times more, although it is the same", n-1)
		}
		e.kind = "t2.micro"
		if err := e.retag(t.Context(), s.ID, resource.Tags{resource.KeyLaunch: "image=al2023 volume=16 key=x user-data=y"}); err != nil {
			t.Fatal(err)
		}
		a := e.plan(t)
		if c := userDataOf(t, a); c.From != c.To || !slices.Equal(c.Causes, []string{"the tag flowbed:launch has changed"}) {
			t.Errorf("with another tag: %+v", c)
		}
		noDigest(t, a)
	})
}

// noDigest: a plan shows no digest of its own.
func noDigest(t *testing.T, a provision.Action) {
	t.Helper()
	for _, c := range a.Changes {
		for _, w := range strings.Fields(c.From.String() + " " + c.To.String() + " " + strings.Join(c.Causes, " ")) {
			if len(w) == 16 && strings.Trim(w, "0123456789abcdef") == "" {
				t.Errorf("%s has the digest %s", c.Field, w)
			}
		}
	}
}

// TestScriptOfLostTag: without its tag, an instance is replaced as before, and the plan says
// whether it would run something else then.
func TestScriptOfLostTag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		s := e.up(t)
		if _, err := e.ec2().DeleteTags(t.Context(), &ec2.DeleteTagsInput{
			Resources: []string{s.ID}, Tags: []types.Tag{{Key: aws.String(resource.KeyLaunch)}},
		}); err != nil {
			t.Fatal(err)
		}
		a := e.plan(t)
		if !slices.Equal(fields(a), []string{"launch specification"}) {
			t.Errorf("the plan says %q", fields(a))
		}
		noDigest(t, a)
		e.userData = "#!/bin/sh\necho something else\n"
		if a = e.plan(t); !slices.Equal(fields(a), []string{"launch specification", "user data"}) || a.Op != provision.Replace {
			t.Errorf("with another script, the plan says %v of %q", a.Op, fields(a))
		}
		if now := e.up(t); now.ID == s.ID {
			t.Error("the instance was not replaced")
		}
		e.wantInstances(t, 1, 1)
	})
}

// TestScriptNotRead: that the user data cannot be read does not stop a plan, which then says so,
// and who wrote it.
func TestScriptNotRead(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "no"}, "UnauthorizedOperation → allow ec2:DescribeInstanceAttribute"},
		{&smithy.GenericAPIError{Code: "InvalidInstanceID.NotFound", Message: "no"}, "InvalidInstanceID.NotFound"},
		{errors.New("a proxy says no"), "a proxy says no"},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newAgent(sandbox.New())
			s := e.up(t)
			e.userData = "#!/bin/sh\necho something else\n"
			e.account.Fault = func(call sandbox.Call) (f sandbox.Fault) {
				if call.Operation == "DescribeInstanceAttribute" {
					f.Refuse = c.err
				}
				return f
			}
			a := e.plan(t)
			d := userDataOf(t, a)
			before := "what " + s.ID + " runs, which flowbed 1.0.0 wrote, cannot be read: "
			if len(d.Causes) != 1 || !strings.HasPrefix(d.Causes[0], before) || !strings.HasSuffix(d.Causes[0], c.want) || a.Op != provision.Replace || !d.From.IsNothing() {
				t.Errorf("have %q from %v, want %s… %s", d.Causes, d.From, before, c.want)
			}
			noDigest(t, a)
			unknown := slices.ContainsFunc(a.Notes, func(n provision.Note) bool {
				return n.Severity == provision.Warn && strings.HasPrefix(n.Text, "cannot tell whether "+s.ID+" is protected from termination: ")
			})
			if gone := awserr.Classify(c.err) == awserr.Absent; unknown == gone {
				t.Errorf("the plan says of the protection: %+v", a.Notes)
			}
			if now := e.up(t); now.ID == s.ID {
				t.Error("the instance was not replaced")
			}
		})
	}
}
