package resource_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// slow is an account that behaves as AWS does at its worst.
func slow() *sandbox.Account {
	a := sandbox.New()
	a.Lag, a.ProfileLag, a.BootTime = 10*time.Second, 20*time.Second, 15*time.Second
	return a
}

var errKilled = errors.New("the process was killed")

// writesOfUp is how many writing calls an undisturbed up makes.
func writesOfUp(t *testing.T) (n int) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(slow())
		e.up(t)
		n = len(e.account.Writes())
	})
	return n
}

// A run that ends between any two of its calls, and the next one that begins
// while nothing that it did is visible yet, make one instance together.
func TestKilledRunsMakeOneInstance(t *testing.T) {
	for n := range writesOfUp(t) {
		t.Run(fmt.Sprint("after write ", n+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(slow())
				dead := false
				e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
					if dead {
						f.Refuse = errKilled
					}
					dead = dead || c.WriteNo == n+1
					return f
				}
				g, _ := e.graph()
				if err := g.Up(t.Context()); err == nil {
					t.Fatal("up has not noticed its end")
				}
				e.account.Fault = nil
				e.up(t)
				e.wantInstances(t, 1, 0)
				e.down(t)
				e.wantInstances(t, 0, 1)
			})
		})
	}
}

func TestLostRepliesMakeOneInstance(t *testing.T) {
	for n := range writesOfUp(t) {
		t.Run(fmt.Sprint("of write ", n+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(slow())
				e.account.Fault = func(c sandbox.Call) sandbox.Fault { return sandbox.Fault{Lose: c.WriteNo == n+1} }
				e.up(t)
				e.wantInstances(t, 1, 0)
			})
		})
	}
}

func TestTwoRunsAtOnceMakeOneInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(slow())
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				g, _ := e.graph()
				errs <- g.Up(t.Context())
			}()
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Errorf("up: %v", err)
			}
		}
		e.wantInstances(t, 1, 0)
	})
}

// The token of an instance that is terminated is no good any more.
func TestDownThenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(slow())
		for n := range 4 {
			e.up(t)
			e.wantInstances(t, 1, n)
			e.down(t)
			e.wantInstances(t, 0, n+1)
			if n == 2 {
				time.Sleep(2 * time.Hour) // EC2 shows them no longer, but knows their tokens
				e.wantInstances(t, 0, 0)
				e.up(t)
				e.wantInstances(t, 1, 0)
				return
			}
		}
	})
}

// An up right after a down that did not wait for the end of the instance.
func TestUpWhileShuttingDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(slow())
		e.account.BootTime = time.Minute
		s := e.up(t)
		if _, err := e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{s.ID}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		if a := e.plan(t, "agent"); a.Op == provision.None || len(a.Changes) == 0 {
			t.Errorf("while the instance shuts down the plan says %v", a.Op)
		}
		if now := e.up(t); now.ID == s.ID {
			t.Error("up was content with an instance that shuts down")
		}
		e.wantInstances(t, 1, 1)
	})
}

func TestRollOver(t *testing.T) {
	const other = "#!/bin/sh\necho something else\n"
	for _, c := range []struct {
		field  string
		change func(*agent)
	}{
		{"instance type", func(e *agent) { e.kind = "t3.micro" }},
		{"image", func(e *agent) { e.image = "al2" }},
		{"volume", func(e *agent) { e.volume = 20 }},
		{"public key", func(e *agent) { e.key = anotherKey }},
		{"user data", func(e *agent) { e.userData = other }},
	} {
		t.Run(c.field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(slow())
				old := e.up(t)
				c.change(e)
				a := e.plan(t, "agent")
				if a.Op != provision.Replace || !slices.Equal(fields(a), []string{c.field}) || a.Changes[0].Why == "" {
					t.Errorf("the plan says %v of %q, want a replacement because of %q", a.Op, fields(a), c.field)
				}
				before := len(e.account.Calls())
				now := e.up(t)
				if now.ID == old.ID {
					t.Error("the old instance is still the agent")
				}
				if calls := e.account.Calls()[before:]; !started(calls) {
					t.Errorf("no new instance was started before the old one was terminated: %v", calls)
				}
				e.wantInstances(t, 1, 1)
				if a := e.plan(t, "agent"); a.Op != provision.None {
					t.Errorf("after the roll-over the plan says %v of %q", a.Op, fields(a))
				}
			})
		})
	}
}

// started reports whether an instance was started before one was terminated.
func started(calls []sandbox.Call) bool {
	i := slices.IndexFunc(calls, func(c sandbox.Call) bool { return c.Operation == "RunInstances" || c.Operation == "TerminateInstances" })
	return i >= 0 && calls[i].Operation == "RunInstances"
}

