package ecs_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/test/try"
)

// register registers a definition for Fargate.
func (c client) register(change func(*ecs.RegisterTaskDefinitionInput)) error {
	in := &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("f"), Cpu: aws.String("256"), Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions:    []types.ContainerDefinition{{Name: aws.String("c"), Image: aws.String("prefecthq/prefect-aws:1")}},
	}
	if change != nil {
		change(in)
	}
	_, err := c.ecs.RegisterTaskDefinition(bg, in)
	return err
}

// serve creates a service of it in cluster c.
func (c client) serve(change func(*ecs.CreateServiceInput)) error {
	try.Must(0, c.cluster("c", "FARGATE", "FARGATE_SPOT"))
	try.Must(0, c.register(nil))
	return c.again(change)
}

func (c client) subnet() string {
	return *try.Must(ec2.NewFromConfig(c.Config("us-east-1")).DescribeSubnets(bg, &ec2.DescribeSubnetsInput{})).Subnets[0].SubnetId
}

func inSubnet(id string) *types.NetworkConfiguration {
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{id}}}
}

func (c client) again(change func(*ecs.CreateServiceInput)) error {
	in := &ecs.CreateServiceInput{
		Cluster: aws.String("c"), ServiceName: aws.String("s"), TaskDefinition: aws.String("f"), DesiredCount: aws.Int32(1), LaunchType: types.LaunchTypeFargate,
		NetworkConfiguration: inSubnet(c.subnet()),
	}
	if change != nil {
		change(in)
	}
	_, err := c.ecs.CreateService(bg, in)
	return err
}

func (c client) update(change func(*ecs.UpdateServiceInput)) error {
	in := &ecs.UpdateServiceInput{Cluster: aws.String("c"), Service: aws.String("s")}
	if change != nil {
		change(in)
	}
	_, err := c.ecs.UpdateService(bg, in)
	return err
}

func (c client) remove() error {
	_, err := c.ecs.DeleteService(bg, &ecs.DeleteServiceInput{Cluster: aws.String("c"), Service: aws.String("s"), Force: aws.Bool(true)})
	return err
}

func (c client) status() string {
	out := try.Must(c.ecs.DescribeServices(bg, &ecs.DescribeServicesInput{Cluster: aws.String("c"), Services: []string{"s"}}))
	if len(out.Services) == 0 {
		return *out.Failures[0].Reason
	}
	return *out.Services[0].Status
}

var serviceRules = []ruleTest{
	{"a size that Fargate has not", func(c client) error {
		return c.register(func(in *ecs.RegisterTaskDefinitionInput) { in.Memory = aws.String("3072") })
	}, "ClientException"},
	{"Fargate without awsvpc", func(c client) error {
		return c.register(func(in *ecs.RegisterTaskDefinitionInput) { in.NetworkMode = types.NetworkModeBridge })
	}, "ClientException"},
	{"a secret that is also a variable", func(c client) error {
		return c.register(func(in *ecs.RegisterTaskDefinitionInput) {
			d := &in.ContainerDefinitions[0]
			d.Environment = []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("1")}}
			d.Secrets = []types.Secret{{Name: aws.String("A"), ValueFrom: aws.String("arn:aws:ssm:us-east-1:123456789012:parameter/a")}}
			in.ExecutionRoleArn = nil
		})
	}, "ClientException"},
	{"stop timeout too long", func(c client) error {
		return c.register(func(in *ecs.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].StopTimeout = aws.Int32(121) })
	}, "ClientException"},
	{"health check without CMD", func(c client) error {
		return c.register(func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].HealthCheck = &types.HealthCheck{Command: []string{"python"}}
		})
	}, "ClientException"},
	{"the same call twice", func(c client) error { try.Must(0, c.serve(nil)); return c.again(nil) }, ""},
	{"another call of the same name", func(c client) error {
		try.Must(0, c.serve(nil))
		return c.again(func(in *ecs.CreateServiceInput) { in.DesiredCount = aws.Int32(2) })
	}, "InvalidParameterException"},
	{"launch type and strategy", func(c client) error {
		return c.serve(func(in *ecs.CreateServiceInput) {
			in.CapacityProviderStrategy = []types.CapacityProviderStrategyItem{item("FARGATE_SPOT", 0)}
		})
	}, "InvalidParameterException"},
	{"a provider that the cluster lacks", func(c client) error {
		try.Must(0, c.cluster("c", "FARGATE"))
		try.Must(0, c.register(nil))
		return c.again(func(in *ecs.CreateServiceInput) {
			in.LaunchType, in.CapacityProviderStrategy = "", []types.CapacityProviderStrategyItem{item("FARGATE_SPOT", 0)}
		})
	}, "InvalidParameterException"},
	{"no network", func(c client) error {
		return c.serve(func(in *ecs.CreateServiceInput) { in.NetworkConfiguration = nil })
	}, "InvalidParameterException"},
	{"an unknown subnet", func(c client) error {
		return c.serve(func(in *ecs.CreateServiceInput) { in.NetworkConfiguration = inSubnet("subnet-0a1b2c3d") })
	}, "InvalidParameterException"},
	{"rebalancing without room", func(c client) error {
		return c.serve(func(in *ecs.CreateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{MaximumPercent: aws.Int32(100), MinimumHealthyPercent: aws.Int32(0)}
		})
	}, "InvalidParameterException"},
	{"an inactive definition", func(c client) error {
		try.Must(0, c.cluster("c"))
		try.Must(0, c.register(nil))
		try.Must(c.ecs.DeregisterTaskDefinition(bg, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("f:1")}))
		return c.again(func(in *ecs.CreateServiceInput) { in.TaskDefinition = aws.String("f:1") })
	}, "ClientException"},
	{"update an unknown service", func(c client) error { try.Must(0, c.cluster("c")); return c.update(nil) }, "ServiceNotFoundException"},
	{"update a service that is draining", func(c client) error {
		c.StopTime, c.TaskTime = time.Hour, time.Hour
		try.Must(0, c.serve(nil))
		c.status()
		c.status()
		try.Must(0, c.remove())
		if c.status() != "DRAINING" {
			panic("it is " + c.status())
		}
		return c.update(nil)
	}, "ServiceNotActiveException"},
	{"create a service that is draining", func(c client) error {
		c.StopTime, c.TaskTime = time.Hour, time.Hour
		try.Must(0, c.serve(nil))
		c.status()
		c.status()
		try.Must(0, c.remove())
		return c.again(nil)
	}, "InvalidParameterException"},
	{"delete twice", func(c client) error {
		try.Must(0, c.serve(nil))
		try.Must(0, c.remove())
		if c.status() != "INACTIVE" {
			panic("it is " + c.status())
		}
		return c.remove()
	}, "ServiceNotActiveException"},
	{"create again after INACTIVE", func(c client) error {
		try.Must(0, c.serve(nil))
		try.Must(0, c.remove())
		return c.again(nil)
	}, ""},
	{"eleven services at once", func(c client) error {
		try.Must(0, c.cluster("c"))
		_, err := c.ecs.DescribeServices(bg, &ecs.DescribeServicesInput{Cluster: aws.String("c"), Services: strings.Split("a,b,c,d,e,f,g,h,i,j,k", ",")})
		return err
	}, "InvalidParameterException"},
}

