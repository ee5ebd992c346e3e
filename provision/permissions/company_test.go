package permissions_test

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// The rules of a company's account: a role needs the boundary and the path, and nobody takes
// the boundary away.
const (
	companyBoundary = "arn:aws:iam::" + sandbox.DefaultAccount + ":policy/boundary"
	companyRules    = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Deny","Action":["iam:CreateRole","iam:PutRolePolicy","iam:AttachRolePolicy","iam:PutRolePermissionsBoundary"],"Resource":"*",
			"Condition":{"StringNotEquals":{"iam:PermissionsBoundary":"` + companyBoundary + `"}}},
		{"Effect":"Deny","Action":["iam:CreateRole","iam:CreateInstanceProfile"],
			"NotResource":["arn:aws:iam::*:role/data/*","arn:aws:iam::*:instance-profile/data/*"]},
		{"Effect":"Deny","Action":"iam:DeleteRolePermissionsBoundary","Resource":"*"}]}`
	companyLimit = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":["iam:Create*","iam:Put*","organizations:*"],"Resource":"*"}]}`
	companyBlock = `iam {
		path                 = "/data/"
		permissions_boundary = "` + companyBoundary + `"
	}
	`
)

// company lives in an account in which nothing can be built without a boundary and a path. Its
// policies are those of the file, so this also shows what whoever runs up cannot do.
func company(w *world) {
	api, ctx := iam.NewFromConfig(w.account.Config(home)), context.Background()
	_, err := api.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("boundary"), PolicyDocument: aws.String(companyLimit)})
	w.check(err)
	w.account.ControlPolicy = companyRules
	prefect := "agent {}\nprefect {\napi_key = \"pnu_0123456789\"\napi_url = \"https://prefect.example.com/api\"\n}"
	o := stack.Options{Transport: sandbox.Prefect(w.account)}

	s, err := stack.Build(environment(w.T, prefect, home, false), here, stack.NewClients(w.account.Config(home)), o)
	w.check(err)
	if err := s.Graph.Up(ctx); err == nil || !strings.Contains(err.Error(), "explicit deny in a service control policy") {
		w.Errorf("up without a boundary: %v", err)
	}
	w.must(permissions.Down, prefect, o)

	text := companyBlock + prefect
	w.must(permissions.Plan, text, o)
	w.must(permissions.Up, text, o)
	w.must(permissions.Plan, text, o)
	if !w.planned.Empty() {
		w.Errorf("the plan after up: %+v", w.planned.Actions)
	}
	w.must(permissions.Hello, text, o)
	w.escapes(permissions.NewPolicy(needs(w.T, text, here, permissions.Up, o)).String())
	w.must(permissions.Up, text, o) // repairs the role
	service := strings.Replace(text, "agent {}", "agent {\nservice {}\n}", 1)
	w.must(permissions.Plan, service, o)
	w.must(permissions.Up, service, o)
	w.must(permissions.Down, service, o)
	w.must(permissions.Up, text, o)
	w.must(permissions.Down, text, o)
	if _, err := api.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: aws.String(companyBoundary)}); err != nil {
		w.Errorf("the boundary is still in use: %v", err)
	}
}

// escapes tries to give a role more than the boundary allows, under the policy for up alone.
func (w *world) escapes(policy string) {
	w.account.ControlPolicy, w.account.Policy = "", policy
	defer func() { w.account.ControlPolicy, w.account.Policy = companyRules, "" }()
	api, ctx := iam.NewFromConfig(w.account.Config(home)), context.Background()
	role, all, admin := aws.String("flowbed-dev-task"), aws.String(everythingAllowed), aws.String("arn:aws:iam::aws:policy/AdministratorAccess")
	trust := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	for name, try := range map[string]func() error{
		"take the boundary away": func() error {
			_, err := api.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: role})
			return err
		},
		"give another boundary": func() error {
			_, err := api.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: role, PermissionsBoundary: admin})
			return err
		},
		"create a role without a boundary": func() error {
			_, err := api.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("flowbed-dev-execution"), Path: aws.String("/data/"), AssumeRolePolicyDocument: trust})
			return err
		},
		"create a role without the path": func() error {
			_, err := api.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("flowbed-dev-execution"), PermissionsBoundary: aws.String(companyBoundary), AssumeRolePolicyDocument: trust})
			return err
		},
		"attach another policy": func() error {
			_, err := api.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: admin})
			return err
		},
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), "no identity-based policy allows") {
			w.Errorf("%s under the policy for up: %v", name, err)
		}
	}
	allowAll := func() error {
		_, err := api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("all"), PolicyDocument: all})
		return err
	}
	w.check(allowAll()) // to a role with the boundary, which limits it
	w.account.Policy = ""
	_, err := api.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: role})
	w.check(err)
	w.account.Policy = policy
	if err := allowAll(); err == nil {
		w.Error("the policy for up allows to give all permissions to a role without the boundary")
	}
}

const everythingAllowed = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// otherGroups moves the tasks and the agent into a security group of somebody else.
func otherGroups(w *world) {
	api, ctx := ec2.NewFromConfig(w.account.Config(home)), context.Background()
	vpcs, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	w.check(err)
	group, err := api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("other"), Description: aws.String("of others"), VpcId: vpcs.Vpcs[0].VpcId})
	w.check(err)
	const text = "agent {}\nprefect {\napi_url = \"https://prefect.example.com/api\"\n}\n"
	named := text + `network {
		public_ip       = true
		security_groups = ["` + *group.GroupId + `"]
	}`
	for _, text := range []string{named, text, named} {
		w.must(permissions.Plan, text, quiet)
		w.must(permissions.Up, text, quiet)
	}
	w.must(permissions.Down, named, quiet)
	_, err = api.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: group.GroupId})
	w.check(err)
}
