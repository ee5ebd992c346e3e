package stack_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const external = `role {
	name             = "company"
	instance_profile = "company-profile"
	ownership        = "external"
}`

// company is an account with a role and an instance profile of somebody else.
type company struct {
	*testing.T
	*sandbox.Account
	iam *iam.Client
	ec2 *ec2.Client
}

const trustEC2 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// allowAll is the inline policy of the company's role.
const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

func newCompany(t *testing.T) company {
	t.Helper()
	account := sandbox.New()
	c := company{t, account, iam.NewFromConfig(account.Config(region)), ec2.NewFromConfig(account.Config(region))}
	ctx := t.Context()
	_, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("company"), AssumeRolePolicyDocument: aws.String(trustEC2)})
	c.ok(err)
	_, err = c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("company"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allowAll)})
	c.ok(err)
	_, err = c.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("company-profile")})
	c.ok(err)
	_, err = c.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("company-profile"), RoleName: aws.String("company")})
	c.ok(err)
	return c
}

func (c company) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c company) build(lines string, destroy bool) *stack.Stack {
	c.Helper()
	return build(c.T, c.Account, withOptions(lines), stack.Options{Transport: sandbox.Prefect(c.Account), NoWait: true, Destroy: destroy})
}

func (c company) up(lines string) {
	c.Helper()
	c.ok(c.build(lines, false).Graph.Up(c.Context()))
	time.Sleep(time.Minute)
	p, err := c.build(lines, false).Graph.Plan(c.Context())
	if err != nil || !p.Empty() || p.Err() != nil {
		c.Errorf("the plan after up: %v, %v, %+v", err, p.Err(), p.Actions)
	}
}

// agents are the instances that live, by id, and their profiles.
func (c company) agents() map[string]string {
	c.Helper()
	out, err := c.ec2.DescribeInstances(context.WithoutCancel(c.Context()), &ec2.DescribeInstancesInput{
		Filters: []types.Filter{{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}}}})
	c.ok(err)
	all := map[string]string{}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			_, all[*i.InstanceId], _ = strings.Cut(aws.ToString(i.IamInstanceProfile.Arn), "/")
		}
	}
	return all
}

// one is the profile of the only instance.
func (c company) one() (id, profile string) {
	c.Helper()
	all := c.agents()
	if len(all) != 1 {
		c.Fatalf("have %v, want one instance", all)
	}
	for id, profile = range all {
		break
	}
	return id, profile
}

// roles are the names of the roles and profiles of the agent that exist.
func (c company) roles() (names []string) {
	c.Helper()
	for _, name := range []string{"flowbed-dev-agent", "company"} {
		if _, err := c.iam.GetRole(c.Context(), &iam.GetRoleInput{RoleName: &name}); err == nil {
			names = append(names, name)
		}
	}
	for _, name := range []string{"flowbed-dev-agent", "company-profile"} {
		if _, err := c.iam.GetInstanceProfile(c.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: &name}); err == nil {
			names = append(names, "profile "+name)
		}
	}
	return names
}

// TestLentRole: an agent goes from its own role to one of somebody else, and back. Nothing of
// somebody else's changes, and down leaves it.
func TestLentRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t)
		c.up("")
		first, _ := c.one()
		c.up(external)
		second, profile := c.one()
		if first == second || profile != "company-profile" {
			t.Errorf("have %s with the profile %s after %s, want a new instance", second, profile, first)
		}
		if d := cmp.Diff([]string{"company", "profile company-profile"}, c.roles()); d != "" {
			t.Errorf("after up (-want +have):\n%s", d)
		}
		if found, err := (resource.Instance{API: c.ec2, ID: c.id()}).Discover(t.Context(), nil); err != nil || len(found) != 1 || found[0].Doubt != "" {
			t.Errorf("list finds %+v, %v", found, err)
		}
		c.up("")
		if third, profile := c.one(); third == second || profile != "flowbed-dev-agent" {
			t.Errorf("have %s with the profile %s after %s, want a new instance", third, profile, second)
		}
		c.up(external)
		for range 2 {
			left, err := c.build(external, true).Graph.Down(t.Context())
			if err != nil || !left.Empty() {
				t.Fatalf("down leaves %+v, %v", left.Actions, err)
			}
		}
		if d := cmp.Diff([]string{"company", "profile company-profile"}, c.roles()); d != "" || len(c.agents()) > 0 {
			t.Errorf("after down: have instances %v (-want +have):\n%s", c.agents(), d)
		}
		tags, err := c.iam.ListRoleTags(t.Context(), &iam.ListRoleTagsInput{RoleName: aws.String("company")})
		if err != nil || len(tags.Tags) > 0 {
			t.Errorf("the company's role: %v, %v", tags, err)
		}
	})
}

func (c company) id() resource.Identity {
	return resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}
}

