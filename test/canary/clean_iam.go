package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/awserr"
)

// iamKinds are the kinds of IAM, which has a folder for each run.
func (r *run) iamKinds() []kind {
	return []kind{
		{"instance profile", r.findProfiles, r.removeProfile},
		{"role", r.findRoles, r.removeRole},
	}
}

func (r *run) findProfiles(ctx context.Context) (ids []string, err error) {
	pages := iam.NewListInstanceProfilesPaginator(r.iam, &iam.ListInstanceProfilesInput{PathPrefix: aws.String(r.folder())})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.InstanceProfiles {
			ids = append(ids, aws.ToString(p.InstanceProfileName))
		}
	}
	return ids, nil
}

func (r *run) removeProfile(ctx context.Context, id string) error {
	out, err := r.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &id})
	if err != nil {
		return err
	}
	for _, role := range out.InstanceProfile.Roles {
		if _, err := r.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{
			InstanceProfileName: &id, RoleName: role.RoleName}); awserr.Gone(err) != nil {
			return err
		}
	}
	_, err = r.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: &id})
	return err
}

func (r *run) findRoles(ctx context.Context) (ids []string, err error) {
	pages := iam.NewListRolesPaginator(r.iam, &iam.ListRolesInput{PathPrefix: aws.String(r.folder())})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, role := range page.Roles {
			ids = append(ids, aws.ToString(role.RoleName))
		}
	}
	return ids, nil
}

func (r *run) removeRole(ctx context.Context, id string) error {
	inline, err := r.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &id})
	if err != nil {
		return err
	}
	for _, p := range inline.PolicyNames {
		if _, err := r.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &id, PolicyName: &p}); awserr.Gone(err) != nil {
			return err
		}
	}
	attached, err := r.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &id})
	if err != nil {
		return err
	}
	for _, p := range attached.AttachedPolicies {
		if _, err := r.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &id, PolicyArn: p.PolicyArn}); awserr.Gone(err) != nil {
			return err
		}
	}
	_, err = r.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &id})
	return err
}
