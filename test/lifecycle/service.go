package lifecycle

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

const (
	workerName    = "flowbed-dev-worker"
	workerLog     = "/flowbed/dev"
	workerCluster = "flows"
)

// TaskDefinition is what the agent's service runs.
var TaskDefinition = register(Case{
	Name: "task definition", Step: "task definition",
	Add: func(w *World, g *provision.Graph) { addDefinition(w, g) },
	Fields: []Field{
		{"cpu", reviseDefinition(func(in *ecs.RegisterTaskDefinitionInput) { in.Cpu = aws.String("512") })},
		{"memory", reviseDefinition(func(in *ecs.RegisterTaskDefinitionInput) { in.Memory = aws.String("2048") })},
		{"definition", reviseDefinition(func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].StopTimeout = aws.Int32(30)
			at := slices.IndexFunc(in.Tags, func(t types.Tag) bool { return *t.Key == resource.KeyDefinition })
			in.Tags[at].Value = aws.String("another")
		})},
		{"tags", onDefinition(func(ctx context.Context, api *ecs.Client, arn *string) error {
			_, err := api.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"team"}})
			return err
		})},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := ecs.NewFromConfig(w.Config).RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
			Family:               aws.String(workerName),
			ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("other"), Image: aws.String("python:3.12"), Memory: aws.Int32(512)}},
			Tags:                 list(tags, ecsTag)})
		return err
	},
})

func addDefinition(w *World, g *provision.Graph) provision.Ref[resource.TaskDefinitionState] {
	r := roleOf(w, workerName)
	role := provision.Add(g, "worker role", provision.Own, r)
	return provision.Add(g, "task definition", provision.Own, resource.TaskDefinition{
		API: ecs.NewFromConfig(w.Config), ID: w.ID, Family: workerName, CPU: 256, Memory: 1024, LogGroup: workerLog, Task: role, Execution: role,
		Container: func() (resource.Container, error) {
			return resource.Container{
				Name: "worker", Image: "prefecthq/prefect-aws:0.7.12-python3.12-prefect3.9.1", Command: []string{"prefect", "worker", "start"},
				Environment: map[string]string{"B": "2", "A": "1"}, Secrets: map[string]string{"KEY": "arn:aws:ssm:eu-central-1:123456789012:parameter/key"},
				Health: []string{"CMD", "true"}, StopTimeout: 60,
			}, nil
		},
	})
}

// reviseDefinition registers another revision, which has the tags of the newest.
func reviseDefinition(change func(*ecs.RegisterTaskDefinitionInput)) func(context.Context, *World) error {
	return onDefinition(func(ctx context.Context, api *ecs.Client, arn *string) error {
		have, err := api.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: arn, Include: []types.TaskDefinitionField{"TAGS"}})
		if err != nil {
			return err
		}
		o := have.TaskDefinition
		in := &ecs.RegisterTaskDefinitionInput{
			Family: o.Family, Cpu: o.Cpu, Memory: o.Memory, ContainerDefinitions: o.ContainerDefinitions, TaskRoleArn: o.TaskRoleArn,
			ExecutionRoleArn: o.ExecutionRoleArn, NetworkMode: o.NetworkMode, RequiresCompatibilities: o.RequiresCompatibilities, Tags: have.Tags}
		change(in)
		_, err = api.RegisterTaskDefinition(ctx, in)
		return err
	})
}

func onDefinition(f func(context.Context, *ecs.Client, *string) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error {
		api := ecs.NewFromConfig(w.Config)
		out, err := api.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String(workerName)})
		if err != nil {
			return err
		}
		return f(ctx, api, out.TaskDefinition.TaskDefinitionArn)
	}
}

