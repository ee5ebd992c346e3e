package iam

import (
	"cmp"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// awsDocuments has the documents of those AWS managed policies that matter to an
// instance or a task, by name. Of the others, the sandbox knows only that they exist.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonSSMManagedInstanceCore.html
var awsDocuments = map[string]string{
	"AmazonECSTaskExecutionRolePolicy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr:GetAuthorizationToken",
		"ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:BatchGetImage","logs:CreateLogStream","logs:PutLogEvents"],
		"Resource":"*"}]}`,
	"AdministratorAccess": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
	"AmazonSSMManagedInstanceCore": `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["ssm:DescribeAssociation","ssm:GetDeployablePatchSnapshotForInstance","ssm:GetDocument",
			"ssm:DescribeDocument","ssm:GetManifest","ssm:GetParameter","ssm:GetParameters","ssm:ListAssociations",
			"ssm:ListInstanceAssociations","ssm:PutInventory","ssm:PutComplianceItems","ssm:PutConfigurePackageResult",
			"ssm:UpdateAssociationStatus","ssm:UpdateInstanceAssociationStatus","ssm:UpdateInstanceInformation"],"Resource":"*"},
		{"Effect":"Allow","Action":["ssmmessages:CreateControlChannel","ssmmessages:CreateDataChannel",
			"ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":"*"},
		{"Effect":"Allow","Action":["ec2messages:AcknowledgeMessage","ec2messages:DeleteMessage","ec2messages:FailMessage",
			"ec2messages:GetEndpoint","ec2messages:GetMessages","ec2messages:SendReply"],"Resource":"*"}]}`,
}

// Session returns the identity that an instance gets from its profile. It reports false
// if there is none: the profile does not exist, it has no role, or the role does not trust
// EC2.
func Session(r *core.Request, profile, instance string) (core.Identity, bool) {
	p := ProfileOf(r, profile)
	if p == nil {
		return core.Identity{}, false
	}
	role := RoleNamed(r, p.Role)
	if role == nil || !role.trusts("ec2.amazonaws.com") && !role.trusts("ec2.amazonaws.com.cn") {
		return core.Identity{}, false
	}
	return role.session(r, instance), true
}

// TaskSession returns the identity that a task of ECS gets from a role, given its ARN. It
// reports false if the role does not exist, or does not trust ECS's tasks.
func TaskSession(r *core.Request, arn, task string) (core.Identity, bool) {
	role := RoleNamed(r, arn[strings.LastIndex(arn, "/")+1:])
	if role == nil || !role.trusts("ecs-tasks.amazonaws.com") {
		return core.Identity{}, false
	}
	return role.session(r, task), true
}

func (o *Role) session(r *core.Request, name string) core.Identity {
	who := core.Identity{ARN: r.ARN("sts", "", "assumed-role/"+o.Name+"/"+name), Policies: core.Sorted(o.Inline)}
	for _, arn := range o.Attached {
		if text := documentOf(r, arn); text != "" {
			who.Policies = append(who.Policies, text)
		}
	}
	if o.Boundary != "" {
		who.Boundary = new(cmp.Or(documentOf(r, o.Boundary), allowNothing))
	}
	return who
}

// documentOf is the document of a managed policy; empty if the sandbox does not know it.
func documentOf(r *core.Request, arn string) string {
	if own := part.Of(r).Policies[arn]; own != nil {
		return own.Document
	}
	return awsDocuments[arn[strings.LastIndex(arn, "/")+1:]]
}

// allowNothing stands for a boundary whose document the sandbox does not know.
const allowNothing = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`

// trusts reports whether a service may assume the role. It does not evaluate conditions.
func (o *Role) trusts(service string) bool {
	p, wrong := core.ParsePolicy(o.Trust, core.TrustPolicy, func(string) bool { return true })
	return wrong == "" && slices.ContainsFunc(p.Statement, func(s core.Statement) bool {
		return s.Effect == "Allow" && s.Principal != nil && slices.Contains((*s.Principal)["Service"], service)
	})
}
