package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/flowbed/flowbed/provision/awserr"
)

// limited are the commands that run with nothing but their policy.
var limited = []string{"plan", "up", "hello", "down"}

// limit makes one role for each command, with nothing but the policy that flowbed
// prints for it, and assumes it.
func (r *run) limit(ctx context.Context) error {
	if strings.HasSuffix(r.Caller, ":root") {
		return unasked("the account's root user cannot assume a role: use a user or a role with AdministratorAccess")
	}
	verbs, err := r.limitedRoles(ctx)
	if err != nil {
		return err
	}
	all := map[string]aws.Credentials{}
	for _, verb := range verbs {
		creds, err := r.assume(ctx, verb)
		if err != nil {
			return err
		}
		all[verb] = creds
	}
	// IAM shows new policies to all services within some seconds.
	if err := pause(ctx, 15*time.Second); err != nil {
		return err
	}
	if err := r.enforced(ctx, all["plan"]); err != nil {
		return err
	}
	r.life.creds = all
	return nil
}

// limitedRoles makes the roles, and returns the commands that have one.
func (r *run) limitedRoles(ctx context.Context) (verbs []string, err error) {
	if err := r.write(r.config("t3.micro")); err != nil {
		return nil, err
	}
	for _, verb := range limited {
		if verb == "hello" && r.Prefect.URL == "" {
			continue
		}
		args := []string{"policy", "--for", verb}
		if verb == "down" {
			args = append(args, "--force-destroy")
		}
		out, err := r.program.run(ctx, nil, args...)
		if err != nil {
			return nil, err
		}
		if out.Code == exitUsage && verb == "hello" { // this flowbed has none, or the file has no API
			continue
		}
		if out.Code != 0 {
			return nil, failed("policy", out)
		}
		verbs = append(verbs, verb)
		if err := r.role(ctx, verb, r.callerTrust(), out.Results); err != nil {
			return nil, err
		}
	}
	return verbs, nil
}

// callerTrust lets the identities of this account assume a role.
func (r *run) callerTrust() string {
	return trust(map[string]any{"AWS": fmt.Sprintf("arn:%s:iam::%s:root", r.partition(), r.Account)}, nil)
}

// trust is a trust policy.
func trust(principal, condition map[string]any) string {
	s := map[string]any{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
	if condition != nil {
		s["Condition"] = condition
	}
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{s}})
	if err != nil {
		panic(err) // plain data
	}
	return string(b)
}

// role makes a role with one inline policy, or with none.
func (r *run) role(ctx context.Context, what, trust, policy string) error {
	name := r.object(what)
	if _, err := r.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &name, Path: aws.String(r.folder()), AssumeRolePolicyDocument: &trust,
		Tags: []iamtypes.Tag{{Key: aws.String(tag), Value: &r.Name}},
	}); err != nil {
		return fmt.Errorf("create role %s: %w", name, err)
	}
	if policy == "" {
		return nil
	}
	if _, err := r.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("canary"), PolicyDocument: &policy}); err != nil {
		return fmt.Errorf("write the policy of role %s: %w", name, err)
	}
	return nil
}

func (r *run) roleARN(what string) string {
	return r.arn("iam", "", "role"+r.folder()+r.object(what))
}

// assume assumes a role as soon as IAM knows it everywhere.
func (r *run) assume(ctx context.Context, what string) (c aws.Credentials, err error) {
	_, err = until(ctx, 2*time.Minute, 5*time.Second, func() (bool, error) {
		out, err := r.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(r.roleARN(what)), RoleSessionName: &r.Name})
		if awserr.Classify(err) == awserr.Denied {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("assume role %s: %w", r.object(what), err)
		}
		if out.Credentials == nil {
			return false, unasked("AssumeRole returned no credentials")
		}
		c = aws.Credentials{AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
			SessionToken: aws.ToString(out.Credentials.SessionToken)}
		return true, nil
	})
	if tooLong(err) {
		err = unasked("the caller may not assume the role that it made: it needs sts:AssumeRole")
	}
	r.redact.know("secret", c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	return c, err
}

// enforced checks that a call is refused that no policy allows. Otherwise the account
// checks no policies, and a command that succeeds proves nothing.
func (r *run) enforced(ctx context.Context, c aws.Credentials) error {
	_, err := ssm.NewFromConfig(r.as(c)).PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(r.path("forbidden")), Value: aws.String("x"), Type: ssmtypes.ParameterTypeString})
	if awserr.Classify(err) != awserr.Denied {
		return unasked("a call that the policy does not allow was not refused, so this account proves nothing: " + codeOf(err))
	}
	return nil
}

func askCallerPolicy(_ context.Context, r *run) (answer, error) {
	switch l := r.life; {
	case l.unable != "":
		return couldNot("%s", l.unable)
	case len(l.refusals) > 0:
		return no("%s", strings.Join(l.refusals, "\n"))
	default:
		var ran []string
		for _, verb := range limited {
			if _, has := l.creds[verb]; !has {
				continue
			}
			if ran = append(ran, verb); !slices.Contains(l.granted, verb) {
				return couldNot("flowbed %s did not run", verb)
			}
		}
		text := strings.Join(ran, ", ") + " ran with nothing else; a call that is not in the policy was refused"
		if len(l.tolerated) > 0 {
			text += "; they went on without:\n" + strings.Join(slices.Compact(l.tolerated), "\n")
		}
		return yes("%s", text)
	}
}
