package resource_test

import (
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

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// launch launches an instance by hand.
func (e *agent) launch(t *testing.T, like resource.InstanceState, set func(*ec2.RunInstancesInput)) string {
	t.Helper()
	in := &ec2.RunInstancesInput{MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: &like.ImageID, InstanceType: types.InstanceTypeT2Micro}
	set(in)
	out, err := e.ec2().RunInstances(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.Instances[0].InstanceId
}

func specify(t resource.Tags) []types.TagSpecification {
	s := types.TagSpecification{ResourceType: types.ResourceTypeInstance}
	for k, v := range t {
		s.Tags = append(s.Tags, types.Tag{Key: &k, Value: &v})
	}
	return []types.TagSpecification{s}
}

func (e *agent) untag(t *testing.T, id string, keys ...string) {
	t.Helper()
	in := &ec2.DeleteTagsInput{Resources: []string{id}}
	for _, k := range keys {
		in.Tags = append(in.Tags, types.Tag{Key: &k})
	}
	if _, err := e.ec2().DeleteTags(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func (e *agent) dissociate(t *testing.T) {
	t.Helper()
	out, err := e.ec2().DescribeIamInstanceProfileAssociations(t.Context(), &ec2.DescribeIamInstanceProfileAssociationsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = e.ec2().DisassociateIamInstanceProfile(t.Context(), &ec2.DisassociateIamInstanceProfileInput{
		AssociationId: out.IamInstanceProfileAssociations[0].AssociationId,
	}); err != nil {
		t.Fatal(err)
	}
}

// otherProfile creates an instance profile of somebody else.
func (e *agent) otherProfile(t *testing.T, name string) *types.IamInstanceProfileSpecification {
	t.Helper()
	api := iam.NewFromConfig(e.account.Config(e.region))
	_, made := api.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: &name})
	_, role := api.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustOfEC2)})
	_, added := api.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &name})
	for _, err := range []error{made, role, added} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return &types.IamInstanceProfileSpecification{Name: &name}
}

const ownProfile = "flowbed-dev-agent"

