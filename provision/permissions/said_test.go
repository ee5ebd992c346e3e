package permissions_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/permissions"
)

// said is what kinds say that they need: steps and verbs by action. An action that no call has by name
// maps to true.
type said map[need]bool

type need struct {
	verb         permissions.Verb
	step, action string
}

func (s said) add(v permissions.Verb, list []permissions.Needs) {
	for _, n := range list {
		for _, p := range n.Permissions {
			for _, a := range p.Actions {
				at := need{v, n.Step, a}
				implied, known := s[at]
				s[at] = p.Implied != "" && (implied || !known)
			}
		}
	}
}

// described reports whether docs/permissions.md tells of a need in words alone: the tables have
// the default names, and no object that the config file only refers to.
func (n need) described() bool {
	switch {
	case strings.HasPrefix(n.step, "old "), // another name, path or block
		strings.HasPrefix(n.step, "external "), strings.HasPrefix(n.step, "existing "),
		strings.HasSuffix(n.step, "managed policies"),
		n.step == "permissions boundary", n.step == "security groups",
		n.action == "iam:PutRolePermissionsBoundary":
		return true
	case n.step == "network" && n.action == "ec2:DescribeSecurityGroups",
		n.step == "task security group" && n.verb == permissions.Up &&
			(n.action == "ec2:DeleteSecurityGroup" || n.action == "ec2:DescribeInstances"): // security_groups
		return true
	case n.step == "task role" && n.action == "iam:AttachRolePolicy": // policies
		return true
	case n.step == "cluster" && n.verb == permissions.Up && n.action == "ecs:UntagResource": // a name of its own
		return true
	}
	return readsKey[n.action] && n.step != "agent instance" // api_key_from
}

// readsKey are the actions that read an API key in a parameter or a secret that exists.
var readsKey = map[string]bool{"ssm:GetParameter": true, "ssm:DescribeParameters": true, "secretsmanager:GetSecretValue": true, "kms:Decrypt": true}

// wantListed checks that docs/permissions.md has each action, with the verb, in the section of its step.
func (s said) wantListed(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, section := range strings.Split(string(text), "\n### ")[1:] {
		title, table, _ := strings.Cut(section, "\n")
		rows[strings.ToLower(title)] = strings.Split(table, "\n")
	}
	for n := range s {
		if !n.described() && !slices.ContainsFunc(rows[strings.ToLower(n.step)], func(row string) bool {
			cells := strings.Split(row, " | ")
			return len(cells) > 2 && strings.Contains(cells[0], "`"+n.action+"`") && slices.Contains(strings.Split(cells[1], ", "), string(n.verb))
		}) {
			t.Errorf("docs/permissions.md does not list %s for %s, which the step %s needs", n.action, n.verb, n.step)
		}
	}
}
