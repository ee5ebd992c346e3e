//go:build linux

package e2e

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/test/e2e/fargate"
)

// served registers a definition for a service. Its container is healthy as soon as it is ready.
func (w *playerWorld) served(command string) *string {
	w.Helper()
	return w.register(types.ContainerDefinition{
		Name: aws.String("one"), Image: aws.String("one:1"), Command: []string{"sh", "-c", command}, StopTimeout: aws.Int32(2),
		HealthCheck: &types.HealthCheck{Command: []string{"CMD-SHELL", "test -e /tmp/ready"}, Retries: aws.Int32(2)},
	})
}

// servesAs waits until the deployment of a definition has a state, and returns the service. It
// calls look all the time.
func (w *playerWorld) servesAs(definition *string, state types.DeploymentRolloutState, look func(types.Service)) (s types.Service) {
	w.Helper()
	eventually(w.T, "the deployment of "+*definition+" is "+string(state), func() bool {
		out, err := w.ecs.DescribeServices(w.Context(), &ecs.DescribeServicesInput{Services: []string{"one"}, Include: []types.ServiceField{types.ServiceFieldTags}})
		if err != nil || len(out.Services) != 1 {
			w.Fatalf("describe the service: %v, %v", out, err)
		}
		s = out.Services[0]
		look(s)
		return len(s.Deployments) > 0 && *s.Deployments[0].TaskDefinition == *definition && s.Deployments[0].RolloutState == state
	})
	return s
}

// running returns the running tasks of the service.
func (w *playerWorld) running() (list []fargate.Ran) {
	for _, t := range w.player.Tasks() {
		if t.Group == "service:one" && t.Status == "RUNNING" {
			list = append(list, t)
		}
	}
	return list
}

// TestPlayerService checks the scheduler: it starts tasks, replaces those that end, replaces
// old tasks without a gap, goes back if new ones do not run, and drains.
func TestPlayerService(t *testing.T) {
	needPlayer(t)
	t.Parallel()
	w := newPlayerWorld(t)
	const serve = "touch /tmp/ready; trap 'exit 0' TERM; while :; do sleep 0.1; done; # "
	first, second, broken := w.served(serve+"1"), w.served(serve+"2"), w.served("exit 1")
	_, err := w.ecs.CreateService(t.Context(), &ecs.CreateServiceInput{
		ServiceName: aws.String("one"), TaskDefinition: first, DesiredCount: aws.Int32(2), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: w.networkInput(),
		PropagateTags: types.PropagateTagsService, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
		DeploymentConfiguration: &types.DeploymentConfiguration{
			MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(200), DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := w.servesAs(first, types.DeploymentRolloutStateCompleted, func(types.Service) {})
	if len(s.Tags) != 1 || s.RunningCount != 2 || s.LaunchType != types.LaunchTypeFargate || s.PropagateTags != types.PropagateTagsService {
		t.Errorf("have %d tasks on %s, tags %v from %s", s.RunningCount, s.LaunchType, s.Tags, s.PropagateTags)
	}

	killed := w.running()[0]
	if killed.Tags["a"] != "b" {
		t.Errorf("the task has the tags %v, want those of the service", killed.Tags)
	}
	if err := w.player.Kill(killed.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another task is healthy", func() bool {
		list := w.running()
		return len(list) == 2 && !slices.ContainsFunc(list, func(r fargate.Ran) bool { return r.ID == killed.ID || r.Health != "HEALTHY" })
	})

	// While it moves to the second definition, as many tasks run as should, and never more than
	// twice as many.
	update := func(definition *string) {
		t.Helper()
		if _, err := w.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: aws.String("one"), TaskDefinition: definition}); err != nil {
			t.Fatal(err)
		}
	}
	update(second)
	between := func(s types.Service) {
		if n := s.RunningCount + s.PendingCount; s.RunningCount < 2 || n > 4 {
			t.Errorf("have %d running and %d starting tasks", s.RunningCount, s.PendingCount)
		}
	}
	w.servesAs(second, types.DeploymentRolloutStateCompleted, between)

	update(broken)
	s = w.servesAs(second, types.DeploymentRolloutStateCompleted, between)
	if *s.TaskDefinition != *second || !slices.ContainsFunc(s.Events, func(e types.ServiceEvent) bool { return strings.Contains(*e.Message, "tasks failed to start") }) {
		t.Errorf("the service has %s and the events %v, want the definition before the broken one", *s.TaskDefinition, s.Events)
	}
	w.deleted(second)
}

// deleted deletes the service, and then the cluster.
func (w *playerWorld) deleted(definition *string) {
	w.Helper()
	cluster := &ecs.DeleteClusterInput{Cluster: aws.String("default")}
	if _, err := w.ecs.DeleteCluster(w.Context(), cluster); !isA[*types.ClusterContainsServicesException](err) {
		w.Errorf("delete the cluster: have %v", err)
	}
	if _, err := w.ecs.DeleteService(w.Context(), &ecs.DeleteServiceInput{Service: aws.String("one"), Force: aws.Bool(true)}); err != nil {
		w.Fatal(err)
	}
	if _, err := w.ecs.UpdateService(w.Context(), &ecs.UpdateServiceInput{Service: aws.String("one"), TaskDefinition: definition}); !isA[*types.ServiceNotActiveException](err) {
		w.Errorf("update a deleted service: have %v", err)
	}
	eventually(w.T, "the service is inactive, and its tasks have ended", func() bool {
		out, err := w.ecs.DescribeServices(w.Context(), &ecs.DescribeServicesInput{Services: []string{"one"}})
		if err != nil {
			w.Fatal(err)
		}
		ended := !slices.ContainsFunc(w.player.Tasks(), func(r fargate.Ran) bool { return r.Status != "STOPPED" })
		return *out.Services[0].Status == "INACTIVE" && ended
	})
	if _, err := w.ecs.DeleteCluster(w.Context(), cluster); err != nil {
		w.Errorf("delete the cluster: %v", err)
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
