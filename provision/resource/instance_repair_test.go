package resource_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

func TestInstanceDrift(t *testing.T) {
	for _, c := range []struct {
		field  string
		tamper func(*testing.T, *agent, resource.InstanceState) error
	}{
		{"state", func(t *testing.T, e *agent, s resource.InstanceState) error {
			_, err := e.ec2().StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{s.ID}})
			return err
		}},
		{"security groups", func(t *testing.T, e *agent, s resource.InstanceState) error {
			_, err := e.ec2().ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{
				NetworkInterfaceId: &s.Interface, Groups: []string{defaultGroup(t, e, s.VPC)},
			})
			return err
		}},
		{"instance metadata", func(t *testing.T, e *agent, s resource.InstanceState) error {
			_, err := e.ec2().ModifyInstanceMetadataOptions(t.Context(), &ec2.ModifyInstanceMetadataOptionsInput{
				InstanceId: &s.ID, HttpTokens: types.HttpTokensStateOptional,
			})
			return err
		}},
		{"tags", func(t *testing.T, e *agent, s resource.InstanceState) error {
			return e.retag(t.Context(), s.ID, resource.Tags{"Name": "mine now"})
		}},
		{"launch specification", func(t *testing.T, e *agent, s resource.InstanceState) error {
			_, err := e.ec2().DeleteTags(t.Context(), &ec2.DeleteTagsInput{
				Resources: []string{s.ID}, Tags: []types.Tag{{Key: aws.String(resource.KeyLaunch)}},
			})
			return err
		}},
	} {
		t.Run(c.field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(sandbox.New())
				s := e.up(t)
				if err := c.tamper(t, e, s); err != nil {
					t.Fatal(err)
				}
				if a := e.plan(t); !slices.Equal(fields(a), []string{c.field}) {
					t.Errorf("the plan names %q, want %q", fields(a), c.field)
				}
				e.up(t)
				if a := e.plan(t); a.Op != provision.None {
					t.Errorf("after the repair the plan says %v of %q", a.Op, fields(a))
				}
			})
		})
	}
}

func defaultGroup(t *testing.T, e *agent, vpc string) string {
	t.Helper()
	out, err := e.ec2().DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpc}}, {Name: aws.String("group-name"), Values: []string{"default"}},
	}})
	if err != nil || len(out.SecurityGroups) != 1 {
		t.Fatalf("default group: %v, %v", out, err)
	}
	return *out.SecurityGroups[0].GroupId
}

// TestInstanceWithoutInterfaces: EC2 may show an instance before its interface, and some
// emulators never show one. Then its groups can be seen, but not changed.
func TestInstanceWithoutInterfaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		shown := e.up(t)
		var hides, asked atomic.Bool
		e.hide = func(i *types.Instance) {
			if hides.Load() {
				i.NetworkInterfaces = nil
			}
		}
		e.account.Fault = func(c sandbox.Call) sandbox.Fault {
			if c.Operation == "ModifyNetworkInterfaceAttribute" && hides.Load() {
				asked.Store(true)
			}
			return sandbox.Fault{}
		}
		hides.Store(true)
		if a := e.plan(t); a.Op != provision.None {
			t.Errorf("the groups are right, but the plan is %+v", a)
		}
		hides.Store(false)
		if _, err := e.ec2().ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: &shown.Interface, Groups: []string{defaultGroup(t, e, shown.VPC)},
		}); err != nil {
			t.Fatal(err)
		}
		hides.Store(true)
		time.AfterFunc(30*time.Second, func() { hides.Store(false) })
		if s := e.up(t); !slices.Equal(s.Groups, shown.Groups) {
			t.Errorf("after up: have groups %v, want %v", s.Groups, shown.Groups)
		}
		if asked.Load() {
			t.Error("the groups of an interface without an id were changed")
		}
	})
}

// An instance refers to its profile by an id that a profile made anew under the
// same name does not have.
func TestProfileMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		e.up(t)
		api, name := iam.NewFromConfig(e.account.Config(e.region)), aws.String("flowbed-dev-agent")
		if _, err := api.RemoveRoleFromInstanceProfile(t.Context(), &iam.RemoveRoleFromInstanceProfileInput{
			InstanceProfileName: name, RoleName: name}); err != nil {
			t.Fatal(err)
		}
		if _, err := api.DeleteInstanceProfile(t.Context(), &iam.DeleteInstanceProfileInput{InstanceProfileName: name}); err != nil {
			t.Fatal(err)
		}
		s := e.up(t)
		out, err := api.GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: name})
		if err != nil {
			t.Fatal(err)
		}
		if want := aws.ToString(out.InstanceProfile.InstanceProfileId); s.ProfileID != want {
			t.Errorf("the agent has the profile %s, want %s", s.ProfileID, want)
		}
		e.wantInstances(t, 1, 0)
	})
}

func TestSurplusInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		first := e.up(t)
		time.Sleep(time.Minute)
		out, err := e.ec2().RunInstances(t.Context(), &ec2.RunInstancesInput{
			MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: &first.ImageID, InstanceType: types.InstanceTypeT2Micro, KeyName: &first.Key,
			IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: aws.String("flowbed-dev-agent")},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.retag(t.Context(), *out.Instances[0].InstanceId, first.Tags); err != nil {
			t.Fatal(err)
		}
		if a := e.plan(t); !slices.Equal(fields(a), []string{"surplus instance"}) {
			t.Errorf("the plan names %q", fields(a))
		}
		if s := e.up(t); s.ID != first.ID {
			t.Errorf("%s stays, want the older one", s.ID)
		}
		e.wantInstances(t, 1, 1)
	})
}

// An instance with our environment's name that flowbed did not make stays, even
// if it stands beside ours.
func TestForeignInstanceBesideOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		first := e.up(t)
		out, err := e.ec2().RunInstances(t.Context(), &ec2.RunInstancesInput{
			MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: &first.ImageID, InstanceType: types.InstanceTypeT2Micro,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.retag(t.Context(), *out.Instances[0].InstanceId, resource.Tags{
			resource.KeyEnvironment: "dev", resource.KeyRegion: "us-east-1",
		}); err != nil {
			t.Fatal(err)
		}
		if a := e.plan(t); a.Op != provision.None {
			t.Errorf("the plan says %v of %q", a.Op, fields(a))
		}
		g, _ := e.graph()
		if _, err := g.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.wantInstances(t, 1, 1)
	})
}

// EC2 replaces the profile of a running instance only: a stopped one is started
// first.
func TestProfileMadeAnewWhileStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(slow())
		s := e.up(t)
		if _, err := e.ec2().StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{s.ID}}); err != nil {
			t.Fatal(err)
		}
		api, name := iam.NewFromConfig(e.account.Config(e.region)), aws.String("flowbed-dev-agent")
		if _, err := api.RemoveRoleFromInstanceProfile(t.Context(), &iam.RemoveRoleFromInstanceProfileInput{
			InstanceProfileName: name, RoleName: name}); err != nil {
			t.Fatal(err)
		}
		if _, err := api.DeleteInstanceProfile(t.Context(), &iam.DeleteInstanceProfileInput{InstanceProfileName: name}); err != nil {
			t.Fatal(err)
		}
		e.wantInstances(t, 0, 0)
		var running atomic.Bool
		e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
			switch c.Operation {
			case "StartInstances":
				time.AfterFunc(e.account.BootTime, func() { running.Store(true) })
			case "ReplaceIamInstanceProfileAssociation":
				if !running.Load() {
					t.Error("the profile of an instance that does not run was to be replaced")
				}
			}
			return f
		}
		before := s.ProfileID
		if s = e.up(t); s.ProfileID == before || s.State != "running" {
			t.Errorf("the agent is %s and has the profile %s", s.State, s.ProfileID)
		}
		e.wantInstances(t, 1, 0)
	})
}

// EC2 soon stops showing an instance that terminates at launch. Only EC2's reason says
// what was wrong, for example a volume limit.
func TestInstanceEndsWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		e.account.BootTime = 15 * time.Second
		end := func() {
			out, err := e.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
			for _, r := range out.Reservations {
				for _, i := range r.Instances {
					_, err = e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{*i.InstanceId}})
				}
			}
			if err != nil {
				t.Error(err)
			}
		}
		e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
			if c.Operation == "RunInstances" {
				f.Then = end
			}
			return f
		}
		g, _ := e.graph()
		err := g.Up(t.Context())
		failed, ok := errors.AsType[*provision.StepError](err)
		if !ok || !strings.Contains(failed.Cause, "is terminated: Client.UserInitiatedShutdown") {
			t.Errorf("up: %v, cause: %+v", err, failed)
		}
	})
}