// An instance is ours if it has our tags and our profile. One with only one of the two is
// never touched, it is named, and up starts no second one beside it.
func TestDoubtfulInstance(t *testing.T) {
	all := []string{resource.KeyEnvironment, resource.KeyRegion, resource.KeyManagedBy}
	for _, c := range []struct {
		name string
		make func(*testing.T, *agent, resource.InstanceState) (id string)

		beside bool     // our own instance is still there, and certain
		says   []string // with ID for its id
		keeps  []string // the steps that down leaves, too
	}{
		{"our own lost its tags", func(t *testing.T, e *agent, s resource.InstanceState) string {
			e.untag(t, s.ID, all...)
			return s.ID
		}, false, []string{
			"ID has the instance profile flowbed-dev-agent of this environment, but not the tags of this environment, so it is not certainly the agent",
			"aws ec2 create-tags --region us-east-1 --resources ID --tags Key=flowbed:environment,Value=dev Key=flowbed:region,Value=us-east-1 Key=flowbed:managed-by,Value=flowbed",
			"aws ec2 terminate-instances --region us-east-1 --instance-ids ID",
		}, []string{"group", "profile", "role"}},
		{"our own lost one tag", func(t *testing.T, e *agent, s resource.InstanceState) string {
			e.untag(t, s.ID, resource.KeyManagedBy)
			return s.ID
		}, false, []string{"ID has the instance profile flowbed-dev-agent", "but not the tags"}, []string{"group", "profile", "role"}},
		{"our own has the tags of another environment", func(t *testing.T, e *agent, s resource.InstanceState) string {
			if err := e.retag(t.Context(), s.ID, resource.Tags{resource.KeyEnvironment: "prod"}); err != nil {
				t.Fatal(err)
			}
			return s.ID
		}, false, []string{"ID has the instance profile flowbed-dev-agent", "but the tags of environment prod@us-east-1"}, []string{"group", "profile", "role"}},
		{"our own lost its profile", func(t *testing.T, e *agent, s resource.InstanceState) string {
			e.dissociate(t)
			return s.ID
		}, false, []string{
			"ID has the tags of this environment, but not its instance profile flowbed-dev-agent, so it is not certainly the agent",
			"aws ec2 associate-iam-instance-profile --region us-east-1 --instance-id ID --iam-instance-profile Name=flowbed-dev-agent",
			"aws ec2 delete-tags --region us-east-1 --resources ID --tags Key=flowbed:environment",
		}, []string{"group"}},
		{"our own got another profile", func(t *testing.T, e *agent, s resource.InstanceState) string {
			e.dissociate(t)
			if _, err := e.ec2().AssociateIamInstanceProfile(t.Context(), &ec2.AssociateIamInstanceProfileInput{
				InstanceId: &s.ID, IamInstanceProfile: e.otherProfile(t, "theirs")}); err != nil {
				t.Fatal(err)
			}
			return s.ID
		}, false, []string{
			"ID has the tags of this environment, but the instance profile theirs instead of flowbed-dev-agent",
			"aws ec2 replace-iam-instance-profile-association --region us-east-1 --association-id iip-assoc-",
		}, []string{"group"}},
		{"a copy with our tags", func(t *testing.T, e *agent, s resource.InstanceState) string {
			return e.launch(t, s, func(in *ec2.RunInstancesInput) { in.TagSpecifications = specify(s.Tags) })
		}, true, []string{"ID has the tags of this environment, but not its instance profile flowbed-dev-agent"}, nil},
		{"a copy with our tags in our group", func(t *testing.T, e *agent, s resource.InstanceState) string {
			return e.launch(t, s, func(in *ec2.RunInstancesInput) { in.TagSpecifications, in.SecurityGroupIds = specify(s.Tags), s.Groups })
		}, true, []string{"ID has the tags of this environment, but not its instance profile flowbed-dev-agent"}, []string{"group"}},
		{"somebody's with our profile", func(t *testing.T, e *agent, s resource.InstanceState) string {
			return e.launch(t, s, func(in *ec2.RunInstancesInput) {
				in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: aws.String(ownProfile)}
			})
		}, true, []string{"ID has the instance profile flowbed-dev-agent of this environment, but not the tags"}, []string{"profile", "role"}},
		{"somebody's with some of our tags", func(t *testing.T, e *agent, s resource.InstanceState) string {
			return e.launch(t, s, func(in *ec2.RunInstancesInput) {
				in.TagSpecifications = specify(resource.Tags{resource.KeyEnvironment: "dev", resource.KeyRegion: "us-east-1"})
			})
		}, true, []string{"ID has some tags of this environment, but not flowbed:managed-by=flowbed and not its instance profile"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(sandbox.New())
				s := e.up(t)
				id := c.make(t, e, s)
				says := make([]string, len(c.says))
				for i, text := range c.says {
					says[i] = strings.ReplaceAll(text, "ID", id)
				}
				e.wantUpBeside(t, s, c.beside, says)

				g, _ := e.graph()
				left, err := g.Down(t.Context())
				if err != nil {
					t.Fatalf("down: %v", err)
				}
				wantText(t, "down", action(t, left, "agent instance").Owner.Leave, says)
				var kept []string
				for _, a := range left.Actions {
					switch {
					case a.Op == provision.None, a.Step == "agent instance":
					case a.Op != provision.Leave || !strings.Contains(a.Owner.Leave, "which is left") || a.Owner.Leave == "":
						t.Errorf("down left %s as %v: %q", a.Step, a.Op, a.Owner.Leave)
					default:
						kept = append(kept, a.Step)
					}
				}
				if slices.Sort(kept); !slices.Equal(kept, c.keeps) {
					t.Errorf("down keeps %q, want %q", kept, c.keeps)
				}
				running := e.instances(t)["running"]
				if len(running) != 1 || *running[0].InstanceId != id {
					t.Errorf("after down there runs %v, want only %s", running, id)
				}
				writes := len(e.account.Writes())
				g, _ = e.graph()
				if left, err = g.Down(t.Context()); err != nil || action(t, left, "agent instance").Op != provision.Leave {
					t.Errorf("a second down: %v, %+v", err, left)
				}
				if n := len(e.account.Writes()); n > writes {
					t.Errorf("a second down has written %v", e.account.Writes()[writes:])
				}
			})
		})
	}
}

// wantUpBeside checks plan and up. If our own instance is certain, they only warn.
func (e *agent) wantUpBeside(t *testing.T, own resource.InstanceState, certain bool, says []string) {
	t.Helper()
	before := len(e.account.Writes())
	a, g := e.plan(t), (*provision.Graph)(nil)
	g, _ = e.graph()
	err := g.Up(t.Context())
	if len(a.Notes) == 0 {
		t.Fatalf("the plan says nothing: %+v", a)
	}
	note := a.Notes[len(a.Notes)-1]
	wantText(t, "the plan", note.Text, says)
	switch {
	case certain && (a.Op != provision.None || err != nil || note.Severity != provision.Warn || a.Object != own.ID):
		t.Errorf("beside our own instance, the plan is %+v, and up returns %v", a, err)
	case !certain && (a.Op != provision.Conflict || note.Severity != provision.Error):
		t.Errorf("the plan is %+v, want a conflict", a)
	case !certain:
		wantError(t, err, says...)
	}
	if n := len(e.account.Writes()); n > before {
		t.Errorf("up has written %v", e.account.Writes()[before:])
	}
}

func wantText(t *testing.T, who, have string, want []string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(have, text) {
			t.Errorf("%s says %q, want %q", who, have, text)
		}
	}
}