// Service runs the agent.
var Service = register(Case{
	Name: "service", Step: "service",
	Scheduled: true,
	Add: func(w *World, g *provision.Graph) {
		definition := addDefinition(w, g)
		cluster := provision.Add(g, "cluster", provision.Own, resource.Cluster{
			API: ecs.NewFromConfig(w.Config), ID: w.ID, Name: workerCluster, Providers: []string{"FARGATE", "FARGATE_SPOT"}, Service: workerName,
		})
		network := addNetwork(w, g)
		provision.Add(g, "service", provision.Own, resource.Service{
			API: ecs.NewFromConfig(w.Config), ID: w.ID, Cluster: workerCluster, Name: workerName, Definition: definition, Network: network,
			Groups: []provision.Ref[resource.SecurityGroupState]{addGroup(w, g, network)}, Desired: 1, After: []provision.Edge{cluster},
		})
	},
	Fields: []Field{
		{"desired count", updateService(func(in *ecs.UpdateServiceInput) { in.DesiredCount = aws.Int32(3) })},
		{"capacity", updateService(func(in *ecs.UpdateServiceInput) {
			in.CapacityProviderStrategy = []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE_SPOT"), Weight: 1}}
			in.ForceNewDeployment = true
		})},
		{"deployments", updateService(func(in *ecs.UpdateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(0), MaximumPercent: aws.Int32(100)}
		})},
		{"rebalancing", updateService(func(in *ecs.UpdateServiceInput) {
			in.AvailabilityZoneRebalancing = types.AvailabilityZoneRebalancingEnabled
		})},
		{"tags of tasks from", updateService(func(in *ecs.UpdateServiceInput) { in.PropagateTags = types.PropagateTagsTaskDefinition })},
		{"execute command", updateService(func(in *ecs.UpdateServiceInput) { in.EnableExecuteCommand = aws.Bool(true) })},
		{"public address", changeServiceNetwork(func(a *types.AwsVpcConfiguration) { a.AssignPublicIp = types.AssignPublicIpDisabled })},
		{"subnets", changeServiceNetwork(func(a *types.AwsVpcConfiguration) { a.Subnets = a.Subnets[:1] })},
		{"tags", onService(func(ctx context.Context, api *ecs.Client, s types.Service) error {
			_, err := api.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: s.ServiceArn, TagKeys: []string{"team"}})
			return err
		})},
	},
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		api := ecs.NewFromConfig(w.Config)
		if _, err := api.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String(workerCluster), Tags: list(tags, ecsTag)}); err != nil {
			return err
		}
		_, err := api.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
			Family:               aws.String("another"),
			ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("other"), Image: aws.String("python:3.12"), Memory: aws.Int32(512)}}})
		if err != nil {
			return err
		}
		_, err = api.CreateService(ctx, &ecs.CreateServiceInput{
			Cluster: aws.String(workerCluster), ServiceName: aws.String(workerName), TaskDefinition: aws.String("another"), DesiredCount: aws.Int32(0),
			Tags: list(tags, ecsTag)})
		return err
	},
})

func ecsTag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

func onService(f func(context.Context, *ecs.Client, types.Service) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error {
		api := ecs.NewFromConfig(w.Config)
		out, err := api.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String(workerCluster), Services: []string{workerName}})
		if err != nil {
			return err
		}
		if len(out.Services) != 1 {
			return errors.New("there is no service")
		}
		return f(ctx, api, out.Services[0])
	}
}

func updateService(change func(*ecs.UpdateServiceInput)) func(context.Context, *World) error {
	return onService(func(ctx context.Context, api *ecs.Client, s types.Service) error {
		in := &ecs.UpdateServiceInput{Cluster: s.ClusterArn, Service: s.ServiceName}
		change(in)
		_, err := api.UpdateService(ctx, in)
		return err
	})
}

func changeServiceNetwork(change func(*types.AwsVpcConfiguration)) func(context.Context, *World) error {
	return onService(func(ctx context.Context, api *ecs.Client, s types.Service) error {
		change(s.NetworkConfiguration.AwsvpcConfiguration)
		_, err := api.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: s.ClusterArn, Service: s.ServiceName, NetworkConfiguration: s.NetworkConfiguration})
		return err
	})
}
