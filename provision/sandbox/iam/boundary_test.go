package iam_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/flowbed/flowbed/provision/sandbox"
	sandboxcore "github.com/flowbed/flowbed/provision/sandbox/core"
	sandboxiam "github.com/flowbed/flowbed/provision/sandbox/iam"
	"github.com/flowbed/flowbed/test/try"
)

const (
	boundary = "arn:aws:iam::123456789012:policy/boundary"
	admin    = "arn:aws:iam::aws:policy/AdministratorAccess"
)

// bounded is an account with the policy "boundary", which allows S3's GetObject, and a role on
// the path /data/ that has it, and whose own policy allows all.
func bounded(t *testing.T) (*sandbox.Account, *iam.Client) {
	t.Helper()
	account := sandbox.New()
	api, ctx := iam.NewFromConfig(account.Config("eu-central-1")), context.Background()
	_, err := api.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("boundary"), PolicyDocument: aws.String(allow)})
	check(t, err)
	_, err = api.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String("one"), Path: aws.String("/data/"), AssumeRolePolicyDocument: aws.String(tasksTrust), PermissionsBoundary: aws.String(boundary),
	})
	check(t, err)
	_, err = api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("one"), PolicyName: aws.String("all"), PolicyDocument: aws.String(allowAll)})
	check(t, err)
	return account, api
}

var (
	tasksTrust = strings.Replace(try.Trust, "ec2.amazonaws.com", "ecs-tasks.amazonaws.com", 1)
	allowAll   = try.Policy(`"Effect":"Allow","Action":"*","Resource":"*"`)
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestBoundaryLimits: what a role may do is what its policies and its boundary both allow.
func TestBoundaryLimits(t *testing.T) {
	account, api := bounded(t)
	may := func(in any) (said string) {
		account.Change("eu-central-1", func(r *sandboxcore.Request) {
			who, ok := sandboxiam.TaskSession(r, "arn:aws:iam::123456789012:role/data/one", "task")
			if !ok {
				t.Fatal("no session")
			}
			if _, err := r.As(who, in); err != nil {
				said = err.Error()
			}
		})
		return said
	}
	list := &s3.ListBucketsInput{}
	if said := may(list); !strings.Contains(said, "because no permissions boundary allows the s3:ListAllMyBuckets action") {
		t.Errorf("beyond the boundary: %q", said)
	}
	_, err := api.PutRolePermissionsBoundary(t.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String("one"), PermissionsBoundary: aws.String(admin)})
	check(t, err)
	if said := may(list); said != "" {
		t.Errorf("within the boundary: %q", said)
	}
	_, err = api.DeleteRolePermissionsBoundary(t.Context(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("one")})
	check(t, err)
	if said := may(list); said != "" {
		t.Errorf("without a boundary: %q", said)
	}
}

// TestBoundaryRules are those of IAM.
func TestBoundaryRules(t *testing.T) {
	put := func(role, arn string) func(*iam.Client) error {
		return func(api *iam.Client) error {
			_, err := api.PutRolePermissionsBoundary(context.Background(), &iam.PutRolePermissionsBoundaryInput{RoleName: &role, PermissionsBoundary: &arn})
			return err
		}
	}
	remove := func(api *iam.Client) error {
		_, err := api.DeleteRolePermissionsBoundary(context.Background(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("one")})
		return err
	}
	for name, c := range map[string]struct {
		do   func(*iam.Client) error
		want string
	}{
		"unknown policy": {put("one", "arn:aws:iam::123456789012:policy/other"), "Scope ARN: arn:aws:iam::123456789012:policy/other does not exist or is not attachable."},
		"not an ARN":     {put("one", "boundary"), "InvalidInput"},
		"unknown role":   {put("two", boundary), "NoSuchEntity"},
		"removed twice": {func(api *iam.Client) error {
			if err := remove(api); err != nil {
				return err
			}
			return remove(api)
		}, "NoSuchEntity"},
		"the policy goes": {func(api *iam.Client) error {
			_, err := api.DeletePolicy(context.Background(), &iam.DeletePolicyInput{PolicyArn: aws.String(boundary)})
			return err
		}, "DeleteConflict"},
	} {
		_, api := bounded(t)
		if err := c.do(api); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: have %v, want %q", name, err, c.want)
		}
	}
}

// TestBoundaryConditions: a condition on the boundary is about the one in the request, where
// there is one, and else about that of the role.
func TestBoundaryConditions(t *testing.T) {
	policy := func(operator string) string {
		return try.Policy(`"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::123456789012:role/data/*","Condition":{"` + operator + `":{"iam:PermissionsBoundary":"` + boundary + `"}}`)
	}
	create := func(path, arn string) func(*iam.Client) error {
		return func(api *iam.Client) error {
			in := &iam.CreateRoleInput{RoleName: aws.String("two"), Path: &path, AssumeRolePolicyDocument: aws.String(tasksTrust)}
			if arn != "" {
				in.PermissionsBoundary = &arn
			}
			_, err := api.CreateRole(context.Background(), in)
			return err
		}
	}
	write := func(api *iam.Client) error {
		_, err := api.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: aws.String("one"), PolicyName: aws.String("all"), PolicyDocument: aws.String(allowAll)})
		return err
	}
	for _, c := range []struct {
		name, operator string
		do             func(*iam.Client) error
		allowed        bool
	}{
		{"a policy", "StringEquals", write, true},
		{"a policy, if there is another boundary", "StringNotEquals", write, false},
		{"a role with it", "StringEquals", create("/data/", boundary), false}, // TagRole has no such key
		{"a role without one", "StringEquals", create("/data/", ""), false},
		{"a role on another path", "StringEquals", create("/", boundary), false},
	} {
		account, api := bounded(t)
		account.Policy = policy(c.operator)
		if err := c.do(api); (err == nil) != c.allowed {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	account, api := bounded(t)
	account.Policy = strings.Replace(policy("StringEquals"), `[{`, `[{"Effect":"Allow","Action":"iam:TagRole","Resource":"*"},{`, 1)
	check(t, create("/data/", boundary)(api))
}

// TestControlPolicy: what the organization denies, nobody in the account may do.
func TestControlPolicy(t *testing.T) {
	account, api := bounded(t)
	account.ControlPolicy = try.Policy(`"Effect":"Deny","Action":"iam:CreateRole","Resource":"*","Condition":{"StringNotLike":{"iam:PermissionsBoundary":"arn:aws:iam::*:policy/boundary"}}`)
	create := func(arn *string) error {
		_, err := api.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("two"), AssumeRolePolicyDocument: aws.String(tasksTrust), PermissionsBoundary: arn})
		return err
	}
	const says = "with an explicit deny in a service control policy"
	for _, arn := range []*string{nil, aws.String(admin)} {
		if err := create(arn); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("have %v, want %q", err, says)
		}
	}
	check(t, create(aws.String(boundary)))
}
