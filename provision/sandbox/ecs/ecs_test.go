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

// client is a sandbox account with an ECS client.
type client struct {
	*sandbox.Account
	ecs *ecs.Client
}

func newClient(region string) client {
	a := sandbox.New()
	return client{a, ecs.NewFromConfig(a.Config(region))}
}

// ruleTest is a test of one AWS rule that the sandbox enforces.
type ruleTest struct {
	name string
	do   func(client) error
	code string // empty if the call succeeds
}

func TestRules(t *testing.T) {
	for _, rules := range [][]ruleTest{clusterRules, taskRules} {
		for _, r := range rules {
			t.Run(r.name, func(t *testing.T) { try.WantCode(t, r.do(newClient("us-east-1")), r.code) })
		}
	}
}

func (c client) cluster(name string, providers ...string) error {
	_, err := c.ecs.CreateCluster(bg, &ecs.CreateClusterInput{ClusterName: &name, CapacityProviders: providers})
	return err
}

func (c client) deleteCluster() error {
	_, err := c.ecs.DeleteCluster(bg, &ecs.DeleteClusterInput{Cluster: aws.String("c")})
	return err
}

func (c client) providers(strategy []types.CapacityProviderStrategyItem, providers ...string) error {
	_, err := c.ecs.PutClusterCapacityProviders(bg, &ecs.PutClusterCapacityProvidersInput{
		Cluster: aws.String("c"), CapacityProviders: providers, DefaultCapacityProviderStrategy: strategy,
	})
	return err
}

// flow registers a task definition and runs it in cluster c. It returns the task's
// ARN.
func (c client) flow(provider string) string {
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

var clusterRules = []ruleTest{
	{"bad name", func(c client) error { return c.cluster("my cluster") }, "InvalidParameterException"},
	{"long name", func(c client) error { return c.cluster(strings.Repeat("c", 256)) }, "InvalidParameterException"},
	{"unknown provider", func(c client) error { return c.cluster("c", "FOG") }, "InvalidParameterException"},
	{"strategy with a provider that the cluster lacks", func(c client) error {
		try.Must(0, c.cluster("c"))
		return c.providers([]types.CapacityProviderStrategyItem{item("FARGATE", 0)}, "FARGATE_SPOT")
	}, "InvalidParameterException"},
	{"two bases", func(c client) error {
		try.Must(0, c.cluster("c"))
		return c.providers([]types.CapacityProviderStrategyItem{item("FARGATE", 1), item("FARGATE_SPOT", 1)}, "FARGATE", "FARGATE_SPOT")
	}, "InvalidParameterException"},
	{"providers of an unknown cluster", func(c client) error { return c.providers(none, "FARGATE") }, "ClusterNotFoundException"},
	{"remove a provider in use", func(c client) error {
		try.Must(0, c.cluster("c", "FARGATE", "FARGATE_SPOT"))
		c.flow("FARGATE_SPOT")
		return c.providers(none, "FARGATE")
	}, "ResourceInUseException"},
	{"bad setting", func(c client) error {
		try.Must(0, c.cluster("c"))
		_, err := c.ecs.UpdateCluster(bg, &ecs.UpdateClusterInput{Cluster: aws.String("c"), Settings: []types.ClusterSetting{
			{Name: types.ClusterSettingNameContainerInsights, Value: aws.String("on")},
		}})
		return err
	}, "InvalidParameterException"},
	{"reserved tag", func(c client) error {
		_, err := c.ecs.CreateCluster(bg, &ecs.CreateClusterInput{Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("y")}}})
		return err
	}, "InvalidParameterException"},
	{"tag an unknown cluster", func(c client) error {
		_, err := c.ecs.TagResource(bg, &ecs.TagResourceInput{
			ResourceArn: aws.String("arn:aws:ecs:us-east-1:123456789012:cluster/c"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
		})
		return err
	}, "ClusterNotFoundException"},
	{"delete an unknown cluster", func(c client) error { return c.deleteCluster() }, "ClusterNotFoundException"},
	{"delete twice", func(c client) error {
		try.Must(0, c.cluster("c"))
		try.Must(0, c.deleteCluster())
		return c.deleteCluster()
	}, ""},
	{"delete with a task", func(c client) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		c.flow("FARGATE")
		return c.deleteCluster()
	}, "ClusterContainsTasksException"},
	{"delete after the task has stopped", func(c client) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		try.Must(c.ecs.StopTask(bg, &ecs.StopTaskInput{Cluster: aws.String("c"), Task: aws.String(c.flow("FARGATE"))}))
		return c.deleteCluster()
	}, ""},
	{"delete with a service", func(c client) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		try.Must(c.ecs.StopTask(bg, &ecs.StopTaskInput{Cluster: aws.String("c"), Task: aws.String(c.flow("FARGATE"))}))
		try.Must(c.ecs.CreateService(bg, &ecs.CreateServiceInput{Cluster: aws.String("c"), ServiceName: aws.String("s"), TaskDefinition: aws.String("flow"), DesiredCount: aws.Int32(0)}))
		return c.deleteCluster()
	}, "ClusterContainsServicesException"},
	{"delete with a container instance", func(c client) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		try.Must(c.ecs.RegisterContainerInstance(bg, &ecs.RegisterContainerInstanceInput{Cluster: aws.String("c")}))
		return c.deleteCluster()
	}, "ClusterContainsContainerInstancesException"},
	{"delete after its container instance", func(c client) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		m := try.Must(c.ecs.RegisterContainerInstance(bg, &ecs.RegisterContainerInstanceInput{Cluster: aws.String("c")})).ContainerInstance
		try.Must(c.ecs.DeregisterContainerInstance(bg, &ecs.DeregisterContainerInstanceInput{
			Cluster: aws.String("c"), ContainerInstance: m.ContainerInstanceArn}))
		return c.deleteCluster()
	}, ""},
	{"delete a service that is scaled up", func(c client) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		c.flow("FARGATE")
		try.Must(c.ecs.CreateService(bg, &ecs.CreateServiceInput{
			Cluster: aws.String("c"), ServiceName: aws.String("s"), TaskDefinition: aws.String("flow"), DesiredCount: aws.Int32(1),
		}))
		_, err := c.ecs.DeleteService(bg, &ecs.DeleteServiceInput{Cluster: aws.String("c"), Service: aws.String("s")})
		return err
	}, "InvalidParameterException"},
}

