package lifecycle

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const parameterName = "/flowbed/dev/prefect-api-key"

// Parameter is the secret that the agent reads.
var Parameter = register(Case{
	Name: "parameter", Step: "api key parameter",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "api key parameter", provision.Own, resource.Parameter{
			API: ssm.NewFromConfig(w.Config), ID: w.ID, Name: parameterName, Value: "pnu_the_key",
		})
	},
	Fields: []Field{
		{"value", onSSM(func(ctx context.Context, _ *World, api *ssm.Client) error {
			_, err := api.PutParameter(ctx, &ssm.PutParameterInput{
				Name: aws.String(parameterName), Value: aws.String("pnu_an_older_key"),
				Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true)})
			return err
		})},
		{"type", onSSM(func(ctx context.Context, w *World, api *ssm.Client) error {
			if _, err := api.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String(parameterName)}); err != nil {
				return err
			}
			_, err := api.PutParameter(ctx, &ssm.PutParameterInput{
				Name: aws.String(parameterName), Value: aws.String("pnu_the_key"), Type: types.ParameterTypeString,
				Tags: list(w.ID.Tags(parameterName), ssmTag)})
			return err
		})},
		{"tags", onSSM(func(ctx context.Context, _ *World, api *ssm.Client) error {
			_, err := api.RemoveTagsFromResource(ctx, &ssm.RemoveTagsFromResourceInput{
				ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: aws.String(parameterName), TagKeys: []string{"team"}})
			return err
		})},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := ssm.NewFromConfig(w.Config).PutParameter(ctx, &ssm.PutParameterInput{
			Name: aws.String(parameterName), Value: aws.String("not ours"), Type: types.ParameterTypeSecureString,
			Tags: list(tags, ssmTag)})
		return err
	},
})

func onSSM(f func(context.Context, *World, *ssm.Client) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error { return f(ctx, w, ssm.NewFromConfig(w.Config)) }
}

func ssmTag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
