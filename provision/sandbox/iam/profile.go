package iam

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, createInstanceProfile, createProfileAccess)
	core.Register(service, getInstanceProfile, profileAccess)
	core.Register(service, listInstanceProfiles, core.Anything)
	core.Register(service, listInstanceProfilesForRole, roleAccess)
	core.Register(service, addRoleToInstanceProfile, addRoleAccess)
	core.Register(service, removeRoleFromInstanceProfile, profileAccess)
	core.Register(service, deleteInstanceProfile, profileAccess)
	core.Register(service, tagInstanceProfile, profileAccess)
	core.Register(service, untagInstanceProfile, profileAccess)
}

func createInstanceProfile(r *request, in *iam.CreateInstanceProfileInput) (*iam.CreateInstanceProfileOutput, error) {
	name := aws.ToString(in.InstanceProfileName)
	if err := checkName("instanceProfileName", in.InstanceProfileName, mostProfileName); err != nil {
		return nil, err
	}
	path, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	t, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if r.db().profile(name) != nil {
		return nil, entityExists("Instance Profile %s already exists.", name)
	}
	if r.db().Profiles == nil {
		r.db().Profiles = map[string]*Profile{}
	}
	p := &Profile{
		Name: name, Path: path, ARN: r.ARN("iam", "", "instance-profile"+path+name), ID: r.UniqueID("AIPA"),
		Tags: t, Created: r.Now.UTC(), Changed: r.Now.UTC(),
	}
	r.db().Profiles[strings.ToLower(name)] = p
	return &iam.CreateInstanceProfileOutput{InstanceProfile: r.profileOut(p, true)}, nil
}

func (r *request) profileOut(p *Profile, withTags bool) *types.InstanceProfile {
	out := &types.InstanceProfile{
		InstanceProfileName: aws.String(p.Name), Path: aws.String(p.Path), Arn: aws.String(p.ARN),
		InstanceProfileId: aws.String(p.ID), CreateDate: aws.Time(p.Created), Roles: []types.Role{},
	}
	if role := r.db().role(p.Role); role != nil {
		out.Roles = append(out.Roles, *role.out(false))
	}
	if withTags {
		out.Tags = tagList(p.Tags)
	}
	return out
}

func getInstanceProfile(r *request, in *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
	p, err := r.db().mustProfile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &iam.GetInstanceProfileOutput{InstanceProfile: r.profileOut(p, true)}, nil
}

func listInstanceProfiles(r *request, in *iam.ListInstanceProfilesInput) (*iam.ListInstanceProfilesOutput, error) {
	var all []types.InstanceProfile
	for _, p := range core.Sorted(r.db().Profiles) {
		if strings.HasPrefix(p.Path, aws.ToString(in.PathPrefix)) {
			all = append(all, *r.profileOut(p, false))
		}
	}
	list, next, err := core.Page(all, in.Marker, in.MaxItems, 1000)
	if err != nil {
		return nil, err
	}
	return &iam.ListInstanceProfilesOutput{InstanceProfiles: list, Marker: next, IsTruncated: next != nil}, nil
}

func listInstanceProfilesForRole(r *request, in *iam.ListInstanceProfilesForRoleInput) (*iam.ListInstanceProfilesForRoleOutput, error) {
	role, err := r.db().mustRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	var all []types.InstanceProfile
	for _, p := range core.Sorted(r.db().Profiles) {
		if strings.EqualFold(p.Role, role.Name) {
			all = append(all, *r.profileOut(p, false))
		}
	}
	list, next, err := core.Page(all, in.Marker, in.MaxItems, 1000)
	if err != nil {
		return nil, err
	}
	return &iam.ListInstanceProfilesForRoleOutput{InstanceProfiles: list, Marker: next, IsTruncated: next != nil}, nil
}

// addRoleToInstanceProfile fails with LimitExceeded if the profile has a role, even
// the same one.
func addRoleToInstanceProfile(r *request, in *iam.AddRoleToInstanceProfileInput) (*iam.AddRoleToInstanceProfileOutput, error) {
	p, err := r.db().mustProfile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	if p.Role != "" {
		return nil, limitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	}
	p.Role, p.Changed = role.Name, r.Now.UTC()
	return &iam.AddRoleToInstanceProfileOutput{}, nil
}

func removeRoleFromInstanceProfile(r *request, in *iam.RemoveRoleFromInstanceProfileInput) (*iam.RemoveRoleFromInstanceProfileOutput, error) {
	p, err := r.db().mustProfile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(p.Role, aws.ToString(in.RoleName)) || p.Role == "" {
		return nil, noEntity("The role with name %s cannot be found in the instance profile %s.", aws.ToString(in.RoleName), p.Name)
	}
	p.Role = ""
	return &iam.RemoveRoleFromInstanceProfileOutput{}, nil
}

func deleteInstanceProfile(r *request, in *iam.DeleteInstanceProfileInput) (*iam.DeleteInstanceProfileOutput, error) {
	p, err := r.db().mustProfile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if p.Role != "" {
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	delete(r.db().Profiles, strings.ToLower(p.Name))
	return &iam.DeleteInstanceProfileOutput{}, nil
}

func tagInstanceProfile(r *request, in *iam.TagInstanceProfileInput) (*iam.TagInstanceProfileOutput, error) {
	p, err := r.db().mustProfile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	t, err := newTags(p.Tags, in.Tags)
	if err != nil {
		return nil, err
	}
	p.Tags = t
	return &iam.TagInstanceProfileOutput{}, nil
}

func untagInstanceProfile(r *request, in *iam.UntagInstanceProfileInput) (*iam.UntagInstanceProfileOutput, error) {
	p, err := r.db().mustProfile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	p.Tags = p.Tags.Without(in.TagKeys)
	return &iam.UntagInstanceProfileOutput{}, nil
}
