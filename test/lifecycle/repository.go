package lifecycle

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const (
	repositoryName = "flows-dev"
	manifest       = `{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}`
)

// Repository holds the images of flows.
var Repository = register(Case{
	Name: "repository", Step: "repository",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "repository", provision.Own, resource.Repository{
			API: ecr.NewFromConfig(w.Config), ID: w.ID, Name: repositoryName, KeepImages: 30, ScanOnPush: true,
		})
	},
	Fields: []Field{
		{"image tags", onRepository(func(ctx context.Context, api *ecr.Client, name *string) error {
			_, err := api.PutImageTagMutability(ctx, &ecr.PutImageTagMutabilityInput{
				RepositoryName: name, ImageTagMutability: types.ImageTagMutabilityImmutable})
			return err
		})},
		{"scan on push", onRepository(func(ctx context.Context, api *ecr.Client, name *string) error {
			_, err := api.PutImageScanningConfiguration(ctx, &ecr.PutImageScanningConfigurationInput{
				RepositoryName: name, ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: false}})
			return err
		})},
		{"lifecycle policy", onRepository(func(ctx context.Context, api *ecr.Client, name *string) error {
			_, err := api.DeleteLifecyclePolicy(ctx, &ecr.DeleteLifecyclePolicyInput{RepositoryName: name})
			return err
		})},
		{"lifecycle policy", onRepository(func(ctx context.Context, api *ecr.Client, name *string) error {
			_, err := api.PutLifecyclePolicy(ctx, &ecr.PutLifecyclePolicyInput{RepositoryName: name, LifecyclePolicyText: aws.String(
				`{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}, "action": {"type": "expire"}}]}`)})
			return err
		})},
		{"tags", onRepository(func(ctx context.Context, api *ecr.Client, name *string) error {
			arn, err := repositoryARN(ctx, api, name)
			if err != nil {
				return err
			}
			_, err = api.UntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"team"}})
			return err
		})},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := ecr.NewFromConfig(w.Config).CreateRepository(ctx, &ecr.CreateRepositoryInput{
			RepositoryName: aws.String(repositoryName),
			Tags:           list(tags, func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} })})
		return err
	},
	Fill: onRepository(func(ctx context.Context, api *ecr.Client, _ *string) error {
		out, err := api.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{}) // whatever it is called
		if err != nil {
			return err
		}
		for _, r := range out.Repositories {
			if _, err := api.PutImage(ctx, &ecr.PutImageInput{
				RepositoryName: r.RepositoryName, ImageTag: aws.String("latest"), ImageManifest: aws.String(manifest)}); err != nil {
				return err
			}
		}
		return nil
	}),
})

func onRepository(f func(context.Context, *ecr.Client, *string) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error {
		return f(ctx, ecr.NewFromConfig(w.Config), aws.String(repositoryName))
	}
}

func repositoryARN(ctx context.Context, api *ecr.Client, name *string) (*string, error) {
	out, err := api.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{*name}})
	if err != nil {
		return nil, err
	}
	return out.Repositories[0].RepositoryArn, nil
}
