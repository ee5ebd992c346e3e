package stack_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/secret"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/templates"
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

// alsoUses lets another environment use the account's role, as it can if both come at once.
func alsoUses(name string, key bool) func(*testing.T, *sandbox.Account) {
	return func(t *testing.T, account *sandbox.Account) {
		t.Helper()
		api, role := iam.NewFromConfig(account.Config(region)), aws.String("ecsTaskExecutionRole")
		_, err := api.TagRole(t.Context(), &iam.TagRoleInput{RoleName: role, Tags: []types.Tag{
			{Key: aws.String("flowbed:claim:" + name + "@" + region), Value: aws.String("in use")}}})
		if err != nil {
			t.Fatal(err)
		}
		if !key {
			return
		}
		n := names.Names{Env: name, Region: region}
		doc := templates.ExecutionPolicy(templates.Place{Partition: "aws", Region: region, Account: sandbox.DefaultAccount, Env: name}, n.LogGroup(),
			secret.Ref{Partition: "aws", Service: secret.SSM, Region: region, Account: sandbox.DefaultAccount, Name: n.APIKey()[1:], Ours: true})
		if _, err := api.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String(n.SharedPolicy()), PolicyDocument: &doc}); err != nil {
			t.Fatal(err)
		}
	}
}

// tagged adds tags to the account's role.
func tagged(count int) func(*testing.T, *sandbox.Account) {
	return func(t *testing.T, account *sandbox.Account) {
		t.Helper()
		var list []types.Tag
		for i := range count {
			list = append(list, types.Tag{Key: aws.String(fmt.Sprintf("team-%d", i)), Value: aws.String("x")})
		}
		api := iam.NewFromConfig(account.Config(region))
		if _, err := api.TagRole(t.Context(), &iam.TagRoleInput{RoleName: aws.String("ecsTaskExecutionRole"), Tags: list}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullRole: an environment whose file names the account's role, and that finds no room
// in it, ends with an error of the plan, before anything is written.
func TestFullRole(t *testing.T) {
	const named = "execution_role {\nname = \"ecsTaskExecutionRole\"\n}\n" + withKey
	const cure = ` → name another role in the file: execution_role { name = "flowbed-dev-execution" }`
	for name, c := range map[string]struct {
		fill func(*testing.T, *sandbox.Account)
		want string
	}{
		"28 others": {func(t *testing.T, a *sandbox.Account) {
			for i := range 27 {
				alsoUses(fmt.Sprintf("e%02d", i), true)(t, a)
			}
		}, ""},
		"29 others": {func(t *testing.T, a *sandbox.Account) {
			for i := range 28 {
				alsoUses(fmt.Sprintf("e%02d", i), true)(t, a)
			}
		}, "ecsTaskExecutionRole has 28 of 10240 characters left for inline policies, and this environment needs 352"},
		"tags": {tagged(44), "ecsTaskExecutionRole has 50 tags, this environment needs 1 more, and IAM allows 50"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				if err := chosen(t, account, "other", named).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				c.fill(t, account)
				writes := len(account.Writes())
				err := chosen(t, account, "dev", named).Graph.Up(t.Context())
				if c.want == "" {
					if err != nil {
						t.Errorf("have %v", err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.want+cure) || len(account.Writes()) > writes {
					t.Errorf("have %v, and the writes %v; want %q", err, account.Writes()[writes:], c.want)
				}
			})
		})
	}
}

// TestFullAfterAll: IAM's own refusal leads to the same cure, if somebody fills the role
// between the plan and the call.
func TestFullAfterAll(t *testing.T) {
	const named = "execution_role {\nname = \"ecsTaskExecutionRole\"\n}\n" + withKey
	for _, operation := range []string{"PutRolePolicy", "TagRole"} {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			if err := chosen(t, account, "other", named).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if operation == "PutRolePolicy" { // then only the execution role still needs one
				if err := chosen(t, account, "dev", strings.Replace(named, withKey, noSecret, 1)).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			account.Fault = func(c sandbox.Call) sandbox.Fault {
				if c.Operation == operation {
					return sandbox.Fault{Refuse: &types.LimitExceededException{Message: aws.String("Maximum policy size of 10240 bytes exceeded")}}
				}
				return sandbox.Fault{}
			}
			err := chosen(t, account, "dev", named).Graph.Up(t.Context())
			e, ok := errors.AsType[interface {
				error
				Hint() string
			}](err)
			if !ok || !strings.Contains(e.Hint(), `execution_role { name = "flowbed-dev-execution" }`) {
				t.Errorf("%s: have %v", operation, err)
			}
		})
	}
}

// TestReadingASharedRole costs the same, however many others use it.
func TestReadingASharedRole(t *testing.T) {
	cost := func(others int) (n int) {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			const named = "execution_role {\nname = \"ecsTaskExecutionRole\"\n}\n" + withKey
			if err := chosen(t, account, "dev", named).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i := range others {
				alsoUses(fmt.Sprintf("e%02d", i), true)(t, account)
			}
			var calls atomic.Int64
			account.Fault = func(c sandbox.Call) sandbox.Fault {
				if c.Service == "iam" {
					calls.Add(1)
				}
				return sandbox.Fault{}
			}
			if p, err := chosen(t, account, "dev", named).Graph.Plan(t.Context()); err != nil || !p.Empty() || p.Err() != nil {
				t.Errorf("the plan with %d others: %v, %+v", others, err, p)
			}
			n = int(calls.Load())
		})
		return n
	}
	if one, many := cost(1), cost(25); one != many || one == 0 {
		t.Errorf("%d calls with 1 other, %d with 25", one, many)
	}
}

