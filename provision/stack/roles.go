package stack

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

func (s *Stack) addRoles() {
	e, p := s.env, s.place()
	if boundary := e.Boundary(); boundary != "" {
		s.findPolicies("permissions boundary", "permissions_boundary of iam", []string{boundary})
	}
	if e.TaskRole.Ownership != "external" {
		s.findPolicies("managed policies", "policies of task_role", e.TaskRole.Policies)
	}
	taskNames, executionNames := s.orphanRoles()
	s.task = add(s, "task role", ownership(e.TaskRole.Ownership, false), resource.Role{
		API: s.c.IAM, ID: s.id, Name: e.TaskRole.Name, Path: e.RolePath(), Boundary: e.Boundary(),
		Description: "What the flows of the flowbed environment " + s.id.Env + " may do",
		Trust:       templates.TasksTrust(p), Managed: e.TaskRole.Policies, Block: "task_role",
		Inline: func() map[string]string {
			return policy(names.OwnPolicy, templates.TaskPolicy(p, templates.TaskRights{
				Bucket: e.Bucket.Name, S3: e.TaskRole.S3, ECR: e.TaskRole.ECR, Repository: s.repositoryName(), Dask: s.dask(), Statements: statements(e.TaskRole.Statements),
				Key: s.bucketKey(),
			}))()
		},
		Names: taskNames, External: e.TaskRole.Ownership == "external",
	})
	secrets := s.taskSecrets()
	shared := e.ExecutionRole.Name == spec.AccountExecutionRole
	inline, doc := names.OwnPolicy, templates.ExecutionPolicy(p, s.logGroup(), secrets...)
	if shared { // one policy for each environment that has a secret; AWS's own policy allows the rest
		inline = s.id.Names().SharedPolicy()
		if len(secrets) == 0 {
			doc = ""
		}
	}
	role := resource.Role{
		API: s.c.IAM, ID: s.id, Name: e.ExecutionRole.Name, Path: e.RolePath(), Boundary: e.Boundary(), Shared: shared,
		Description: "Lets ECS pull images, write logs and read the Prefect key for tasks",
		Trust:       templates.ExecutionTrust(),
		Managed:     s.executionManaged(),
		Inline:      policy(inline, doc),
		Names:       executionNames, Chosen: s.chosen,
		Named:    e.ExecutionRole.Ownership != "" || s.o.Account != nil,
		External: e.ExecutionRole.Ownership == "external", Pull: s.pulls(),
	}
	if shared {
		role.Unread = lengthOfOthers(p)
	}
	if shared && s.o.Account != nil {
		role.First = s.o.Account.once()
	}
	if s.mayChoose() {
		role.Unsafe = s.opensKey
	}
	if shared && e.ExecutionRole.Ownership == "" { // the environment may choose one of its own
		own := resource.Role{ID: s.id, Name: s.id.Names().ExecutionRole(), Managed: role.Managed}
		s.steps = append(s.steps, permissions.Step{Name: "execution role", Ownership: provision.Own, Permissions: own.Permissions()})
	}
	s.execution = add(s, "execution role", ownership(e.ExecutionRole.Ownership, shared), role)
}

func statements(list []spec.Statement) []templates.Statement {
	all := make([]templates.Statement, len(list))
	for i, s := range list {
		all[i] = templates.Statement{Actions: s.Actions, Resources: s.Resources}
	}
	return all
}

// findPolicies adds a step that finds the managed policies that the file names at a place.
func (s *Stack) findPolicies(step, of string, arns []string) {
	if len(arns) > 0 && !s.o.Destroy {
		data(s, step, resource.ManagedPolicies{API: s.c.IAM, ARNs: arns, Of: of})
	}
}

// pulls is the ARN of the ECR repository of the flows' default image; empty if the image is
// not in a private repository of ECR.
func (s *Stack) pulls() string {
	if s.env.Prefect == nil || s.o.Destroy {
		return ""
	}
	m := inECR.FindStringSubmatch(cmp.Or(s.flows().Image, s.defaultImage()))
	if m == nil {
		return ""
	}
	return strings.Join([]string{"arn", s.id.Partition, "ecr", m[2], m[1], "repository/" + m[3]}, ":")
}

// inECR matches an image in a private repository: registry, region and repository.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
var inECR = regexp.MustCompile(`^([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)/([^:@]+)`)

func (s *Stack) executionManaged() []string {
	return []string{"arn:" + s.id.Partition + ":iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"}
}

// dask is what flows need to run a cluster of Dask workers; nil if the spec does not
// allow that.
func (s *Stack) dask() *templates.DaskRights {
	if !s.env.TaskRole.Dask {
		return nil
	}
	task, _ := s.task.Expect()
	execution, _ := s.execution.Expect()
	cluster, _ := s.cluster.Expect()
	return &templates.DaskRights{
		ClusterARN: cluster.ARN, Roles: append(task.ARNs(), execution.ARNs()...), LogGroup: s.logGroup(),
	}
}

// policy returns a function for Role.Inline with one policy, or with none if the
// document is empty.
func policy(name, doc string) func() map[string]string {
	return func() map[string]string {
		if doc == "" {
			return nil
		}
		return map[string]string{name: doc}
	}
}
