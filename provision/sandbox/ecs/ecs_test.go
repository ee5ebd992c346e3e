package ecs_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

var bg = context.Background()

// crew is an account with a client for ECS.
type crew struct {
	*sandbox.Account
	ecs *ecs.Client
}

func newCrew(region string) crew {
	a := sandbox.New()
	return crew{a, ecs.NewFromConfig(a.Config(region))}
}

// ruling is a rule of AWS that the sandbox keeps, as another hand meets it.
type ruling struct {
	name string
	do   func(crew) error
	code string // empty: it works
}

func TestRules(t *testing.T) {
	for _, rules := range [][]ruling{clusterRules, taskRules} {
		for _, r := range rules {
			t.Run(r.name, func(t *testing.T) { try.WantCode(t, r.do(newCrew("us-east-1")), r.code) })
		}
	}
}

func (c crew) cluster(name string, providers ...string) error {
	_, err := c.ecs.CreateCluster(bg, &ecs.CreateClusterInput{ClusterName: &name, CapacityProviders: providers})
	return err
}

func (c crew) deleteCluster() error {
	_, err := c.ecs.DeleteCluster(bg, &ecs.DeleteClusterInput{Cluster: aws.String("c")})
	return err
}

func (c crew) providers(strategy []types.CapacityProviderStrategyItem, providers ...string) error {
	_, err := c.ecs.PutClusterCapacityProviders(bg, &ecs.PutClusterCapacityProvidersInput{
		Cluster: aws.String("c"), CapacityProviders: providers, DefaultCapacityProviderStrategy: strategy,
	})
	return err
}

// flow registers a task definition, and runs it in the cluster c.
func (c crew) flow(provider string) string {
	try.Must(c.ecs.RegisterTaskDefinition(bg, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("flow"), ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python:3.12")}},
	}))
	return *try.Must(c.ecs.RunTask(bg, &ecs.RunTaskInput{
		Cluster: aws.String("c"), TaskDefinition: aws.String("flow"),
		CapacityProviderStrategy: []types.CapacityProviderStrategyItem{{CapacityProvider: &provider, Weight: 1}},
	})).Tasks[0].TaskArn
}

func item(provider string, base int32) types.CapacityProviderStrategyItem {
	return types.CapacityProviderStrategyItem{CapacityProvider: &provider, Base: base}
}

var none = []types.CapacityProviderStrategyItem{}

var clusterRules = []ruling{
	{"bad name", func(c crew) error { return c.cluster("my cluster") }, "InvalidParameterException"},
	{"long name", func(c crew) error { return c.cluster(strings.Repeat("c", 256)) }, "InvalidParameterException"},
	{"unknown provider", func(c crew) error { return c.cluster("c", "FOG") }, "InvalidParameterException"},
	{"strategy of a provider that the cluster has not", func(c crew) error {
		try.Must(0, c.cluster("c"))
		return c.providers([]types.CapacityProviderStrategyItem{item("FARGATE", 0)}, "FARGATE_SPOT")
	}, "InvalidParameterException"},
	{"two bases", func(c crew) error {
		try.Must(0, c.cluster("c"))
		return c.providers([]types.CapacityProviderStrategyItem{item("FARGATE", 1), item("FARGATE_SPOT", 1)}, "FARGATE", "FARGATE_SPOT")
	}, "InvalidParameterException"},
	{"providers of an unknown cluster", func(c crew) error { return c.providers(none, "FARGATE") }, "ClusterNotFoundException"},
	{"take away a provider in use", func(c crew) error {
		try.Must(0, c.cluster("c", "FARGATE", "FARGATE_SPOT"))
		c.flow("FARGATE_SPOT")
		return c.providers(none, "FARGATE")
	}, "ResourceInUseException"},
	{"bad setting", func(c crew) error {
		try.Must(0, c.cluster("c"))
		_, err := c.ecs.UpdateCluster(bg, &ecs.UpdateClusterInput{Cluster: aws.String("c"), Settings: []types.ClusterSetting{
			{Name: types.ClusterSettingNameContainerInsights, Value: aws.String("on")},
		}})
		return err
	}, "InvalidParameterException"},
	{"reserved tag", func(c crew) error {
		_, err := c.ecs.CreateCluster(bg, &ecs.CreateClusterInput{Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("y")}}})
		return err
	}, "InvalidParameterException"},
	{"tag an unknown cluster", func(c crew) error {
		_, err := c.ecs.TagResource(bg, &ecs.TagResourceInput{
			ResourceArn: aws.String("arn:aws:ecs:us-east-1:123456789012:cluster/c"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
		})
		return err
	}, "ClusterNotFoundException"},
	{"delete an unknown cluster", func(c crew) error { return c.deleteCluster() }, "ClusterNotFoundException"},
	{"delete twice", func(c crew) error {
		try.Must(0, c.cluster("c"))
		try.Must(0, c.deleteCluster())
		return c.deleteCluster()
	}, ""},
	{"delete with a task", func(c crew) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		c.flow("FARGATE")
		return c.deleteCluster()
	}, "ClusterContainsTasksException"},
	{"delete when the task has stopped", func(c crew) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		try.Must(c.ecs.StopTask(bg, &ecs.StopTaskInput{Cluster: aws.String("c"), Task: aws.String(c.flow("FARGATE"))}))
		return c.deleteCluster()
	}, ""},
	{"delete with a service", func(c crew) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		try.Must(c.ecs.StopTask(bg, &ecs.StopTaskInput{Cluster: aws.String("c"), Task: aws.String(c.flow("FARGATE"))}))
		try.Must(c.ecs.CreateService(bg, &ecs.CreateServiceInput{Cluster: aws.String("c"), ServiceName: aws.String("s"), TaskDefinition: aws.String("flow")}))
		return c.deleteCluster()
	}, "ClusterContainsServicesException"},
	{"delete a service that is scaled up", func(c crew) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		c.flow("FARGATE")
		try.Must(c.ecs.CreateService(bg, &ecs.CreateServiceInput{
			Cluster: aws.String("c"), ServiceName: aws.String("s"), TaskDefinition: aws.String("flow"), DesiredCount: aws.Int32(1),
		}))
		_, err := c.ecs.DeleteService(bg, &ecs.DeleteServiceInput{Cluster: aws.String("c"), Service: aws.String("s")})
		return err
	}, "InvalidParameterException"},
}