// A run that is killed in a roll-over is finished by the next one.
func TestKilledRollOver(t *testing.T) {
	for n := range 3 {
		synctest.Test(t, func(t *testing.T) {
			e := newAgent(slow())
			e.up(t)
			e.kind = "t3.micro"
			begin, dead := len(e.account.Writes()), false
			e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
				if dead {
					f.Refuse = errKilled
				}
				dead = dead || c.WriteNo == begin+n
				return f
			}
			g, _ := e.graph()
			if err := g.Up(t.Context()); err == nil && n > 0 {
				t.Fatal("up has not noticed its end")
			}
			e.account.Fault = nil
			if s := e.up(t); s.Type != "t3.micro" {
				t.Errorf("the agent is a %s", s.Type)
			}
			e.wantInstances(t, 1, 1)
		})
	}
}

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
		{"instance profile", func(t *testing.T, e *agent, s resource.InstanceState) error {
			out, err := e.ec2().DescribeIamInstanceProfileAssociations(t.Context(), &ec2.DescribeIamInstanceProfileAssociationsInput{})
			if err != nil {
				return err
			}
			_, err = e.ec2().DisassociateIamInstanceProfile(t.Context(), &ec2.DisassociateIamInstanceProfileInput{
				AssociationId: out.IamInstanceProfileAssociations[0].AssociationId,
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
				if a := e.plan(t, "agent"); !slices.Equal(fields(a), []string{c.field}) {
					t.Errorf("the plan names %q, want %q", fields(a), c.field)
				}
				e.up(t)
				if a := e.plan(t, "agent"); a.Op != provision.None {
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
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.retag(t.Context(), *out.Instances[0].InstanceId, first.Tags); err != nil {
			t.Fatal(err)
		}
		if a := e.plan(t, "agent"); !slices.Equal(fields(a), []string{"surplus instance"}) {
			t.Errorf("the plan names %q", fields(a))
		}
		if s := e.up(t); s.ID != first.ID {
			t.Errorf("%s stays, want the older one", s.ID)
		}
		e.wantInstances(t, 1, 1)
	})
}

// An instance that somebody has taken over is not ours any more, though its
// token is still known to EC2.
func TestTakenOverInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		s := e.up(t)
		if err := e.retag(t.Context(), s.ID, resource.Tags{resource.KeyEnvironment: "prod"}); err != nil {
			t.Fatal(err)
		}
		if now := e.up(t); now.ID == s.ID {
			t.Error("another environment's instance is taken for the agent")
		}
		e.wantInstances(t, 2, 0)
	})
}

func TestTypeNotOffered(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(*testing.T, *agent)
		want  string
	}{
		{"region", func(_ *testing.T, e *agent) { e.region = "eu-north-1" },
			"t2.micro is not offered in eu-north-1: set agent.instance_type to a type that is; free for new accounts there: c7i-flex.large, m7i-flex.large, t3.micro, t3.small"},
		{"zone", func(t *testing.T, e *agent) {
			e.region = "us-west-2"
			e.subnets = []string{subnetOf(t, e, "us-west-2d")}
		},
			"t2.micro is offered in us-west-2a, us-west-2b, us-west-2c, but the environment's subnets are in other zones: set network.subnets or agent.instance_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newAgent(sandbox.New())
			c.setup(t, e)
			want := []provision.Note{{Severity: provision.Error, Text: c.want}}
			if a := e.plan(t, "agent"); !slices.Equal(a.Notes, want) {
				t.Errorf("the plan notes %q", a.Notes)
			}
			g, _ := e.graph()
			if err := g.Up(t.Context()); err == nil || len(e.account.Writes()) > 0 {
				t.Errorf("up says %v, and has written %v", err, e.account.Writes())
			}
		})
	}
}

func subnetOf(t *testing.T, e *agent, zone string) string {
	t.Helper()
	out, err := e.ec2().DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []types.Filter{
		{Name: aws.String("availability-zone"), Values: []string{zone}},
	}})
	if err != nil || len(out.Subnets) != 1 {
		t.Fatalf("subnet of %s: %v, %v", zone, out, err)
	}
	return *out.Subnets[0].SubnetId
}

// A zone that has no capacity is passed over.
func TestNextZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, asked := newAgent(slow()), 0
		e.account.ProfileLag = 0 // a refused profile would begin again with the first zone
		e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
			if c.Operation == "RunInstances" {
				if asked++; asked == 1 {
					f.Refuse = &smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: &smithy.GenericAPIError{
						Code: "InsufficientInstanceCapacity", Message: "We currently do not have sufficient t2.micro capacity in the Availability Zone you requested",
					}}
				}
			}
			return f
		}
		if s := e.up(t); s.Zone != "us-east-1b" {
			t.Errorf("the agent is in %s, want the second zone", s.Zone)
		}
		e.wantInstances(t, 1, 0)
	})
}

