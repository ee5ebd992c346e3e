package resource_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// tenant is an environment that uses the account's default cluster.
type tenant struct {
	account   *sandbox.Account
	env       string
	providers []string
	insights  bool
}

func (e tenant) api() *ecs.Client { return ecs.NewFromConfig(e.account.Config("us-east-1")) }

func (e tenant) graph() (*provision.Graph, provision.Ref[resource.ClusterState]) {
	id := resource.Identity{Env: e.env, Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "1.0.0"}
	g := &provision.Graph{Owner: id.Owner(), Retry: awserr.Retry}
	return g, provision.Add(g, "cluster", provision.Share, resource.Cluster{
		API: e.api(), ID: id, Name: "default", Providers: e.providers, Insights: e.insights, Shared: true,
	})
}

func (e tenant) up(t *testing.T) resource.ClusterState {
	t.Helper()
	g, ref := e.graph()
	if err := g.Up(t.Context()); err != nil {
		t.Fatalf("up of %s: %v", e.env, err)
	}
	s, _ := ref.Get()
	return s
}

func (e tenant) plan(t *testing.T) provision.Action {
	t.Helper()
	g, _ := e.graph()
	p, err := g.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return action(t, p, "cluster")
}

func (e tenant) down(t *testing.T) {
	t.Helper()
	g, _ := e.graph()
	if left, err := g.Down(t.Context()); err != nil || !left.Empty() {
		t.Fatalf("down of %s: %v, left %+v", e.env, err, left)
	}
}

func (e tenant) status(t *testing.T) string {
	t.Helper()
	out, err := e.api().DescribeClusters(t.Context(), &ecs.DescribeClustersInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Clusters) == 0 {
		return "MISSING"
	}
	return *out.Clusters[0].Status
}

// The last environment to leave deletes the cluster, and it can be made again.
func TestSharedCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		a.FirstCluster = true // the first call fails
		dev := tenant{account: a, env: "dev", providers: []string{"FARGATE"}}
		prod := tenant{account: a, env: "prod", providers: []string{"FARGATE_SPOT"}, insights: true}
		dev.up(t)
		s := prod.up(t)
		if want := []string{"FARGATE", "FARGATE_SPOT"}; !slices.Equal(s.Providers, want) {
			t.Errorf("the cluster has %v, want %v: providers are added, never taken away", s.Providers, want)
		}
		if s.Insights || s.Owner().By != "dev@us-east-1" || len(s.Owner().Claims) != 2 {
			t.Errorf("who joins a cluster leaves it as its maker wants it: %+v", s)
		}
		for _, e := range []tenant{dev, prod} {
			if p := e.plan(t); p.Op != provision.None {
				t.Errorf("%s: the plan says %v of %v", e.env, p.Op, fields(p))
			}
		}
		dev.down(t)
		if got := dev.status(t); got != "ACTIVE" {
			t.Errorf("prod still uses the cluster, which is %s", got)
		}
		if p := prod.plan(t); p.Op != provision.None {
			t.Errorf("after dev has left, prod's plan says %v of %v", p.Op, fields(p))
		}
		prod.down(t)
		if got := dev.status(t); got != "INACTIVE" {
			t.Errorf("the unused cluster is %s, want INACTIVE", got)
		}
		if p := dev.plan(t); p.Op != provision.Create {
			t.Errorf("with an inactive cluster the plan says %v", p.Op)
		}
		dev.up(t)
		dev.down(t)
	})
}

// A cluster that was created outside flowbed is used as it is.
func TestForeignCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := tenant{account: sandbox.New(), env: "dev", providers: []string{"FARGATE", "FARGATE_SPOT"}}
		if _, err := e.api().CreateCluster(t.Context(), &ecs.CreateClusterInput{CapacityProviders: []string{"FARGATE"}}); err != nil {
			t.Fatal(err)
		}
		before := len(e.account.Writes())
		a := e.plan(t)
		if a.Op != provision.Use || len(a.Notes) != 1 || !strings.Contains(a.Notes[0].Text, "FARGATE_SPOT") {
			t.Errorf("the plan says %v, notes %v", a.Op, a.Notes)
		}
		e.up(t)
		e.down(t)
		if w := e.account.Writes()[before:]; len(w) > 0 {
			t.Errorf("up and down have written %v", w)
		}
	})
}

