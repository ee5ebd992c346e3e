package resource_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

func devRole(a *sandbox.Account, doc string) resource.Role {
	return resource.Role{
		API: iam.NewFromConfig(a.Config("us-east-1")), Name: "flowbed-dev-agent", Trust: trustOfEC2,
		ID:     resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "1.0.0"},
		Inline: func() map[string]string { return map[string]string{"agent": doc} },
	}
}

func graphOf[S provision.State](r provision.Resource[S]) *provision.Graph {
	g := &provision.Graph{Owner: "dev@us-east-1", Retry: awserr.Retry}
	provision.Add(g, "it", provision.Own, r)
	return g
}

// IAM sends policies percent-encoded; what stands in them must survive that.
func TestPolicyText(t *testing.T) {
	for _, name := range []string{"a+b", "a b", "a%2Bb", "ä", `a\"b`, "a&b=c"} {
		doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + name + `/*"}]}`
		r := devRole(sandbox.New(), doc)
		if err := graphOf(r).Up(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if have, err := r.Read(t.Context()); err != nil || have.Inline["agent"] != doc {
			t.Errorf("have %s (%v), want %s", have.Inline["agent"], err, doc)
		}
	}
}

// IAM does not delete a role in an instance profile. Down says so before it begins, and also
// if the role gets into a profile in the meantime.
func TestRoleInSomebodysProfile(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			r := devRole(account, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
			if err := graphOf(r).Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			add := func() {
				_, made := r.API.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("by-hand")})
				_, added := r.API.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{
					InstanceProfileName: aws.String("by-hand"), RoleName: &r.Name,
				})
				if err := errors.Join(made, added); err != nil {
					t.Error(err)
				}
			}
			if late {
				account.Fault = func(c sandbox.Call) (f sandbox.Fault) {
					if c.Operation == "DeleteRolePolicy" {
						f.Then = add
					}
					return f
				}
			} else {
				add()
			}
			before := len(account.Writes())
			_, err := graphOf(r).Down(t.Context())
			if late {
				wantError(t, err, "delete role, which is in the instance profile by-hand", "DeleteConflict")
				return
			}
			wantError(t, err, r.Name+" cannot be deleted while it is in the instance profile by-hand → ",
				"aws iam remove-role-from-instance-profile --instance-profile-name by-hand --role-name "+r.Name)
			if n := len(account.Writes()); n > before {
				t.Errorf("down has written before it stopped: %v", account.Writes()[before:])
			}
		})
	}
}

// A role that got into a profile of somebody else since it was read does not move to another path,
// and keeps its policies.
func TestRoleInSomebodysProfileStays(t *testing.T) {
	r := devRole(sandbox.New(), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	if err := graphOf(r).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	have, err := r.Read(t.Context())
	for _, name := range []string{r.Name, "by-hand"} {
		_, made := r.API.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: &name})
		_, added := r.API.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &r.Name})
		err = errors.Join(err, made, added)
	}
	if err != nil {
		t.Fatal(err)
	}
	moved := r
	moved.Path = "/data/"
	wantError(t, moved.Changes(have)[0].Do(t.Context()), r.Name+" cannot be deleted while it is in the instance profile by-hand → ")
	if now, err := r.Read(t.Context()); err != nil || now.Inline["agent"] == "" {
		t.Errorf("the role has the policies %v, %v", now.Inline, err)
	}
	out, err := r.API.ListInstanceProfilesForRole(t.Context(), &iam.ListInstanceProfilesForRoleInput{RoleName: &r.Name})
	if err != nil || len(out.InstanceProfiles) != 2 {
		t.Errorf("the role is in the profiles %v, %v", out, err)
	}
}

// A role that was deleted and made again has the same name as the one that the
// profile holds, but is another.
func TestProfileHoldsARoleThatIsGone(t *testing.T) {
	role := resource.RoleState{Name: "flowbed-dev-agent", ID: "AROANEW"}
	p := resource.Profile{Name: "flowbed-dev-agent", Role: provision.Known(role)}
	tags := p.ID.Tags(p.Name)
	for _, c := range []struct {
		name, role, id string
		want           string
	}{
		{"the same", "flowbed-dev-agent", "AROANEW", ""},
		{"in another case", "Flowbed-Dev-Agent", "AROANEW", ""},
		{"made again", "flowbed-dev-agent", "AROAOLD", "AROAOLD → flowbed-dev-agent, the role was deleted and created again"},
		{"another", "other", "AROAOTHER", "other → flowbed-dev-agent, "},
		{"none", "", "", " → flowbed-dev-agent, "},
	} {
		have := ""
		for _, ch := range p.Changes(resource.ProfileState{Role: c.role, RoleID: c.id, Tags: tags}) {
			if ch.Field == "role" {
				have += fmt.Sprintf("%s → %s, %s", ch.From, ch.To, ch.Why)
			}
		}
		if have != c.want {
			t.Errorf("%s: have the change %q, want %q", c.name, have, c.want)
		}
	}
	unknown := resource.Profile{Name: "p"}.Changes(resource.ProfileState{Tags: resource.Identity{}.Tags("p")})
	if len(unknown) != 1 || unknown[0].To.Known() {
		t.Errorf("without a role the changes are %v, want an unknown role", unknown)
	}
}