// TestLentProfile: other instances with the same profile are none of flowbed's business, also
// if somebody copies the agent with its tags.
func TestLentProfile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t)
		c.up(external)
		ours, _ := c.one()
		out, err := c.ec2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{ours}})
		c.ok(err)
		agent := out.Reservations[0].Instances[0]
		launch := func(tags []types.Tag) string {
			t.Helper()
			in := &ec2.RunInstancesInput{
				MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: agent.ImageId, InstanceType: agent.InstanceType, SubnetId: agent.SubnetId,
				IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: aws.String("company-profile")},
			}
			if len(tags) > 0 {
				in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: tags}}
			}
			out, err := c.ec2.RunInstances(t.Context(), in)
			c.ok(err)
			return *out.Instances[0].InstanceId
		}
		launch(nil)
		time.Sleep(time.Minute)
		p, err := c.build(external, false).Graph.Plan(t.Context())
		if err != nil || !p.Empty() {
			t.Errorf("beside an instance of somebody else: %v, %+v", err, p.Actions)
		}
		for _, a := range p.Actions {
			if a.Step == "agent instance" && len(a.Notes) > 0 {
				t.Errorf("beside an instance of somebody else: have the notes %+v", a.Notes)
			}
		}
		copied := launch(agent.Tags)
		time.Sleep(time.Minute)
		have, err := c.build(external, false).Agent(t.Context())
		if err != nil || have.ID != ours || len(have.Others) > 0 || len(have.Doubtful) != 1 || have.Doubtful[0].ID != copied ||
			!strings.Contains(have.Doubtful[0].Why, "flowbed did not launch it") {
			t.Errorf("have %+v, %v; want %s, and doubt about %s", have, err, ours, copied)
		}
		if _, err := c.build(external, true).Graph.Down(t.Context()); err != nil {
			t.Logf("down: %v", err)
		}
		time.Sleep(5 * time.Minute)
		if left := c.agents(); len(left) != 2 || left[ours] != "" {
			t.Errorf("down leaves %v, want the two of somebody else", left)
		}
	})
}

// TestLentRoleLacks: a plan says what the role and the profile lack, before anything changes.
func TestLentRoleLacks(t *testing.T) {
	policy := func(doc string) func(company) {
		return func(c company) {
			_, err := c.iam.PutRolePolicy(c.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("company"), PolicyName: aws.String("p"), PolicyDocument: &doc})
			c.ok(err)
		}
	}
	for _, test := range []struct {
		name string
		edit func(company)
		want string
		op   provision.Op
	}{
		{"a trust of another service", func(c company) {
			_, err := c.iam.UpdateAssumeRolePolicy(c.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("company"), PolicyDocument: aws.String(strings.ReplaceAll(trustEC2, "ec2.", "ecs-tasks."))})
			c.ok(err)
		}, "company does not allow ec2.amazonaws.com to assume it", provision.Use},
		{"a trust of another service, and a managed policy", func(c company) {
			_, err := c.iam.AttachRolePolicy(c.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("company"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonS3FullAccess")})
			c.ok(err)
			_, err = c.iam.UpdateAssumeRolePolicy(c.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("company"), PolicyDocument: aws.String(strings.ReplaceAll(trustEC2, "ec2.", "ecs-tasks."))})
			c.ok(err)
		}, "company does not allow ec2.amazonaws.com to assume it", provision.Use},
		{"a policy that lacks the start of tasks", policy(strings.Replace(allowAll, `"Action":"*"`, `"Action":["ecs:D*","ecs:Reg*","ecs:S*","ecs:T*","iam:*","ec2:*","sqs:*","logs:*"]`, 1)),
			"company does not allow ecs:RunTask on ", provision.Use},
		{"no role in the profile", func(c company) {
			_, err := c.iam.RemoveRoleFromInstanceProfile(c.Context(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("company-profile"), RoleName: aws.String("company")})
			c.ok(err)
		}, "company-profile has no role, and not company → correct name or instance_profile", provision.Use},
		{"no profile", func(c company) {
			_, err := c.iam.RemoveRoleFromInstanceProfile(c.Context(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("company-profile"), RoleName: aws.String("company")})
			c.ok(err)
			_, err = c.iam.DeleteInstanceProfile(c.Context(), &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("company-profile")})
			c.ok(err)
		}, "external instance profile", provision.Missing},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCompany(t)
				test.edit(c)
				s := c.build(external, false)
				p, err := s.Graph.Plan(t.Context())
				if err != nil || p.Err() == nil || !strings.Contains(p.Err().Error(), test.want) || p.Count(test.op) == 0 {
					t.Errorf("have %v, %v; want %q", err, p.Err(), test.want)
				}
				if err := s.Graph.Up(t.Context()); err == nil || len(c.agents()) > 0 {
					t.Errorf("up goes on: %v", err)
				}
			})
		})
	}
}
