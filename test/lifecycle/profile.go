package lifecycle

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const agentName = "flowbed-dev-agent" // of the role and of the profile

// Profile is an instance profile with its role.
var Profile = register(Case{
	Name: "profile", Step: "agent instance profile",
	Add: func(w *World, g *provision.Graph) {
		r := roleOf(w, agentName)
		r.Trust = trustEC2
		role := provision.Add(g, "agent role", provision.Own, r)
		provision.Add(g, "agent instance profile", provision.Own, resource.Profile{
			API: iam.NewFromConfig(w.Config), ID: w.ID, Name: agentName, Role: role,
		})
	},
	Fields: []Field{
		{"role", onRole(removeProfileRole)},
		{"role", onRole(func(ctx context.Context, api *iam.Client) error {
			if err := removeProfileRole(ctx, api); err != nil {
				return err
			}
			if _, err := api.CreateRole(ctx, &iam.CreateRoleInput{
				RoleName: aws.String("other"), AssumeRolePolicyDocument: aws.String(trustEC2)}); err != nil {
				return err
			}
			_, err := api.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{
				InstanceProfileName: aws.String(agentName), RoleName: aws.String("other")})
			return err
		})},
		{"tags", onRole(func(ctx context.Context, api *iam.Client) error {
			_, err := api.TagInstanceProfile(ctx, &iam.TagInstanceProfileInput{
				InstanceProfileName: aws.String(agentName),
				Tags:                []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("another")}}})
			return err
		})},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := iam.NewFromConfig(w.Config).CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{
			InstanceProfileName: aws.String(agentName), Tags: list(tags, iamTag)})
		return err
	},
})

func removeProfileRole(ctx context.Context, api *iam.Client) error {
	_, err := api.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{
		InstanceProfileName: aws.String(agentName), RoleName: aws.String(agentName)})
	return err
}
