package iam

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// The authorization of IAM's calls:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html

func roleAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.roleARN(core.Text(in, "RoleName")))
}

// boundedAccess covers the role. A condition may name its permissions boundary.
func boundedAccess[I any](r *request, a core.Access, in *I) []core.Access {
	if role := r.db().role(core.Text(in, "RoleName")); role != nil {
		a = withBoundary(a, role.Boundary)
	}
	return roleAccess(r, a, in)
}

func withBoundary(a core.Access, arn string) core.Access {
	if arn == "" {
		return a
	}
	return a.WithContext("iam:PermissionsBoundary", arn)
}

// putBoundaryAccess covers the role. A condition may name the boundary that the role gets.
func putBoundaryAccess(r *request, a core.Access, in *iam.PutRolePermissionsBoundaryInput) []core.Access {
	return roleAccess(r, withBoundary(a, aws.ToString(in.PermissionsBoundary)), in)
}

func profileAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.profileARN(core.Text(in, "InstanceProfileName")))
}

func policyAccess[I any](_ *request, a core.Access, in *I) []core.Access {
	return a.To(core.Text(in, "PolicyArn"))
}

// attachAccess covers the role. A condition may name the policy, and the role's boundary.
func attachAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return boundedAccess(r, a.WithContext("iam:PolicyARN", core.Text(in, "PolicyArn")), in)
}

func createRoleAccess(r *request, a core.Access, in *iam.CreateRoleInput) []core.Access {
	a = a.WithResource(r.newARN("role", in.Path, in.RoleName)).WithTags(core.RequestTag, given(in.Tags))
	return []core.Access{withBoundary(a, aws.ToString(in.PermissionsBoundary)), a.WithAction("iam:TagRole")}
}

func createProfileAccess(r *request, a core.Access, in *iam.CreateInstanceProfileInput) []core.Access {
	a = a.WithResource(r.newARN("instance-profile", in.Path, in.InstanceProfileName)).WithTags(core.RequestTag, given(in.Tags))
	return []core.Access{a, a.WithAction("iam:TagInstanceProfile")}
}

func addRoleAccess(r *request, a core.Access, in *iam.AddRoleToInstanceProfileInput) []core.Access {
	return append(profileAccess(r, a, in), Pass(r.Request, aws.ToString(in.RoleName)))
}

func linkedRoleAccess(r *request, a core.Access, in *iam.CreateServiceLinkedRoleInput) []core.Access {
	service := aws.ToString(in.AWSServiceName)
	return a.WithContext("iam:AWSServiceName", service).To(r.ARN("iam", "", "role/aws-service-role/"+service+"/"+linkedRoles[service]))
}

func simulateAccess(_ *request, a core.Access, in *iam.SimulatePrincipalPolicyInput) []core.Access {
	return a.To(aws.ToString(in.PolicySourceArn))
}

// Pass returns the access to pass a role to EC2.
func Pass(r *core.Request, role string) core.Access {
	service := "ec2.amazonaws.com"
	if r.Partition() == "aws-cn" {
		service = "ec2.amazonaws.com.cn"
	}
	return core.Access{Action: "iam:PassRole", Resource: (&request{r}).roleARN(role)}.WithContext("iam:PassedToService", service)
}

// PassToTasks returns the access to pass a role, given its ARN, to tasks of ECS.
func PassToTasks(_ *core.Request, arn string) core.Access {
	return core.Access{Action: "iam:PassRole", Resource: arn}.WithContext("iam:PassedToService", "ecs-tasks.amazonaws.com")
}

func (r *request) roleARN(name string) string {
	if role := r.db().role(name); role != nil {
		return role.ARN
	}
	return r.ARN("iam", "", "role/"+name)
}

func (r *request) profileARN(name string) string {
	if p := r.db().profile(name); p != nil {
		return p.ARN
	}
	return r.ARN("iam", "", "instance-profile/"+name)
}

// newARN is the ARN of an object that a call creates. The path is part of it.
func (r *request) newARN(kind string, path, name *string) string {
	p := aws.ToString(path)
	if p == "" {
		p = "/"
	}
	return r.ARN("iam", "", kind+p+aws.ToString(name))
}

// given returns the tags of a request, unchecked.
func given(list []types.Tag) core.Tags {
	t := core.Tags{}
	for _, p := range list {
		t[aws.ToString(p.Key)] = aws.ToString(p.Value)
	}
	return t
}