// The commands in the messages help: after them, the instance is the agent again, or up
// launches a new one.
func TestDoubtCured(t *testing.T) {
	for _, c := range []struct {
		name       string
		lose, cure func(*testing.T, *agent, resource.InstanceState)
		same       bool // it is the agent again
	}{
		{"tags", func(t *testing.T, e *agent, s resource.InstanceState) {
			e.untag(t, s.ID, resource.KeyEnvironment, resource.KeyRegion, resource.KeyManagedBy)
		}, func(t *testing.T, e *agent, s resource.InstanceState) {
			if err := e.retag(t.Context(), s.ID, resource.Tags{
				resource.KeyEnvironment: "dev", resource.KeyRegion: "us-east-1", resource.KeyManagedBy: "flowbed",
			}); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"profile", func(t *testing.T, e *agent, _ resource.InstanceState) { e.dissociate(t) },
			func(t *testing.T, e *agent, s resource.InstanceState) {
				if _, err := e.ec2().AssociateIamInstanceProfile(t.Context(), &ec2.AssociateIamInstanceProfileInput{
					InstanceId: &s.ID, IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: aws.String(ownProfile)}}); err != nil {
					t.Fatal(err)
				}
			}, true},
		{"terminated", func(t *testing.T, e *agent, _ resource.InstanceState) { e.dissociate(t) },
			func(t *testing.T, e *agent, s resource.InstanceState) {
				if _, err := e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{s.ID}}); err != nil {
					t.Fatal(err)
				}
			}, false},
		{"not ours after all", func(t *testing.T, e *agent, _ resource.InstanceState) { e.dissociate(t) },
			func(t *testing.T, e *agent, s resource.InstanceState) { e.untag(t, s.ID, resource.KeyEnvironment) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(sandbox.New())
				e.account.BootTime = time.Minute
				s := e.up(t)
				c.lose(t, e, s)
				c.cure(t, e, s)
				if now := e.up(t); (now.ID == s.ID) != c.same {
					t.Errorf("the agent was %s and is %s", s.ID, now.ID)
				}
			})
		})
	}
}

// An instance of somebody else in our group is named. It stops down, because EC2 would not
// delete the group.
func TestGuestInTheAgentsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		s := e.up(t)
		id := e.launch(t, s, func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = s.Groups })
		e.wantUpBeside(t, s, true, []string{id + " is in the security group " + s.Groups[0] + " of this environment, but is not its agent"})
		before := len(e.account.Writes())
		g, _ := e.graph()
		_, err := g.Down(t.Context())
		wantError(t, err, "group: delete: "+s.Groups[0], " of "+id+" is in it")
		if n := len(e.account.Writes()); n > before {
			t.Errorf("down has written before it stopped: %v", e.account.Writes()[before:])
		}
	})
}

// While our own instance shuts down, up does not launch another one beside a doubtful one.
func TestDoubtBesideAnInstanceThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAgent(sandbox.New())
		e.account.BootTime = time.Minute
		s := e.up(t)
		id := e.launch(t, s, func(in *ec2.RunInstancesInput) { in.TagSpecifications = specify(s.Tags) })
		if _, err := e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{s.ID}}); err != nil {
			t.Fatal(err)
		}
		g, _ := e.graph()
		wantError(t, g.Up(t.Context()), id+" has the tags of this environment, but not its instance profile flowbed-dev-agent")
		e.wantInstances(t, 1, 1)
	})
}

// EC2 may show the profile of a new instance late, even after it runs. The run that launched
// it knows that it is ours. The next run knows it by the token, as long as it starts.
func TestProfileShownLate(t *testing.T) {
	for _, late := range []time.Duration{5 * time.Second, 40 * time.Second} {
		t.Run(fmt.Sprint("up, ", late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(slow())
				e.account.ProfileShown = late
				s := e.up(t)
				if want := "arn:aws:iam::123456789012:instance-profile/" + ownProfile; s.Profile != want {
					t.Errorf("up ends while the profile is %q, want %s", s.Profile, want)
				}
				e.wantInstances(t, 1, 0)
			})
		})
	}
	t.Run("while the last one shuts down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := newAgent(sandbox.New())
			e.account.ProfileShown, e.account.BootTime = 40*time.Second, time.Minute
			s := e.up(t)
			if _, err := e.ec2().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{s.ID}}); err != nil {
				t.Fatal(err)
			}
			e.account.BootTime = 20 * time.Second
			e.hide = func(i *types.Instance) {
				if *i.InstanceId == s.ID {
					i.State = &types.InstanceState{Name: types.InstanceStateNameShuttingDown} // for long
				}
			}
			if now := e.up(t); now.ID == s.ID {
				t.Error("up was content with an instance that shuts down")
			}
			e.hide = nil
			e.wantInstances(t, 1, 1)
		})
	})
	for _, verb := range []string{"up", "down"} {
		t.Run("a run killed after the launch, then "+verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(sandbox.New())
				e.account.ProfileShown, e.account.BootTime = 15*time.Second, 20*time.Second
				dead := false
				e.account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
					if dead {
						f.Refuse = errKilled
					}
					dead = dead || c.Operation == "RunInstances"
					return f
				}
				g, _ := e.graph()
				if err := g.Up(t.Context()); err == nil {
					t.Fatal("up has not noticed its end")
				}
				e.account.Fault = nil
				time.Sleep(time.Second)
				if verb == "down" {
					e.down(t)
					e.wantInstances(t, 0, 1)
					return
				}
				if a := e.plan(t); a.Op != provision.Update {
					t.Errorf("while the instance starts, the plan is %+v", a)
				}
				e.up(t)
				e.wantInstances(t, 1, 0)
			})
		})
	}
}
