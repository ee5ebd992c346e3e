package doctor_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// serving has its agent in a service, with settings.
func serving(settings string) string {
	return "prefect {\napi_url = \"http://prefect.example/api\"\napi_key = \"pnu_0123456789abcdef\"\n}\nagent {\nservice {\n" + settings + "\n}\n}\n"
}

// up builds the environment of the clinic; an error is the test's affair.
func (c *clinic) up(text string) error {
	c.Helper()
	c.text = text
	s, err := stack.Build(c.environment(), identity, stack.NewClients(c.account.Config(region)), stack.Options{Transport: c.carry, Wait: 10 * time.Minute})
	if err != nil {
		c.Fatal(err)
	}
	return s.Graph.Up(context.Background())
}

// pass lets time pass in the account, in which something happens only when somebody looks.
func (c *clinic) pass(d time.Duration) {
	c.Helper()
	api := ecs.NewFromConfig(c.account.Config(region))
	for begun := time.Now(); time.Since(begun) < d; time.Sleep(5 * time.Second) {
		c.must(api.ListClusters(context.Background(), &ecs.ListClustersInput{}))
	}
}

// worker is the agent's service, in the cluster default.
func (c *clinic) worker() (*ecs.Client, *string) {
	return ecs.NewFromConfig(c.account.Config(region)), aws.String("flowbed-dev-worker")
}

const withoutImage = `image = "acme/worker:1"`

// TestService has one case for each thing that can be found of a service.
func TestService(t *testing.T) {
	external := func(c *clinic) {
		c.must(ecs.NewFromConfig(c.account.Config(region)).CreateCluster(context.Background(), &ecs.CreateClusterInput{
			ClusterName: aws.String("theirs"), CapacityProviders: []string{"FARGATE"}}))
		c.text = "cluster {\nname = \"theirs\"\nownership = \"external\"\n}\n" + serving("spot = true")
	}
	for _, c := range []struct {
		check, name string
		prepare     func(*clinic)
		status      doctor.Status
		says        string // in the text or in what to do
	}{
		{"service role", "absent", func(*clinic) {}, doctor.OK, "with the first cluster or service"},
		{"capacity", "little", func(*clinic) {}, doctor.OK, "up to 0.5 vCPUs on FARGATE; the account's quota is in Service Quotas"},
		{"capacity", "much", func(c *clinic) { c.text = serving("cpu = 2048\nmemory = 4096\ndesired_count = 2\nspot = true") }, doctor.Warn, "up to 8 vCPUs on FARGATE_SPOT"},
		{"capacity", "no Spot in a borrowed cluster", external, doctor.Fail, "--capacity-providers FARGATE FARGATE_SPOT"},
		{"capacity", "no borrowed cluster", func(c *clinic) {
			c.text = "cluster {\nname = \"theirs\"\nownership = \"external\"\n}\n" + serving("spot = true")
		}, doctor.Fail, "cluster theirs is external, but it does not exist"},
		{"capacity", "borrowed, unseen", func(c *clinic) { external(c); c.account.Policy = but("ecs:DescribeClusters") }, doctor.Warn, "this check needs ecs:DescribeClusters"},
		{"way out", "public", func(*clinic) {}, doctor.OK, "the workers get public addresses, and reach the registry of their image (registry-1.docker.io) through igw-"},
		{"way out", "none", closedNetwork(""), doctor.Fail, "has no default route, so the workers do not reach the registry of their image (registry-1.docker.io)"},
		{"way out", "perhaps endpoints", closedNetwork(`image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/worker:1"`), doctor.Warn, "cannot tell whether there is a way to Prefect's API"},
		{"way out", "unseen", func(c *clinic) { c.account.Policy = but("ec2:DescribeRouteTables") }, doctor.Warn, "this check needs ec2:DescribeRouteTables"},
		{"service", "absent", func(*clinic) {}, doctor.OK, "flowbed-dev-worker does not exist yet"},
		{"service", "unseen", func(c *clinic) { c.account.Policy = but("ecs:DescribeServices") }, doctor.Warn, "this check needs ecs:DescribeServices"},
		{"service", "healthy", func(c *clinic) { c.must(nil, c.up(serving("desired_count = 2"))) }, doctor.OK, "2 of 2 workers run"},
		{"service", "never healthy", func(c *clinic) { _ = c.up(serving(withoutImage)); c.pass(10 * time.Minute) }, doctor.Fail, "its deployment has failed, and ECS starts no more tasks"},
		{"service", "dying", func(c *clinic) { _ = c.up(serving(withoutImage)) }, doctor.Fail, "the image cannot be pulled; 0 of 1 workers run"},
		{"service", "rolled back", func(c *clinic) {
			c.must(nil, c.up(serving("")))
			_ = c.up(serving(withoutImage))
			c.pass(10 * time.Minute)
		}, doctor.Warn, "it runs flowbed-dev-worker:1 and not flowbed-dev-worker:2, the newest: ECS has gone back, or an up was interrupted; 1 of 1 workers run"},
		{"service", "deleted", func(c *clinic) {
			c.must(nil, c.up(serving("")))
			c.account.StopTime = time.Minute
			api, name := c.worker()
			c.must(api.DeleteService(context.Background(), &ecs.DeleteServiceInput{Cluster: aws.String("default"), Service: name, Force: aws.Bool(true)}))
		}, doctor.Fail, "somebody has deleted it"},
		{"service", "no workers", func(c *clinic) {
			c.must(nil, c.up(serving("")))
			api, name := c.worker()
			c.must(api.UpdateService(context.Background(), &ecs.UpdateServiceInput{Cluster: aws.String("default"), Service: name, DesiredCount: aws.Int32(0)}))
			c.pass(5 * time.Minute)
		}, doctor.Warn, "has no workers: somebody has set its desired count to 0"},
	} {
		t.Run(c.check+", "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newClinic(t)
				k.account.TaskTime, k.account.StopTime, k.account.HealthTime = 15*time.Second, 10*time.Second, 10*time.Second
				k.carry, k.text = sandbox.Prefect(k.account), serving("")
				c.prepare(k)
				var of []doctor.Finding
				for _, f := range k.look() {
					if f.Check == c.check {
						of = append(of, f)
					}
				}
				if len(of) == 0 || doctor.Worst(of) != c.status || !strings.Contains(text(of), c.says) {
					t.Errorf("have\n%s\nwant %s with %q", text(of), c.status, c.says)
				}
			})
		})
	}
}

// closedNetwork is a subnet that leads nowhere.
func closedNetwork(settings string) func(*clinic) {
	return func(c *clinic) {
		ctx, api := context.Background(), ec2.NewFromConfig(c.account.Config(region))
		vpc, err := api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
		c.must(nil, err)
		subnet, err := api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String("10.0.1.0/24"), AvailabilityZone: aws.String(region + "a")})
		c.must(nil, err)
		c.text = "network {\nvpc = \"" + *vpc.Vpc.VpcId + "\"\nsubnets = [\"" + *subnet.Subnet.SubnetId + "\"]\n}\n" + serving(settings)
	}
}
