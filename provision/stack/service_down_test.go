package stack_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/test/try"
)

// TestServiceGoesBeforeTasks: down deletes the service first, and waits until its worker has
// stopped, although ECS shows the service as INACTIVE before. The worker may start the task of a
// flow until then: that one is stopped, too. What all of them use goes after them. The worker is
// no task of a flow, and keeps nobody from deleting the cluster.
func TestServiceGoesBeforeTasks(t *testing.T) {
	for _, cluster := range []string{"own", "shared", "external"} {
		t.Run(cluster, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFlowsOf(t, cluster, "agent {\n service {}\n}")
				api := ecs.NewFromConfig(w.account.Config(region))
				workers := try.Must(api.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: &w.cluster, ServiceName: aws.String("flowbed-dev-worker")})).TaskArns
				if len(workers) != 1 {
					t.Fatalf("%d workers run, want 1", len(workers))
				}
				w.run()
				w.account.StopTime, w.account.InterfaceTime = 2*time.Minute, 5*time.Minute
				plan, err := w.removal().Graph.PlanDown(t.Context())
				if err != nil || plan.Err() != nil {
					t.Fatal(err, plan.Err())
				}
				want := "running tasks delete 1 task: 1 running task of this environment will be stopped: 1 of family prefect_flowbed-dev_nightly in cluster " + w.cluster
				if have := ofTasks(plan); have != want {
					t.Errorf("the plan says %q, want %q", have, want)
				}
				var once sync.Once
				w.watch(func(call string) {
					if call == "DeleteService" {
						once.Do(func() { time.AfterFunc(w.account.StopTime-time.Second, func() { w.run() }) })
					}
				})
				left, err := w.removal().Graph.Down(t.Context())
				if err != nil || !left.Empty() {
					t.Fatalf("down: %v, left %+v", err, left)
				}
				if w.first != "DeleteService" {
					t.Errorf("the first call is %s", w.first)
				}
				stopped := w.last("DeleteService").Add(w.account.StopTime)
				if n := len(w.at["StopTask"]); n != 2 {
					t.Errorf("%d tasks were stopped, want 2", n)
				}
				calls := []string{"StopTask", "DeleteRole", "DeregisterTaskDefinition", "DeleteBucket", "DeleteLogGroup", "DeleteSecurityGroup"}
				if cluster == "own" {
					calls = append(calls, "DeleteCluster")
				}
				for _, call := range calls {
					w.last(call)
					if at := slices.MinFunc(w.at[call], time.Time.Compare); at.Before(stopped) {
						t.Errorf("%s comes %s before the worker has stopped", call, stopped.Sub(at))
					}
				}
				id := workers[0][strings.LastIndex(workers[0], "/")+1:]
				if have := w.waits("service"); !slices.Contains(have, "task "+id+" of service flowbed-dev-worker (STOPPING)") {
					t.Errorf("the service waits for %q", have)
				}
			})
		})
	}
}

// TestServiceInRenamedCluster: the service moves with its cluster. The old worker keeps nobody from
// deleting the old cluster, and nothing of it is left.
func TestServiceInRenamedCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		in := func(cluster string) string {
			return strings.Replace(inService(""), "agent {", fmt.Sprintf("cluster { name = %q }\n\t\tagent {", cluster), 1)
		}
		for _, name := range []string{"one", "two"} {
			if err := build(t, account, in(name), with(account)).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		unchanged(t, account, in("two"))
		if have := fmt.Sprint(account.Inventory()); strings.Contains(have, "/one") {
			t.Errorf("something in the old cluster is left: %s", have)
		}
		pass(t, account, 3*time.Minute)
		wantWorkers(t, account, 1)
	})
}

// TestForeignService: down leaves a service under our name that is not certainly ours, and its
// cluster with it, and deletes the rest.
func TestForeignService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		text := inService("")
		if err := build(t, account, text, with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		api := ecs.NewFromConfig(account.Config(region))
		out := try.Must(api.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("default"), Services: []string{"flowbed-dev-worker"}}))
		try.Must(api.UntagResource(t.Context(), &ecs.UntagResourceInput{ResourceArn: out.Services[0].ServiceArn, TagKeys: []string{"flowbed:environment"}}))
		o := with(account)
		o.Destroy, o.ForceDestroy = true, true
		left, err := build(t, account, text, o).Graph.Down(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var steps []string
		for _, a := range left.Actions {
			if a.Op == provision.Leave {
				steps = append(steps, a.Step)
			}
		}
		slices.Sort(steps)
		if want := []string{"agent security group", "cluster", "service"}; !slices.Equal(steps, want) {
			t.Errorf("left are %v, want %v", steps, want)
		}
	})
}
