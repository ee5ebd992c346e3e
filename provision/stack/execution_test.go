package stack_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const (
	withKey  = "prefect {\napi_url = \"https://prefect.example.com/api\"\napi_key = \"pnu_0123456789\"\n}"
	noSecret = "prefect {\napi_url = \"https://prefect.example.com/api\"\n}"
)

// chosen builds the graph of an environment as a command does: after a look at the account's
// execution role.
func chosen(t *testing.T, account *sandbox.Account, name, text string) *stack.Stack {
	t.Helper()
	id := resource.Identity{Env: name, Region: region}
	role := stack.ReadAccountRole(t.Context(), iam.NewFromConfig(account.Config(region)), id)
	return build(t, account, "environment \""+name+"\" {\n"+text+"\n}", stack.Options{NoPrefect: true, Account: role})
}

// executionRole is the step of the execution role in a plan.
func executionRole(t *testing.T, s *stack.Stack) provision.Action {
	t.Helper()
	p, err := s.Graph.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == "execution role" })
	return p.Actions[i]
}

// console is the role as AWS's console makes it.
func console(t *testing.T, account *sandbox.Account) {
	t.Helper()
	api := iam.NewFromConfig(account.Config(region))
	name := aws.String("ecsTaskExecutionRole")
	_, err := api.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2008-10-17","Statement":[{"Sid":"","Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = api.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: name,
		PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")})
	if err != nil {
		t.Fatal(err)
	}
}

// TestChooseExecutionRole: the account's role if it works and opens no key to others, else
// one of the environment's own; and what was chosen stays.
func TestChooseExecutionRole(t *testing.T) {
	up := func(name, text string) func(*testing.T, *sandbox.Account) {
		return func(t *testing.T, account *sandbox.Account) {
			t.Helper()
			if err := chosen(t, account, name, text).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	down := func(name string) func(*testing.T, *sandbox.Account) {
		return func(t *testing.T, account *sandbox.Account) {
			t.Helper()
			s := build(t, account, "environment \""+name+"\" {}", stack.Options{NoPrefect: true, Destroy: true})
			if left, err := s.Graph.Down(t.Context()); err != nil || !left.Empty() {
				t.Fatal(err, left)
			}
		}
	}
	type before = []func(*testing.T, *sandbox.Account)
	const shared = "ecsTaskExecutionRole"
	for _, c := range []struct {
		name, text string
		before     before
		want       string // "" is one of its own
		why        string
	}{
		{"none yet", withKey, nil, shared, ""},
		{"the console's, without a secret", noSecret, before{console}, shared, ""},
		{"the console's, with a key", withKey, before{console}, "", "ecsTaskExecutionRole does not allow ssm:GetParameters on "},
		{"ours, nobody has a key", noSecret, before{up("other", noSecret)}, shared, ""},
		{"ours, the other has a key", noSecret, before{up("other", withKey)}, "", "can read the key of another environment"},
		{"ours, we have a key", withKey, before{up("other", noSecret)}, "", "could read this one's key"},
		{"ours, both have a key", withKey, before{up("other", withKey)}, "", "can read the key of another environment"},
		{"ours, left by the other", withKey, before{up("other", noSecret), down("other")}, shared, ""},
		{"claimed, then another came", withKey, before{up("dev", withKey), up("other", noSecret)}, shared, ""},
		{"its own, then the reason went", withKey, before{up("other", noSecret), up("dev", withKey), down("other")}, shared, ""}, // there is none any more
		{"its own, then the other lost its key", noSecret, before{up("other", withKey), up("dev", noSecret), up("other", noSecret)}, "", ""},
		{"with a ttl", "ttl = \"8h\"\n" + noSecret, before{console}, "", ""},
		{"named", "execution_role { name = \"mine\" }\n" + withKey, before{console}, "mine", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				for _, do := range c.before {
					do(t, account)
				}
				want := c.want
				if want == "" {
					want = "flowbed-dev-execution"
				}
				s := chosen(t, account, "dev", c.text)
				a := executionRole(t, s)
				text := ""
				for _, n := range a.Notes {
					text += n.Text
				}
				if !strings.Contains(text, c.why) || a.Err != nil {
					t.Errorf("the plan says %q, %v; want %q", text, a.Err, c.why)
				}
				up("dev", c.text)(t, account)
				again := chosen(t, account, "dev", c.text)
				if err := again.Graph.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
				have := ""
				for _, o := range again.Outputs() {
					if o.Name == "execution_role_arn" {
						have = o.Value
					}
				}
				if have != "arn:aws:iam::123456789012:role/"+want {
					t.Errorf("have the role %s, want %s", have, want)
				}
				p, err := chosen(t, account, "dev", c.text).Graph.Plan(t.Context())
				if err != nil || !p.Empty() || p.Err() != nil {
					t.Errorf("the plan after up: %v, %v, %+v", err, p.Err(), p)
				}
				down("dev")(t, account)
				if left := contents(t, account); strings.Contains(left, "flowbed-dev") || strings.Contains(left, "dev@") {
					t.Errorf("down left behind: %s", left)
				}
			})
		})
	}
}

// TestInsufficientRole: a role that the file names, and that lacks what every task needs, is
// an error of the plan with the line that cures it; what other policies may allow is only a
// warning.
func TestInsufficientRole(t *testing.T) {
	const named = "execution_role {\nname = \"ecsTaskExecutionRole\"\n}\n" + withKey
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		console(t, account)
		a := executionRole(t, chosen(t, account, "dev", named))
		i := slices.IndexFunc(a.Notes, func(n provision.Note) bool { return n.Severity == provision.Error })
		if i < 0 || !strings.Contains(a.Notes[i].Text, `does not allow ssm:GetParameters on`) || !strings.Contains(a.Notes[i].Text, `→ name another role in the file, for example: execution_role { name = "flowbed-dev-execution" }`) {
			t.Errorf("have %+v", a.Notes)
		}
		api := iam.NewFromConfig(account.Config(region))
		if _, err := api.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("ecsTaskExecutionRole"),
			PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess")}); err != nil {
			t.Fatal(err)
		}
		a = executionRole(t, chosen(t, account, "dev", named))
		if len(a.Notes) == 0 || slices.ContainsFunc(a.Notes, func(n provision.Note) bool { return n.Severity == provision.Error }) {
			t.Errorf("with another policy: have %+v", a.Notes)
		}
	})
}
