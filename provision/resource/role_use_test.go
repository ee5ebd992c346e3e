package resource_test

import (
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

func TestWhatABorrowedRoleLacks(t *testing.T) {
	const (
		managed = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
		group   = "arn:aws:logs:us-east-1:123456789012:log-group:/flowbed/dev:*"
		param   = "arn:aws:ssm:us-east-1:123456789012:parameter/flowbed/dev/prefect-api-key"
		tasks   = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":["ecs-tasks.amazonaws.com"]},"Action":"sts:AssumeRole"}}`
	)
	doc := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	r := resource.Role{
		Name: "ecsTaskExecutionRole", Trust: tasks, Managed: []string{managed},
		Inline: func() map[string]string {
			return map[string]string{"flowbed": doc(
				`{"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"`+group+`"}`,
				`{"Effect":"Allow","Action":["ssm:GetParameters"],"Resource":["`+param+`"]}`)}
		},
	}
	secret := `{"Effect":"Allow","Action":"SSM:Get*","Resource":"arn:aws:ssm:*:123456789012:parameter/flowbed/*"}`
	writing := `{"Effect":"Allow","Action":"logs:*","Resource":"*"}`
	with := func(docs ...string) map[string]string { return map[string]string{"own": doc(docs...)} }
	for _, c := range []struct {
		name string
		have resource.RoleState
		want []string
	}{
		{"nothing", resource.RoleState{Trust: tasks, Managed: []string{managed}, Inline: with(secret)}, nil},
		{"trust", resource.RoleState{Trust: trustOfEC2, Managed: []string{managed}, Inline: with(secret)},
			[]string{"does not allow ecs-tasks.amazonaws.com to assume it"}},
		{"managed policy, and what it allows", resource.RoleState{Trust: tasks, Inline: with(secret)},
			[]string{"does not allow logs:CreateLogStream on " + group, "does not allow logs:PutLogEvents on " + group, "does not allow to pull images from ECR"}},
		{"no managed policy, but what it allows", resource.RoleState{Trust: tasks, Inline: with(secret, writing, `{"Effect":"Allow","Action":"ecr:*","Resource":"*"}`)}, nil},
		{"boundary", resource.RoleState{Trust: tasks, Managed: []string{managed}, Inline: with(secret), Boundary: "arn:aws:iam::123456789012:policy/limit"},
			[]string{"has the permissions boundary arn:aws:iam::123456789012:policy/limit, which may deny what its policies allow"}},
		{"hidden", resource.RoleState{Trust: tasks, Hidden: "iam:ListRolePolicies"}, []string{"cannot tell whether ecsTaskExecutionRole allows what flows need: reading it needs iam:ListRolePolicies"}},
		{"the secret", resource.RoleState{Trust: tasks, Managed: []string{managed}},
			[]string{"does not allow ssm:GetParameters on " + param}},
		{"perhaps the secret", resource.RoleState{Trust: tasks, Managed: []string{managed, "arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess"}},
			[]string{"ssm:GetParameters on " + param + ", unless one of its other managed policies does"}},
		{"another secret only", resource.RoleState{Trust: tasks, Managed: []string{managed}, Inline: with(strings.Replace(secret, "flowbed/*", "other/?", 1))},
			[]string{"does not allow ssm:GetParameters"}},
		{"denied", resource.RoleState{Trust: tasks, Managed: []string{managed},
			Inline: with(secret, `{"Effect":"Deny","Action":"*","Resource":"`+param+`"}`)},
			[]string{"does not allow ssm:GetParameters"}},
		{"unreadable", resource.RoleState{Trust: "{", Managed: []string{managed}, Inline: map[string]string{"own": `{"Statement":"x"}`}},
			[]string{"does not allow ecs-tasks", "does not allow ssm:GetParameters"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			notes := r.CheckUse(c.have)
			if len(notes) != len(c.want) {
				t.Fatalf("have %d notes, want %d: %v", len(notes), len(c.want), notes)
			}
			for i, w := range c.want {
				severity := provision.Warn
				if strings.Contains(w, "from ECR") { // perhaps no flow has such an image
					severity = provision.Info
				}
				if n := notes[i]; n.Severity != severity || !strings.Contains(n.Text, r.Name) || !strings.Contains(n.Text, w) {
					t.Errorf("have %v, want a warning with %q", n, w)
				}
			}
		})
	}
}