func TestServiceRules(t *testing.T) {
	for _, r := range serviceRules {
		t.Run(r.name, func(t *testing.T) { try.WantCode(t, r.do(newClient("us-east-1")), r.code) })
	}
}

// TestDrains: a service that is draining is in no list, and its cluster exists until its tasks have
// stopped.
func TestDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient("us-east-1")
		c.StopTime, c.TaskTime = time.Minute, time.Hour
		try.Must(0, c.serve(nil))
		c.status() // the task starts
		try.Must(0, c.remove())
		begun := time.Now()
		for _, at := range []struct {
			after           time.Duration
			status, cluster string // the code of the cluster's deletion
		}{
			{0, "DRAINING", "ClusterContainsTasksException"},
			{59 * time.Second, "DRAINING", "ClusterContainsTasksException"},
			{60 * time.Second, "INACTIVE", ""},
		} {
			time.Sleep(time.Until(begun.Add(at.after)))
			if have := c.status(); have != at.status {
				t.Errorf("after %s, the service is %s, want %s", at.after, have, at.status)
			}
			if have := try.Must(c.ecs.ListServices(bg, &ecs.ListServicesInput{Cluster: aws.String("c")})).ServiceArns; len(have) > 0 {
				t.Errorf("after %s, ECS lists %v", at.after, have)
			}
			try.WantCode(t, c.deleteCluster(), at.cluster)
		}
	})
}

// TestDeployments: only some changes start a deployment.
func TestDeployments(t *testing.T) {
	c := newClient("us-east-1")
	try.Must(0, c.serve(nil))
	primary := func() string {
		out := try.Must(c.ecs.DescribeServices(bg, &ecs.DescribeServicesInput{Cluster: aws.String("c"), Services: []string{"s"}}))
		return *out.Services[0].Deployments[0].Id
	}
	before := primary()
	for name, change := range map[string]func(*ecs.UpdateServiceInput){
		"desired count": func(in *ecs.UpdateServiceInput) { in.DesiredCount = aws.Int32(3) },
		"tags":          func(in *ecs.UpdateServiceInput) { in.PropagateTags = types.PropagateTagsService },
		"capacity": func(in *ecs.UpdateServiceInput) {
			in.CapacityProviderStrategy = []types.CapacityProviderStrategyItem{item("FARGATE_SPOT", 0)}
		},
	} {
		if try.Must(0, c.update(change)); primary() != before {
			t.Errorf("%s starts a deployment", name)
		}
	}
	try.Must(0, c.update(func(in *ecs.UpdateServiceInput) { in.ForceNewDeployment = true }))
	if primary() == before {
		t.Error("force starts no deployment")
	}
}

// TestDeleteDefinitions: only what is deregistered can be deleted, and the others are failures.
func TestDeleteDefinitions(t *testing.T) {
	c := newClient("us-east-1")
	try.Must(0, c.register(nil))
	try.Must(0, c.register(nil))
	try.Must(c.ecs.DeregisterTaskDefinition(bg, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("f:1")}))
	arn := func(n string) string { return "arn:aws:ecs:us-east-1:123456789012:task-definition/f:" + n }
	out := try.Must(c.ecs.DeleteTaskDefinitions(bg, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: []string{arn("1"), arn("2"), arn("3")}}))
	if len(out.TaskDefinitions) != 1 || len(out.Failures) != 2 {
		t.Errorf("have %d deleted and %d failures, want 1 and 2", len(out.TaskDefinitions), len(out.Failures))
	}
	if have := try.Must(c.ecs.ListTaskDefinitions(bg, &ecs.ListTaskDefinitionsInput{Status: types.TaskDefinitionStatusInactive})); len(have.TaskDefinitionArns) > 0 {
		t.Errorf("still there: %v", have.TaskDefinitionArns)
	}
	try.Must(0, c.register(nil))
	if have := try.Must(c.ecs.ListTaskDefinitions(bg, &ecs.ListTaskDefinitionsInput{Sort: types.SortOrderDesc})); have.TaskDefinitionArns[0] != arn("3") {
		t.Errorf("the newest is %s, want number 3", have.TaskDefinitionArns[0])
	}
}