var taskRules = []ruleTest{
	{"unknown task definition", func(c client) error {
		try.Must(0, c.cluster("c"))
		_, err := c.ecs.RunTask(bg, &ecs.RunTaskInput{Cluster: aws.String("c"), TaskDefinition: aws.String("flow")})
		return err
	}, "ClientException"},
	{"task in an inactive cluster", func(c client) error {
		try.Must(0, c.cluster("c"))
		try.Must(0, c.deleteCluster())
		_, err := c.ecs.RunTask(bg, &ecs.RunTaskInput{Cluster: aws.String("c"), TaskDefinition: aws.String("flow")})
		return err
	}, "ClusterNotFoundException"},
	{"task definition with an unknown role", func(c client) error {
		_, err := c.ecs.RegisterTaskDefinition(bg, &ecs.RegisterTaskDefinitionInput{
			Family: aws.String("flow"), ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python:3.12")}},
			TaskRoleArn: aws.String("arn:aws:iam::123456789012:role/none"),
		})
		return err
	}, "ClientException"},
}

// Creating an existing cluster returns it unchanged.
func TestCreateExistingCluster(t *testing.T) {
	c := newClient("us-east-1")
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

// A deleted cluster is INACTIVE, and its name can be reused. The new cluster does not
// inherit its settings.
func TestInactiveCluster(t *testing.T) {
	c := newClient("us-east-1")
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

// PutClusterCapacityProviders replaces the whole list.
func TestPutProviders(t *testing.T) {
	c := newClient("us-east-1")
	try.Must(0, c.cluster("c", "FARGATE"))
	try.Must(0, c.providers(none, "FARGATE_SPOT"))
	out := try.Must(c.ecs.DescribeClusters(bg, &ecs.DescribeClustersInput{Clusters: []string{"c"}}))
	if have := out.Clusters[0].CapacityProviders; !slices.Equal(have, []string{"FARGATE_SPOT"}) {
		t.Errorf("the cluster has %v", have)
	}
}

// ECS makes its service-linked role with the first cluster. The creation of that fails once,
// because the role is not ready.
func TestFirstCluster(t *testing.T) {
	c := newClient("us-east-1")
	user := try.Of(c.Account, "us-east-1")
	if user.HasRole("AWSServiceRoleForECS") {
		t.Error("a new account has ECS's service-linked role")
	}
	c.FirstCluster = true
	if err := c.cluster("c"); err == nil || !strings.Contains(err.Error(), "service linked role") {
		t.Errorf("first cluster: have %v, want an error about the service-linked role", err)
	}
	for _, name := range []string{"c", "d"} {
		try.WantCode(t, c.cluster(name), "")
	}
	if !user.HasRole("AWSServiceRoleForECS") {
		t.Error("an account with a cluster has no service-linked role of ECS")
	}
}