func TestFreeTierAdvice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
			if c.Operation == "RunInstances" {
				f.Refuse = &smithy.GenericAPIError{Code: "InvalidParameterCombination",
					Message: "The specified instance type is not eligible for Free Tier."}
			}
			return f
		}
		g, _ := e.graph()
		err := g.Up(t.Context())
		if err == nil || !strings.Contains(err.Error(), "this account may use c7i-flex.large, m7i-flex.large, t3.micro, t3.small: set agent.instance_type") {
			t.Errorf("up says %v", err)
		}
	})
}

func TestProtectedInstance(t *testing.T) {
	for attribute, in := range map[string]*ec2.ModifyInstanceAttributeInput{
		"disableApiTermination": {DisableApiTermination: &types.AttributeBooleanValue{Value: aws.Bool(true)}},
		"disableApiStop":        {DisableApiStop: &types.AttributeBooleanValue{Value: aws.Bool(true)}},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newAgent(sandbox.New())
			s := e.up(t)
			in.InstanceId = &s.ID
			if _, err := e.ec2().ModifyInstanceAttribute(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			before := len(e.account.Writes())
			g, _ := e.graph()
			_, err := g.Down(t.Context())
			if err == nil || !strings.Contains(err.Error(), attribute) || !strings.Contains(err.Error(), s.ID) {
				t.Errorf("down says %v, want %s of %s", err, attribute, s.ID)
			}
			if n := len(e.account.Writes()); n > before {
				t.Errorf("down has written before it stopped: %v", e.account.Writes()[before:])
			}
		})
	}
}

// The security group goes while the instance is still shutting down.
func TestDownDoesNotWaitWithTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		e.account.BootTime = time.Minute
		e.up(t)
		var ended, deleted time.Time
		e.account.Fault = func(c sandbox.Call) sandbox.Fault {
			switch c.Operation {
			case "TerminateInstances":
				ended = time.Now()
			case "DeleteSecurityGroup":
				deleted = time.Now()
			}
			return sandbox.Fault{}
		}
		begun := time.Now()
		e.down(t)
		if d := deleted.Sub(ended); d < 0 || d > time.Second {
			t.Errorf("the group went %v after the instance", d)
		}
		if d := time.Since(begun); d < time.Minute {
			t.Errorf("down took %v: it has not awaited the end of the instance", d)
		}
		e.wantInstances(t, 0, 1)
	})
}

func TestNewerImageIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		s := e.up(t)
		e.account.ImageRelease++
		a := e.plan(t, "agent")
		if a.Op != provision.None || len(a.Notes) != 1 || a.Notes[0].Severity != provision.Info || !strings.Contains(a.Notes[0].Text, s.ImageID) {
			t.Errorf("the plan says %v, notes %v", a.Op, a.Notes)
		}
	})
}

func TestLaunch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		s := e.up(t)
		if s.PublicIP == "" || s.Metadata != "on, token required, hop limit 1" || len(s.Groups) != 1 || s.Zone != "us-east-1a" {
			t.Errorf("the agent is %+v", s.Machine)
		}
		disks, err := e.ec2().DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
		if err != nil || len(disks.Volumes) != 1 {
			t.Fatalf("volumes: %v, %v", disks, err)
		}
		d := disks.Volumes[0]
		if !*d.Encrypted || *d.Size != 16 || d.VolumeType != types.VolumeTypeGp3 || *d.Attachments[0].Device != "/dev/xvda" || !*d.Attachments[0].DeleteOnTermination {
			t.Errorf("the volume is %+v", d)
		}
		ifaces, err := e.ec2().DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{})
		if err != nil || len(ifaces.NetworkInterfaces) != 1 {
			t.Fatalf("interfaces: %v, %v", ifaces, err)
		}
		for what, list := range map[string][]types.Tag{"volume": d.Tags, "interface": ifaces.NetworkInterfaces[0].TagSet} {
			if !slices.ContainsFunc(list, func(t types.Tag) bool { return *t.Key == resource.KeyEnvironment && *t.Value == "dev" }) {
				t.Errorf("the %s does not say whose it is: %v", what, list)
			}
		}
		if n := len(s.Launch); n == 0 || n > 256 {
			t.Errorf("the launch tag has %d characters", n)
		}
	})
}
