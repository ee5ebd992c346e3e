package lifecycle

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const (
	trustECS = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
		`"Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	trustEC2 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
		`"Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	mayList   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}`
	mayAll    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	execution = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
	readOnly  = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
)

func inline(name, doc string) func() map[string]string {
	return func() map[string]string { return map[string]string{name: doc} }
}

func roleOf(w *World, name string) resource.Role {
	return resource.Role{
		API: iam.NewFromConfig(w.Config), ID: w.ID, Name: name, Description: "what a flow may do",
		Trust: trustECS, Managed: []string{execution}, Inline: inline("flow", mayList),
	}
}

// Role is an IAM role of one environment.
var Role = register(Case{
	Name: "role", Step: "task role",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "task role", provision.Own, roleOf(w, "flowbed-dev-task"))
	},
	Fields: append(roleFields("flowbed-dev-task", "flow", "team"),
		// Our role must not have more permissions than its plan shows.
		Field{"managed policy", onRole(func(ctx context.Context, api *iam.Client) error {
			_, err := api.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{
				RoleName: aws.String("flowbed-dev-task"), PolicyArn: aws.String(readOnly)})
			return err
		})},
		Field{"policy extra", onRole(func(ctx context.Context, api *iam.Client) error {
			_, err := api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
				RoleName: aws.String("flowbed-dev-task"), PolicyName: aws.String("extra"), PolicyDocument: aws.String(mayAll)})
			return err
		})},
	),
	Foreign: foreignRole("flowbed-dev-task"),
})

// Policies of AWS, which exist in every account, as permissions boundaries.
const (
	boundary = "arn:aws:iam::aws:policy/AdministratorAccess"
	another  = "arn:aws:iam::aws:policy/PowerUserAccess"
)

// BoundedRole is an IAM role with a path and a permissions boundary.
var BoundedRole = register(Case{
	Name: "bounded role", Step: "task role",
	Add: func(w *World, g *provision.Graph) {
		r := roleOf(w, "flowbed-dev-task")
		r.Path, r.Boundary = "/data/", boundary
		provision.Add(g, "task role", provision.Own, r)
	},
	Spec: `iam {
		path                 = "/data/"
		permissions_boundary = "` + boundary + `"
	}`,
	Fields: []Field{
		{"permissions boundary", onRole(func(ctx context.Context, api *iam.Client) error {
			_, err := api.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
				RoleName: aws.String("flowbed-dev-task"), PermissionsBoundary: aws.String(another)})
			return err
		})},
		{"permissions boundary", onRole(func(ctx context.Context, api *iam.Client) error {
			_, err := api.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("flowbed-dev-task")})
			return err
		})},
	},
	Foreign: foreignRole("flowbed-dev-task"),
})

// SharedRole is an IAM role whose name belongs to the whole account.
var SharedRole = register(Case{
	Name: "shared role", Step: "execution role", AccountWide: true,
	Add: func(w *World, g *provision.Graph) {
		r := roleOf(w, "ecsTaskExecutionRole")
		r.Shared, r.Inline = true, inline("flow-"+w.ID.Env, mayList) // one for each environment
		provision.Add(g, "execution role", provision.Share, r)
	},
	Fields:  roleFields("ecsTaskExecutionRole", "flow-dev", "flowbed:claim:dev@us-east-1"),
	Foreign: foreignRole("ecsTaskExecutionRole"),
})

// roleFields returns the fields that both kinds of roles repair. Of the tags of an
// account-wide role, an environment repairs only its own claim.
func roleFields(name, policy, tag string) []Field {
	return []Field{
		{"trust policy", onRole(func(ctx context.Context, api *iam.Client) error {
			_, err := api.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
				RoleName: &name, PolicyDocument: aws.String(trustEC2)})
			return err
		})},
		{"managed policy", onRole(func(ctx context.Context, api *iam.Client) error {
			out, err := api.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &name})
			if err != nil {
				return err
			}
			if len(out.AttachedPolicies) == 0 {
				return fmt.Errorf("%s has no managed policy", name)
			}
			_, err = api.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: out.AttachedPolicies[0].PolicyArn})
			return err
		})},
		{"policy " + policy, onInline(name, func(ctx context.Context, api *iam.Client, policy *string) error {
			_, err := api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
				RoleName: &name, PolicyName: policy, PolicyDocument: aws.String(mayAll)})
			return err
		})},
		{"policy " + policy, onInline(name, func(ctx context.Context, api *iam.Client, policy *string) error {
			_, err := api.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: policy})
			return err
		})},
		{"tags", onRole(func(ctx context.Context, api *iam.Client) error {
			_, err := api.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: []string{tag}})
			return err
		})},
	}
}

func onRole(f func(context.Context, *iam.Client) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error { return f(ctx, iam.NewFromConfig(w.Config)) }
}

// onInline finds the inline policy of a role that has one.
func onInline(role string, f func(context.Context, *iam.Client, *string) error) func(context.Context, *World) error {
	return onRole(func(ctx context.Context, api *iam.Client) error {
		out, err := api.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &role})
		if err != nil {
			return err
		}
		if n := len(out.PolicyNames); n != 1 {
			return fmt.Errorf("%s has %d inline policies, want 1", role, n)
		}
		return f(ctx, api, &out.PolicyNames[0])
	})
}

func foreignRole(name string) func(context.Context, *World, resource.Tags) error {
	return func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := iam.NewFromConfig(w.Config).CreateRole(ctx, &iam.CreateRoleInput{
			RoleName: &name, AssumeRolePolicyDocument: aws.String(trustEC2), Tags: list(tags, iamTag),
		})
		return err
	}
}

func iamTag(k, v string) iamtypes.Tag { return iamtypes.Tag{Key: &k, Value: &v} }