// What runs in the cluster is named before anything is removed.
func TestClusterInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := tenant{account: sandbox.New(), env: "dev", providers: []string{"FARGATE"}}
		e.up(t)
		if _, err := e.api().RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
			Family: aws.String("flow"), ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python:3.12")}},
		}); err != nil {
			t.Fatal(err)
		}
		run, err := e.api().RunTask(t.Context(), &ecs.RunTaskInput{TaskDefinition: aws.String("flow")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.api().CreateService(t.Context(), &ecs.CreateServiceInput{
			ServiceName: aws.String("api"), TaskDefinition: aws.String("flow"), DesiredCount: aws.Int32(1),
		}); err != nil {
			t.Fatal(err)
		}
		before := len(e.account.Writes())
		g, _ := e.graph()
		_, err = g.Down(t.Context())
		id := (*run.Tasks[0].TaskArn)[strings.LastIndex(*run.Tasks[0].TaskArn, "/")+1:]
		for _, want := range []string{"the task " + id, "the service api"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("down says %v, want %q", err, want)
			}
		}
		if w := e.account.Writes()[before:]; len(w) > 0 {
			t.Errorf("down has written %v", w)
		}
		if _, err := e.api().StopTask(t.Context(), &ecs.StopTaskInput{Task: run.Tasks[0].TaskArn}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.api().DeleteService(t.Context(), &ecs.DeleteServiceInput{Service: aws.String("api"), Force: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
		e.down(t)
	})
}

// A run that is killed after any call leaves what the next run completes.
func TestKilledClusterRuns(t *testing.T) {
	for n := range 4 {
		synctest.Test(t, func(t *testing.T) {
			a := sandbox.New()
			a.Lag = 10 * time.Second
			dev := tenant{account: a, env: "dev", providers: []string{"FARGATE"}}
			dev.up(t)
			prod := tenant{account: a, env: "prod", providers: []string{"FARGATE_SPOT"}}
			dead, begin := false, len(a.Writes())
			a.Fault = func(c sandbox.Call) (f sandbox.Fault) {
				if dead {
					f.Refuse = errors.New("the process was killed")
				}
				dead = dead || c.WriteNo == begin+n
				return f
			}
			g, _ := prod.graph()
			_ = g.Up(t.Context())
			a.Fault = nil
			if s := prod.up(t); len(s.Providers) != 2 || len(s.Owner().Claims) != 2 {
				t.Errorf("killed after %d: %+v", n, s)
			}
			dev.down(t)
			prod.down(t)
			time.Sleep(time.Minute)
			if got := dev.status(t); got != "INACTIVE" {
				t.Errorf("killed after %d: the cluster is %s", n, got)
			}
		})
	}
}

// TestClusterWithoutRoom: ECS allows 50 tags, and each environment adds one to a cluster that
// it shares. The plan says so before up writes anything.
func TestClusterWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := tenant{account: sandbox.New(), env: "first"}
		for n := len(e.up(t).Tags); n < 50; n++ {
			e.env = fmt.Sprintf("e%d", n)
			e.up(t)
		}
		if a := e.plan(t); a.Op != provision.None || strings.Contains(fmt.Sprint(a.Notes), "allows 50") {
			t.Errorf("the plan of the last one that fits: %+v", a)
		}
		e.env = "late"
		writes := len(e.account.Writes())
		a := e.plan(t)
		if n := len(a.Notes) - 1; n < 0 || a.Notes[n].Severity != provision.Error || !strings.Contains(a.Notes[n].Text, `has 50 tags, this environment needs 1 more, and ECS allows 50 → name another cluster in the file: cluster { name = "flowbed-late" }`) {
			t.Errorf("the plan: %+v", a)
		}
		g, _ := e.graph()
		if err := g.Up(t.Context()); err == nil || len(e.account.Writes()) > writes {
			t.Errorf("up: %v, %d writes", err, len(e.account.Writes())-writes)
		}
	})
}

// ECS does not delete a cluster with EC2 instances, which somebody else has registered.
func TestClusterWithMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := tenant{account: sandbox.New(), env: "dev"}
		e.up(t)
		m, err := e.api().RegisterContainerInstance(t.Context(), &ecs.RegisterContainerInstanceInput{})
		if err != nil {
			t.Fatal(err)
		}
		before := len(e.account.Writes())
		g, _ := e.graph()
		_, err = g.Down(t.Context())
		wantError(t, err, "cluster default has 1 EC2 instance → deregister them (aws ecs list-container-instances --region us-east-1 --cluster default")
		if n := len(e.account.Writes()); n > before {
			t.Errorf("down has written before it stopped: %v", e.account.Writes()[before:])
		}
		if _, err := e.api().DeregisterContainerInstance(t.Context(), &ecs.DeregisterContainerInstanceInput{
			ContainerInstance: m.ContainerInstance.ContainerInstanceArn}); err != nil {
			t.Fatal(err)
		}
		e.down(t)
	})
}
