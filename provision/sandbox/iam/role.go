package iam

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, createRole, createRoleAccess)
	core.Register(service, createServiceLinkedRole, linkedRoleAccess)
	core.Register(service, getRole, boundedAccess)
	core.Register(service, listRoles, core.Anything)
	core.Register(service, updateAssumeRolePolicy, boundedAccess)
	core.Register(service, deleteRole, boundedAccess)
	core.Register(service, tagRole, roleAccess)
	core.Register(service, untagRole, roleAccess)
	core.Register(service, listRoleTags, roleAccess)
}

func (r *request) checkTrust(document *string) error {
	text := aws.ToString(document)
	if wrong := r.parsePolicy(text, core.TrustPolicy); wrong != "" {
		return &types.MalformedPolicyDocumentException{Message: &wrong}
	}
	if sizeWithoutSpace(text) > mostTrust {
		return limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", mostTrust)
	}
	return nil
}

func createRole(r *request, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	name := aws.ToString(in.RoleName)
	if err := checkName("roleName", in.RoleName, mostRoleName); err != nil {
		return nil, err
	}
	path, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	if err := r.checkTrust(in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	if len(aws.ToString(in.Description)) > 1000 {
		return nil, core.Fail("ValidationError", "The description must have at most 1000 characters")
	}
	t, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if boundary := aws.ToString(in.PermissionsBoundary); boundary != "" {
		if err := r.checkBoundary(boundary); err != nil {
			return nil, err
		}
	}
	if r.db().role(name) != nil {
		return nil, entityExists("Role with name %s already exists.", name)
	}
	role := r.newRole(name, path, aws.ToString(in.AssumeRolePolicyDocument))
	role.Description, role.Tags, role.Boundary = aws.ToString(in.Description), t, aws.ToString(in.PermissionsBoundary)
	if in.MaxSessionDuration != nil {
		role.MaxSession = *in.MaxSessionDuration
	}
	return &iam.CreateRoleOutput{Role: role.out(true)}, nil
}

func (r *request) newRole(name, path, trust string) *Role {
	return r.addRole(r.UniqueID("AROA"), name, path, trust)
}

func (r *request) addRole(id, name, path, trust string) *Role {
	if r.db().Roles == nil {
		r.db().Roles = map[string]*Role{}
	}
	role := &Role{
		Name: name, Path: path, ARN: r.ARN("iam", "", "role"+path+name), ID: id,
		Trust: trust, MaxSession: sessionLength, Created: r.Now.UTC(),
	}
	r.db().Roles[strings.ToLower(name)] = role
	return role
}

// out returns the role as IAM shows it. Lists omit the tags.
func (o *Role) out(withTags bool) *types.Role {
	role := &types.Role{
		RoleName: aws.String(o.Name), Path: aws.String(o.Path), Arn: aws.String(o.ARN), RoleId: aws.String(o.ID),
		CreateDate: aws.Time(o.Created), AssumeRolePolicyDocument: encoded(o.Trust),
		MaxSessionDuration: aws.Int32(o.MaxSession),
	}
	if o.Description != "" {
		role.Description = aws.String(o.Description)
	}
	if withTags {
		role.Tags = tagList(o.Tags)
		if o.Boundary != "" {
			role.PermissionsBoundary = &types.AttachedPermissionsBoundary{
				PermissionsBoundaryArn: aws.String(o.Boundary), PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy,
			}
		}
	}
	return role
}

// linkedRoles maps services to their service-linked roles.
var linkedRoles = map[string]string{
	"ecs.amazonaws.com":         "AWSServiceRoleForECS",
	"spot.amazonaws.com":        "AWSServiceRoleForEC2Spot",
	"autoscaling.amazonaws.com": "AWSServiceRoleForAutoScaling",
}

func createServiceLinkedRole(r *request, in *iam.CreateServiceLinkedRoleInput) (*iam.CreateServiceLinkedRoleOutput, error) {
	service := aws.ToString(in.AWSServiceName)
	name, ok := linkedRoles[service]
	if !ok {
		return nil, core.Fail("InvalidInput", "Service role creation is not supported for %s", service)
	}
	if r.db().role(name) != nil {
		return nil, core.Fail("InvalidInput", "Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	return &iam.CreateServiceLinkedRoleOutput{Role: r.linkRole(service).out(false)}, nil
}

// linkRole creates the service-linked role of a service, unless it exists. Its id is of its name, so
// that it takes none of those that count.
func (r *request) linkRole(service string) *Role {
	name := linkedRoles[service]
	if role := r.db().role(name); role != nil {
		return role
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it never fails
	return r.addRole(fmt.Sprintf("AROA0%016X", h.Sum64()), name, "/aws-service-role/"+service+"/",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"`+service+`"},"Action":"sts:AssumeRole"}]}`)
}

// Link creates the service-linked role of a service, as the service itself does when it is used
// first.
func Link(r *core.Request, service string) { (&request{r}).linkRole(service) }

// linked reports whether the role belongs to an AWS service.
func (o *Role) linked() bool { return strings.HasPrefix(o.Path, "/aws-service-role/") }

func getRole(r *request, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	role, err := r.db().mustRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	return &iam.GetRoleOutput{Role: role.out(true)}, nil
}

func listRoles(r *request, in *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
	var all []types.Role
	for _, role := range core.Sorted(r.db().Roles) {
		if strings.HasPrefix(role.Path, aws.ToString(in.PathPrefix)) {
			all = append(all, *role.out(false))
		}
	}
	list, next, err := core.Page(all, in.Marker, in.MaxItems, 1000)
	if err != nil {
		return nil, err
	}
	return &iam.ListRolesOutput{Roles: list, Marker: next, IsTruncated: next != nil}, nil
}

func updateAssumeRolePolicy(r *request, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	if err := r.checkTrust(in.PolicyDocument); err != nil {
		return nil, err
	}
	role.Trust = *in.PolicyDocument
	return &iam.UpdateAssumeRolePolicyOutput{}, nil
}

// ownRole finds a role that the account may change, so not a service-linked role.
func (r *request) ownRole(name *string) (*Role, error) {
	role, err := r.db().mustRole(name)
	if err == nil && role.linked() {
		return nil, &types.UnmodifiableEntityException{Message: aws.String("Cannot perform the operation on the protected role '" + role.Name + "' - this role is only modifiable by AWS")}
	}
	return role, err
}

func deleteRole(r *request, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	for _, p := range r.db().Profiles {
		if strings.EqualFold(p.Role, role.Name) {
			return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
		}
	}
	if len(role.Inline) > 0 {
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	if len(role.Attached) > 0 {
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	}
	delete(r.db().Roles, strings.ToLower(role.Name))
	return &iam.DeleteRoleOutput{}, nil
}

func tagRole(r *request, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	t, err := newTags(role.Tags, in.Tags)
	if err != nil {
		return nil, err
	}
	role.Tags = t
	return &iam.TagRoleOutput{}, nil
}

func untagRole(r *request, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	role.Tags = role.Tags.Without(in.TagKeys)
	return &iam.UntagRoleOutput{}, nil
}

func listRoleTags(r *request, in *iam.ListRoleTagsInput) (*iam.ListRoleTagsOutput, error) {
	role, err := r.db().mustRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	list, next, err := core.Page(tagList(role.Tags), in.Marker, in.MaxItems, 1000)
	if err != nil {
		return nil, err
	}
	return &iam.ListRoleTagsOutput{Tags: list, Marker: next, IsTruncated: next != nil}, nil
}
