package lifecycle

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// Cluster is an ECS cluster of one environment.
var Cluster = register(Case{
	Name: "cluster", Step: "cluster",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "cluster", provision.Own, clusterOf(w, "flows"))
	},
	Fields:  clusterFields("flows", "team"),
	Foreign: foreignCluster("flows"),
})

// SharedCluster is an ECS cluster whose name belongs to the whole account.
var SharedCluster = register(Case{
	Name: "shared cluster", Step: "cluster", AccountWide: true,
	Add: func(w *World, g *provision.Graph) {
		c := clusterOf(w, "default")
		c.Shared = true
		provision.Add(g, "cluster", provision.Share, c)
	},
	Fields:  clusterFields("default", "flowbed:claim:dev@us-east-1"),
	Foreign: foreignCluster("default"),
})

func clusterOf(w *World, name string) resource.Cluster {
	return resource.Cluster{
		API: ecs.NewFromConfig(w.Config), ID: w.ID, Name: name, Providers: []string{"FARGATE", "FARGATE_SPOT"},
	}
}

func clusterFields(name, tag string) []Field {
	return []Field{
		{"capacity providers", onECS(func(ctx context.Context, _ *World, api *ecs.Client) error {
			_, err := api.PutClusterCapacityProviders(ctx, &ecs.PutClusterCapacityProvidersInput{
				Cluster: &name, CapacityProviders: []string{"FARGATE"},
				DefaultCapacityProviderStrategy: []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE"), Weight: 1}}})
			return err
		})},
		{"container insights", onECS(func(ctx context.Context, _ *World, api *ecs.Client) error {
			_, err := api.UpdateCluster(ctx, &ecs.UpdateClusterInput{Cluster: &name, Settings: []types.ClusterSetting{{
				Name: types.ClusterSettingNameContainerInsights, Value: aws.String("enabled")}}})
			return err
		})},
		{"tags", onECS(func(ctx context.Context, w *World, api *ecs.Client) error {
			_, err := api.UntagResource(ctx, &ecs.UntagResourceInput{
				ResourceArn: aws.String(w.ID.ARN("ecs", w.ID.Region, "cluster/"+name)), TagKeys: []string{tag}})
			return err
		})},
	}
}

func onECS(f func(context.Context, *World, *ecs.Client) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error { return f(ctx, w, ecs.NewFromConfig(w.Config)) }
}

func foreignCluster(name string) func(context.Context, *World, resource.Tags) error {
	return func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := ecs.NewFromConfig(w.Config).CreateCluster(ctx, &ecs.CreateClusterInput{
			ClusterName: &name, Tags: list(tags, func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} })})
		return err
	}
}