// TestTwoFirstUps: both find no role, and choose the account's. The one that comes second
// stops before it shares a key, and the next up gives it a role of its own.
func TestTwoFirstUps(t *testing.T) {
	for name, text := range map[string][2]string{
		"both have a key": {withKey, withKey}, "the first has a key": {withKey, noSecret}, "the second has a key": {noSecret, withKey},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				first, second := chosen(t, account, "other", text[0]), chosen(t, account, "dev", text[1])
				if err := first.Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				err := second.Graph.Up(t.Context())
				if err == nil || !strings.Contains(err.Error(), "run `flowbed up` again: it then uses a role of its own") {
					t.Errorf("have %v", err)
				}
				role, err := iam.NewFromConfig(account.Config(region)).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("ecsTaskExecutionRole")})
				if err != nil || slices.ContainsFunc(role.Role.Tags, func(t types.Tag) bool { return strings.Contains(*t.Key, "claim:dev@") }) {
					t.Errorf("the second has a claim: %v, %+v", err, role.Role.Tags)
				}
				again := chosen(t, account, "dev", text[1])
				if err := again.Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				if a := executionRole(t, chosen(t, account, "dev", text[1])); a.Object != "flowbed-dev-execution" {
					t.Errorf("have %+v", a)
				}
			})
		})
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
		{"joined without a key, then got one", withKey, before{up("other", noSecret), up("dev", noSecret)}, "", "could read this one's key"},
		{"two came at once", withKey, before{up("dev", withKey), alsoUses("other", true)}, "", "can read the key of another environment"},
		{"two came at once, and we have no key", noSecret, before{up("dev", noSecret), alsoUses("other", true)}, "", "can read the key of another environment"},
		{"two came at once, and only we have a key", withKey, before{up("dev", withKey), alsoUses("other", false)}, "", "could read this one's key"},
		{"full of tags", noSecret, before{up("other", noSecret), tagged(44)}, "", "ecsTaskExecutionRole has 50 tags, this environment needs 1 more, and IAM allows 50"},
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

// borrowed is the account's role with inline statements instead of AWS's own policy.
func borrowed(t *testing.T, account *sandbox.Account, trust string, statements ...string) {
	t.Helper()
	api, name := iam.NewFromConfig(account.Config(region)), aws.String("corporate")
	if _, err := api.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + trust + `"},"Action":"sts:AssumeRole"}]}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("corporate"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)}); err != nil {
		t.Fatal(err)
	}
}

// TestBorrowedRole has a row for each thing that the tasks of an environment need from a
// role that it borrows. What is missing is an error of the plan with the line that cures it,
// and what cannot be read is a warning.
func TestBorrowedRole(t *testing.T) {
	const (
		group  = "arn:aws:logs:eu-central-1:123456789012:log-group:/flowbed/dev:*"
		param  = "arn:aws:ssm:eu-central-1:123456789012:parameter/flowbed/dev/prefect-api-key"
		repo   = "arn:aws:ecr:eu-central-1:123456789012:repository/flows"
		cure   = ` → name another role in the file, for example: execution_role { name = "flowbed-dev-execution" }`
		lent   = "execution_role {\nname = \"corporate\"\nownership = \"external\"\n}\n"
		images = lent + withKey + "\nflows {\nimage = \"123456789012.dkr.ecr.eu-central-1.amazonaws.com/flows:1\"\n}"
	)
	logs, key := may("logs:CreateLogStream", group)+","+may("logs:PutLogEvents", group), may("ssm:GetParameters", param)
	token, pull := may("ecr:GetAuthorizationToken", "*"), may("ecr:Batch*", repo)+","+may("ecr:GetDownloadUrlForLayer", repo)
	for _, c := range []struct {
		name, text, trust string
		statements        []string
		severity          provision.Severity
		says              []string // of the notes
	}{
		{"all", images, "ecs-tasks", []string{logs, key, token, pull}, 0, nil},
		{"no ECR needed", lent + withKey, "ecs-tasks", []string{logs, key}, provision.Info, []string{"does not allow to pull images from ECR"}},
		{"no key needed", lent + noSecret, "ecs-tasks", []string{logs, token}, 0, nil},
		{"trust", images, "ec2", []string{logs, key, token, pull}, provision.Error, []string{"does not allow ecs-tasks.amazonaws.com to assume it"}},
		{"logs", images, "ecs-tasks", []string{key, token, pull}, provision.Error, []string{"logs:CreateLogStream on " + group, "logs:PutLogEvents on " + group}},
		{"key", images, "ecs-tasks", []string{logs, token, pull}, provision.Error, []string{"ssm:GetParameters on " + param}},
		{"login to the registry", images, "ecs-tasks", []string{logs, key, pull}, provision.Error, []string{"ecr:GetAuthorizationToken on *"}},
		{"image", images, "ecs-tasks", []string{logs, key, token}, provision.Error,
			[]string{"ecr:BatchCheckLayerAvailability on " + repo, "ecr:GetDownloadUrlForLayer on " + repo, "ecr:BatchGetImage on " + repo}},
		{"image of another repository", images, "ecs-tasks", []string{logs, key, token, strings.ReplaceAll(pull, "/flows", "/others")}, provision.Error,
			[]string{"ecr:BatchCheckLayerAvailability on " + repo, "ecr:GetDownloadUrlForLayer on " + repo, "ecr:BatchGetImage on " + repo}},
		{"key, denied", images, "ecs-tasks", []string{logs, key, token, pull, strings.Replace(may("ssm:*", "*"), "Allow", "Deny", 1)}, provision.Error,
			[]string{"ssm:GetParameters on " + param}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				borrowed(t, account, c.trust+".amazonaws.com", c.statements...)
				a := executionRole(t, chosen(t, account, "dev", c.text))
				if len(a.Notes) != len(c.says) || a.Err != nil {
					t.Fatalf("have %v, %+v, want %q", a.Err, a.Notes, c.says)
				}
				for i, n := range a.Notes {
					if n.Severity != c.severity || !strings.Contains(n.Text, "corporate ") || !strings.Contains(n.Text, c.says[i]) || strings.Contains(n.Text, cure) != (c.severity == provision.Error) {
						t.Errorf("have %+v, want %q", n, c.says[i])
					}
				}
			})
		})
	}
}

func may(action, on string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + on + `"}`
}

