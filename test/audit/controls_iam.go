package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

var roleControls = []Control{
	{"IAM.1, IAM.21, CKV_AWS_62, CKV_AWS_63, AWS-0057", "no policy allows an action with a wildcard", "Action and NotAction of all inline policies", statements(func(_ Role, s Statement) []string {
		if len(s.NotAction) > 0 {
			return []string{"NotAction"}
		}
		return s.wild()
	})},
	{"CKV_AWS_288, CKV_AWS_289, CKV_AWS_290, CKV_AWS_355", "every action that can be limited to a resource is limited", "Resource and NotResource of all inline policies; test/audit/policy.go lists the actions that have no resource", statements(func(_ Role, s Statement) []string {
		if len(s.NotResource) > 0 {
			return []string{"NotResource"}
		}
		return s.open()
	})},
	{"CKV_AWS_286, AWS-0342", "PassRole names its roles, and passes them only to ECS tasks", "Resource and iam:PassedToService", statements(func(_ Role, s Statement) []string {
		if !slices.Contains(s.Action, "iam:PassRole") {
			return nil
		}
		if !slices.Equal(s.Condition["StringEquals"]["iam:PassedToService"], List{"ecs-tasks.amazonaws.com"}) {
			return []string{"to any service"}
		}
		return slices.DeleteFunc(slices.Clone(s.Resource), func(r string) bool { return !strings.Contains(r, "*") && strings.Contains(r, ":role/") })
	})},
	{"CKV_AWS_286", "no role can change roles, policies or users", "iam actions other than PassRole and reads", statements(func(_ Role, s Statement) (faults []string) {
		for _, a := range s.Action {
			if strings.HasPrefix(a, "iam:") && a != "iam:PassRole" && !strings.HasPrefix(a, "iam:List") && !strings.HasPrefix(a, "iam:Get") {
				faults = append(faults, a)
			}
		}
		return faults
	})},
	{"CKV_AWS_60, CKV_AWS_61", "each role trusts one service and no account", "the trust policies", func(a *Account) []string {
		return trusts(a, func(_ Role, s Statement) bool {
			who := s.services()
			return len(who) == 1 && slices.Contains([]string{"ecs-tasks.amazonaws.com", "ec2.amazonaws.com"}, who[0])
		})
	}},
	{"–", "ECS assumes a task role only for tasks in this account (confused deputy)", "aws:SourceAccount and aws:SourceArn in the trust policy of the task role; AWS documents them for no other role of ECS and EC2", func(a *Account) []string {
		return trusts(a, func(r Role, s Statement) bool {
			execution := slices.ContainsFunc(r.Managed, func(arn string) bool { return strings.HasSuffix(arn, "/AmazonECSTaskExecutionRolePolicy") })
			if execution || slices.Equal(s.services(), []string{"ec2.amazonaws.com"}) {
				return len(s.Condition) == 0 // where AWS sends no source, a condition would lock everybody out
			}
			arn := s.Condition["ArnLike"]["aws:SourceArn"]
			return slices.Equal(s.Condition["StringEquals"]["aws:SourceAccount"], List{a.Number}) &&
				len(arn) == 1 && strings.HasPrefix(arn[0], "arn:") && strings.HasSuffix(arn[0], ":"+a.Number+":*")
		})
	}},
	{"CKV_AWS_249", "the execution role is not the task role", "the roles that ECS can assume", func(a *Account) []string {
		n := 0
		for _, r := range a.Roles {
			if slices.ContainsFunc(r.Trust.Statement, func(s Statement) bool { return slices.Contains(s.services(), "ecs-tasks.amazonaws.com") }) {
				n++
			}
		}
		if n < 2 {
			return []string{fmt.Sprintf("%d roles for ECS", n)}
		}
		return nil
	}},
	{"–", "the instance cannot read other parameters", "a deny of ssm:GetParameter and ssm:GetParameters for all parameters but AWS's and the environment's; AmazonSSMManagedInstanceCore allows all", func(a *Account) (faults []string) {
		for _, r := range a.Roles {
			if !slices.ContainsFunc(r.Managed, managesInstances) || slices.ContainsFunc(slices.Collect(maps.Values(r.Inline)), deniesParameters) {
				continue
			}
			faults = append(faults, "role "+r.Name)
		}
		return faults
	}},
	{"–", "the only managed policies are AWS's for the execution role and for Systems Manager", "the attached policies of the roles", func(a *Account) []string {
		var faults []string
		for _, r := range a.Roles {
			for _, p := range r.Managed {
				if !strings.HasSuffix(p, ":aws:policy/service-role/AmazonECSTaskExecutionRolePolicy") && !managesInstances(p) {
					faults = append(faults, r.Name+": "+p)
				}
			}
		}
		return faults
	}},
}

func managesInstances(policy string) bool {
	return strings.HasSuffix(policy, ":aws:policy/AmazonSSMManagedInstanceCore")
}

// deniesParameters reports whether a policy denies all parameters except AWS's and
// flowbed's.
func deniesParameters(p Policy) bool {
	return slices.ContainsFunc(p.Statement, func(s Statement) bool {
		return s.Effect == "Deny" && len(s.Condition) == 0 && slices.Contains(s.Action, "ssm:GetParameter") && slices.Contains(s.Action, "ssm:GetParameters") &&
			len(s.NotResource) > 0 && !slices.ContainsFunc(s.NotResource, func(r string) bool {
			return !strings.HasSuffix(r, ":ssm:*::parameter/aws/*") && !strings.Contains(r, ":parameter/flowbed/")
		})
	})
}

// statements checks every Allow statement of every role.
func statements(faults func(Role, Statement) []string) func(*Account) []string {
	return func(a *Account) (list []string) {
		looked := false
		for _, r := range a.Roles {
			for name, p := range r.Inline {
				for _, s := range p.allows() {
					looked = true
					for _, f := range faults(r, s) {
						list = append(list, fmt.Sprintf("role %s, policy %s, %s: %s", r.Name, name, s.Sid, f))
					}
				}
			}
		}
		if !looked {
			return []string{"there is no policy"}
		}
		return list
	}
}

func trusts(a *Account, passes func(Role, Statement) bool) (list []string) {
	for _, r := range a.Roles {
		for _, s := range r.Trust.Statement {
			if !passes(r, s) {
				list = append(list, "role "+r.Name)
			}
		}
		if len(r.Trust.Statement) == 0 {
			list = append(list, "role "+r.Name+" trusts nobody")
		}
	}
	if len(a.Roles) == 0 {
		return []string{"there is no role"}
	}
	return list
}
