package iam

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() { core.Register(service, getAccountAuthorizationDetails, core.Anything) }

// getAccountAuthorizationDetails shows roles only. Unlike ListRoles it shows their
// tags.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
func getAccountAuthorizationDetails(r *request, in *iam.GetAccountAuthorizationDetailsInput) (*iam.GetAccountAuthorizationDetailsOutput, error) {
	if !slices.Equal(in.Filter, []types.EntityType{types.EntityTypeRole}) {
		return nil, core.Fail("NotImplemented", "the sandbox shows the details of roles only, not of %v", in.Filter)
	}
	var all []types.RoleDetail
	for _, role := range core.Sorted(r.db().Roles) {
		o := role.out(true)
		all = append(all, types.RoleDetail{
			RoleName: o.RoleName, Path: o.Path, Arn: o.Arn, RoleId: o.RoleId, CreateDate: o.CreateDate,
			AssumeRolePolicyDocument: o.AssumeRolePolicyDocument, Tags: o.Tags,
		})
	}
	list, next, err := core.Page(all, in.Marker, in.MaxItems, 1000)
	if err != nil {
		return nil, err
	}
	return &iam.GetAccountAuthorizationDetailsOutput{RoleDetailList: list, Marker: next, IsTruncated: next != nil}, nil
}