// TestHiddenRole: whoever may not read a role can use it all the same, and the warning
// stays after up.
func TestHiddenRole(t *testing.T) {
	const lent = "execution_role {\nname = \"corporate\"\nownership = \"external\"\n}\n" + withKey
	for denied, want := range map[string]string{
		"iam:ListRolePolicies": "reading it needs iam:ListRolePolicies", "iam:ListAttachedRolePolicies": "reading it needs iam:ListAttachedRolePolicies",
		"iam:GetRolePolicy": "reading it needs iam:GetRolePolicy", "iam:Get*": "reading it needs iam:GetRole, iam:GetRolePolicy",
	} {
		t.Run(denied, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				borrowed(t, account, "ecs-tasks.amazonaws.com", may("logs:*", "*"))
				account.Policy = `{"Version":"2012-10-17","Statement":[` + may("*", "*") +
					`,{"Effect":"Deny","Action":"` + denied + `","Resource":"arn:aws:iam::123456789012:role/corporate"}]}`
				s := chosen(t, account, "dev", lent)
				if err := s.Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				have := s.Graph.Warnings()
				if len(have) != 1 || have[0].Step != "execution role" || !strings.HasSuffix(have[0].Text, want) {
					t.Errorf("have %+v, want %q", have, want)
				}
			})
		})
	}
}

// TestHiddenAccountRole: if somebody else's ecsTaskExecutionRole cannot be read, an
// environment whose file names none gets one of its own.
func TestHiddenAccountRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		console(t, account)
		account.Policy = `{"Version":"2012-10-17","Statement":[` + may("*", "*") +
			`,{"Effect":"Deny","Action":"iam:ListRolePolicies","Resource":"arn:aws:iam::123456789012:role/ecsTaskExecutionRole"}]}`
		a := executionRole(t, chosen(t, account, "dev", withKey))
		if a.Op != provision.Create || len(a.Notes) != 1 || !strings.Contains(a.Notes[0].Text, "a role of its own, because cannot tell") {
			t.Errorf("have %+v", a)
		}
	})
}

// TestBoundary warns of a boundary, whose content flowbed does not know.
func TestBoundary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		const boundary = "arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess"
		_, err := iam.NewFromConfig(account.Config(region)).CreateRole(t.Context(), &iam.CreateRoleInput{
			RoleName: aws.String("corporate"), PermissionsBoundary: aws.String(boundary), AssumeRolePolicyDocument: aws.String(templates.ExecutionTrust())})
		if err != nil {
			t.Fatal(err)
		}
		a := executionRole(t, chosen(t, account, "dev", "execution_role {\nname = \"corporate\"\nownership = \"external\"\n}"))
		last := a.Notes[len(a.Notes)-1]
		if last.Severity != provision.Warn || !strings.Contains(last.Text, "corporate has the permissions boundary "+boundary) {
			t.Errorf("have %+v", a.Notes)
		}
	})
}