var taskRules = []ruling{
	{"unknown task definition", func(c crew) error {
		try.Must(0, c.cluster("c"))
		_, err := c.ecs.RunTask(bg, &ecs.RunTaskInput{Cluster: aws.String("c"), TaskDefinition: aws.String("flow")})
		return err
	}, "ClientException"},
	{"task in an inactive cluster", func(c crew) error {
		try.Must(0, c.cluster("c"))
		try.Must(0, c.deleteCluster())
		_, err := c.ecs.RunTask(bg, &ecs.RunTaskInput{Cluster: aws.String("c"), TaskDefinition: aws.String("flow")})
		return err
	}, "ClusterNotFoundException"},
	{"task definition with an unknown role", func(c crew) error {
		_, err := c.ecs.RegisterTaskDefinition(bg, &ecs.RegisterTaskDefinitionInput{
			Family: aws.String("flow"), ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python:3.12")}},
			TaskRoleArn: aws.String("arn:aws:iam::123456789012:role/none"),
		})
		return err
	}, "ClientException"},
}

// An existing cluster is the answer to its creation, and stays as it is.
func TestCreateExistingCluster(t *testing.T) {
	c := newCrew("us-east-1")
	try.Must(0, c.cluster("c", "FARGATE"))
	try.Must(0, c.cluster("c", "FARGATE_SPOT"))
	out := try.Must(c.ecs.DescribeClusters(bg, &ecs.DescribeClustersInput{Clusters: []string{"c", "d"}}))
	if have := out.Clusters[0].CapacityProviders; !slices.Equal(have, []string{"FARGATE"}) {
		t.Errorf("the cluster has %v", have)
	}
	if len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" || !strings.HasSuffix(*out.Failures[0].Arn, "cluster/d") {
		t.Errorf("failures: %+v", out.Failures)
	}
}

// A deleted cluster is INACTIVE and without its past; its name can be used again.
func TestInactiveCluster(t *testing.T) {
	c := newCrew("us-east-1")
	try.Must(0, c.cluster("c", "FARGATE"))
	try.Must(0, c.deleteCluster())
	out := try.Must(c.ecs.DescribeClusters(bg, &ecs.DescribeClustersInput{Clusters: []string{"c"}}))
	if *out.Clusters[0].Status != "INACTIVE" || len(try.Must(c.ecs.ListClusters(bg, &ecs.ListClustersInput{})).ClusterArns) > 0 {
		t.Errorf("the deleted cluster is %s", *out.Clusters[0].Status)
	}
	try.Must(0, c.cluster("c", "FARGATE_SPOT"))
	out = try.Must(c.ecs.DescribeClusters(bg, &ecs.DescribeClustersInput{Clusters: []string{"c"}}))
	if *out.Clusters[0].Status != "ACTIVE" || !slices.Equal(out.Clusters[0].CapacityProviders, []string{"FARGATE_SPOT"}) {
		t.Errorf("the new cluster is %+v", out.Clusters[0])
	}
}

// The list of providers is replaced as a whole.
func TestPutProviders(t *testing.T) {
	c := newCrew("us-east-1")
	try.Must(0, c.cluster("c", "FARGATE"))
	try.Must(0, c.providers(none, "FARGATE_SPOT"))
	out := try.Must(c.ecs.DescribeClusters(bg, &ecs.DescribeClustersInput{Clusters: []string{"c"}}))
	if have := out.Clusters[0].CapacityProviders; !slices.Equal(have, []string{"FARGATE_SPOT"}) {
		t.Errorf("the cluster has %v", have)
	}
}

// The first cluster of all races with its service-linked role, once.
func TestFirstCluster(t *testing.T) {
	c := newCrew("us-east-1")
	c.FirstCluster = true
	if err := c.cluster("c"); err == nil || !strings.Contains(err.Error(), "service linked role") {
		t.Errorf("the first time: %v", err)
	}
	for _, name := range []string{"c", "d"} {
		try.WantCode(t, c.cluster(name), "")
	}
}