// The role of the whole account may have found users that know nothing of
// flowbed; only what they put on it shows them.
func TestSharedRoleOfOthers(t *testing.T) {
	r := devRole(sandbox.New(), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	r.Shared, r.Managed = true, []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	plan := func() provision.Action {
		g := &provision.Graph{Owner: "dev@us-east-1", Retry: awserr.Retry}
		provision.Add(g, "it", provision.Share, r)
		if err := g.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := g.PlanDown(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return p.Actions[0]
	}
	if a := plan(); a.Op != provision.Delete || len(a.Notes) > 0 {
		t.Errorf("of ours alone, the plan says %v %v", a.Op, a.Notes)
	}
	if _, err := r.API.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{
		RoleName: &r.Name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonSQSFullAccess")}); err != nil {
		t.Fatal(err)
	}
	a := plan()
	if len(a.Notes) != 1 || a.Notes[0].Severity != provision.Warn ||
		!strings.Contains(a.Notes[0].Text, "flowbed did not add the policy arn:aws:iam::aws:policy/AmazonSQSFullAccess") {
		t.Errorf("with a policy from outside flowbed: the plan has %v %v, want one warning", a.Op, a.Notes)
	}
}

// There is no call for one log group, only for those whose names begin alike.
// TestSharedRoleUnfinished: only the environment that created a shared role ends that it is
// unfinished; others neither know what it lacks, nor may they have to.
func TestSharedRoleUnfinished(t *testing.T) {
	for env, want := range map[string]bool{"dev": true, "prod": false} {
		id := resource.Identity{Env: "dev", Region: "us-east-1", Account: "123456789012", Partition: "aws"}
		tags := id.SharedTags("shared")
		tags[resource.KeyUnfinished] = "yes"
		id.Env = env
		list := resource.Role{ID: id, Name: "shared", Shared: true}.Changes(resource.RoleState{Name: "shared", Path: "/", Tags: tags})
		if have := slices.ContainsFunc(list, func(c provision.Change) bool { return c.Last }); have != want {
			t.Errorf("%s removes the tag: %v, want %v", env, have, want)
		}
	}
}

func TestLogGroupAmongMany(t *testing.T) {
	a := sandbox.New()
	l := resource.LogGroup{
		API: cloudwatchlogs.NewFromConfig(a.Config("us-east-1")), Name: "/flowbed/dev", Days: 30,
		ID: resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "1.0.0"},
	}
	for i := range 120 { // three pages; most of them come before it
		name := fmt.Sprintf("/flowbed/dev#%d", i)
		if i%2 == 0 {
			name = fmt.Sprintf("/flowbed/dev-%d", i)
		}
		if _, err := l.API.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Read(t.Context()); err == nil {
		t.Error("another group was taken for ours")
	}
	if err := graphOf(l).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	have, err := l.Read(t.Context())
	if err != nil || have.Days != 30 || have.ARN != "arn:aws:logs:us-east-1:123456789012:log-group:/flowbed/dev" || len(l.Changes(have)) > 0 {
		t.Errorf("have %+v (%v)", have, err)
	}
}

func TestRetention(t *testing.T) {
	a := sandbox.New()
	l := resource.LogGroup{
		API: cloudwatchlogs.NewFromConfig(a.Config("us-east-1")), Name: "/flowbed/dev",
		ID: resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "1.0.0"},
	}
	for _, c := range []struct {
		days int
		want string
	}{{1, " → 1 day"}, {30, "1 day → 30 days"}, {0, "30 days → forever"}, {0, ""}} {
		l.Days = c.days
		p, err := graphOf(l).Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		have := ""
		for _, ch := range p.Actions[0].Changes {
			if ch.Field == "retention" {
				have = ch.From.String() + " → " + ch.To.String()
			}
		}
		if have != c.want {
			t.Errorf("to %d days: have %q, want %q", c.days, have, c.want)
		}
		if err := graphOf(l).Up(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
