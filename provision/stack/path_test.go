package stack_test

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const workerOfPath = "agent {}\nprefect {\napi_key = \"pnu_0123456789\"\napi_url = \"https://prefect.example.com/api\"\n}\n"

// onPath is an environment whose roles are on a path.
func onPath(path string) string {
	if path == "" {
		return "environment \"dev\" {\n" + workerOfPath + "}"
	}
	return "environment \"dev\" {\niam { path = \"" + path + "\" }\n" + workerOfPath + "}"
}

// TestPath moves the roles of an environment from one path to another: the plan says that they
// are replaced, and shows what depends on their ARNs, and up does so, at whatever write it was
// interrupted before. The instance stays.
func TestPath(t *testing.T) {
	for _, c := range []struct{ from, to string }{{"", "/data/"}, {"/data/", "/data/flows/"}, {"/data/", ""}} {
		t.Run(c.from+" to "+c.to, func(t *testing.T) {
			writes := 0
			synctest.Test(t, func(t *testing.T) { writes = movePath(t, c.from, c.to, 0) })
			if c.from == "" || c.to == "" {
				return
			}
			for n := 1; n <= writes; n++ {
				synctest.Test(t, func(t *testing.T) { movePath(t, c.from, c.to, n) })
			}
		})
	}
}

// movePath returns how many writes the move makes. With interrupted, a run before ends at that write.
func movePath(t *testing.T, from, to string, interrupted int) int {
	t.Helper()
	account := sandbox.New()
	account.BootTime, account.SetupTime = 10*time.Second, 40*time.Second
	o := stack.Options{Transport: sandbox.Prefect(account)}
	if err := build(t, account, onPath(from), o).Graph.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	instance := instanceOf(t, account)
	p, err := build(t, account, onPath(to), o).Graph.Plan(t.Context())
	if err != nil || p.Err() != nil {
		t.Fatal(err, p.Err())
	}
	replaced := []string{"replace task role flowbed-dev-task", "replace agent role flowbed-dev-agent", "replace agent instance profile flowbed-dev-agent"}
	if strings.HasPrefix(from, "/") && strings.HasPrefix(to, "/") {
		replaced = slices.Insert(replaced, 1, "replace execution role flowbed-dev-execution")
	}
	if have := actions(p, provision.Replace); !slices.Equal(have, replaced) {
		t.Errorf("have %q, want %q", have, replaced)
	}
	if have := actions(p, provision.Update); !slices.Contains(have, "change agent instance "+instance) || !slices.Contains(have, "change work pool flowbed-dev") {
		t.Errorf("the plan changes %q, and not what depends on the ARNs", have)
	}
	before := len(account.Writes())
	if interrupted > 0 {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		account.Fault = func(call sandbox.Call) sandbox.Fault {
			if call.WriteNo == before+interrupted {
				stop()
			}
			return sandbox.Fault{}
		}
		_ = build(t, account, onPath(to), o).Graph.Up(ctx)
		account.Fault = nil
	}
	if err := build(t, account, onPath(to), o).Graph.Up(t.Context()); err != nil {
		t.Fatalf("interrupted at write %d: %v", interrupted, err)
	}
	made := len(account.Writes()) - before
	p, err = build(t, account, onPath(to), o).Graph.Plan(t.Context())
	if err != nil || p.Err() != nil || !p.Empty() {
		t.Errorf("interrupted at write %d: the plan after up: %v, %v, %+v", interrupted, err, p.Err(), p.Actions)
	}
	if have := instanceOf(t, account); have != instance {
		t.Errorf("interrupted at write %d: the instance is %s, and was %s", interrupted, have, instance)
	}
	out, err := iam.NewFromConfig(account.Config(region)).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("flowbed-dev-task")})
	if err != nil || aws.ToString(out.Role.Path) != cmp.Or(to, "/") {
		t.Errorf("interrupted at write %d: the role is %+v, %v", interrupted, out, err)
	}
	left, err := build(t, account, onPath(to), stack.Options{Transport: sandbox.Prefect(account), Destroy: true}).Graph.Down(t.Context())
	if err != nil || !left.Empty() {
		t.Errorf("interrupted at write %d: down: %v, left %+v", interrupted, err, left.Actions)
	}
	return made
}

// instanceOf is the id of the one instance that runs.
func instanceOf(t *testing.T, account *sandbox.Account) string {
	t.Helper()
	out, err := ec2.NewFromConfig(account.Config(region)).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if i.State.Name == "running" {
				ids = append(ids, aws.ToString(i.InstanceId))
			}
		}
	}
	if len(ids) != 1 {
		t.Fatalf("%d instances run: %v", len(ids), ids)
	}
	return ids[0]
}

// TestRolesOfOthersOnPath: the file names a role of somebody else without its path. The policy of the
// agent and the work pool have the path that it has.
func TestRolesOfOthersOnPath(t *testing.T) {
	const text = "environment \"dev\" {\nexecution_role {\nname = \"company-execution\"\nownership = \"external\"\n}\n" +
		"task_role {\nname = \"company-task\"\nownership = \"external\"\n}\n" + workerOfPath + "}"
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		roles := iam.NewFromConfig(account.Config(region))
		want := []string{}
		for _, name := range []string{"company-task", "company-execution"} {
			if _, err := roles.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, Path: aws.String("/teams/data/"), AssumeRolePolicyDocument: aws.String(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}); err != nil {
				t.Fatal(err)
			}
			if _, err := roles.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: aws.String(allowAll)}); err != nil {
				t.Fatal(err)
			}
			want = append(want, "arn:aws:iam::"+sandbox.DefaultAccount+":role/teams/data/"+name)
		}
		o := stack.Options{Transport: sandbox.Prefect(account), NoWait: true}
		if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		unchanged(t, account, text)
		out, err := roles.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: aws.String("flowbed-dev-agent"), PolicyName: aws.String("flowbed")})
		if err != nil {
			t.Fatal(err)
		}
		doc, err := url.PathUnescape(*out.PolicyDocument)
		if err != nil {
			t.Fatal(err)
		}
		pool := fmt.Sprint(account.Inventory()["prefect"])
		for _, arn := range want {
			if !strings.Contains(doc, `"`+arn+`"`) {
				t.Errorf("the agent may not pass %s:\n%s", arn, doc)
			}
			if !strings.Contains(pool, arn) {
				t.Errorf("the work pool does not have %s:\n%s", arn, pool)
			}
		}
		if strings.Contains(doc, "role/*/") || strings.Contains(doc, ":role/company") {
			t.Errorf("the agent may pass a role on another path:\n%s", doc)
		}
	})
}
