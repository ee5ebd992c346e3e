package iam

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, putRolePermissionsBoundary, putBoundaryAccess)
	core.Register(service, deleteRolePermissionsBoundary, boundedAccess)
}

func putRolePermissionsBoundary(r *request, in *iam.PutRolePermissionsBoundaryInput) (*iam.PutRolePermissionsBoundaryOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	if err := r.checkBoundary(aws.ToString(in.PermissionsBoundary)); err != nil {
		return nil, err
	}
	role.Boundary = *in.PermissionsBoundary
	return &iam.PutRolePermissionsBoundaryOutput{}, nil
}

func deleteRolePermissionsBoundary(r *request, in *iam.DeleteRolePermissionsBoundaryInput) (*iam.DeleteRolePermissionsBoundaryOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	if role.Boundary == "" {
		return nil, noEntity("The role %s has no permissions boundary.", role.Name)
	}
	role.Boundary = ""
	return &iam.DeleteRolePermissionsBoundaryOutput{}, nil
}

// checkBoundary rejects a boundary that is not a managed policy of the account or of AWS.
func (r *request) checkBoundary(arn string) error {
	_, err := r.mustPolicy(arn)
	if err != nil && core.CodeOf(err) == "NoSuchEntity" {
		return noEntity("Scope ARN: %s does not exist or is not attachable.", arn)
	}
	return err
}

// bounds reports whether a policy is the boundary of a role. IAM does not delete it then.
func (r *request) bounds(arn string) bool {
	for _, role := range r.db().Roles {
		if role.Boundary == arn {
			return true
		}
	}
	return false
}
