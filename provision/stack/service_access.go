package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// RunsService reports whether the spec has the agent in a service.
func (s *Stack) RunsService() bool { return s.onService() != nil }

// Service reads the agent's service. It returns an error if the service does not exist or is
// not ours.
func (s *Stack) Service(ctx context.Context) (*AgentService, error) {
	have, err := s.service.Await(ctx)
	switch {
	case errors.Is(err, provision.ErrAbsent):
		return nil, fmt.Errorf("environment %s has no service", s.id.Env)
	case err != nil:
		return nil, err
	case have.Owner().By != s.id.Owner():
		return nil, fmt.Errorf("service %s exists in cluster %s, but flowbed did not create it", have.Name, have.Cluster)
	}
	return &AgentService{ServiceState: have, s: s}, nil
}

// AgentService is the agent's service, for people.
type AgentService struct {
	resource.ServiceState
	s *Stack
}

// workers is what runs in the service.
func (a *AgentService) workers() resource.ServiceWorker {
	return resource.ServiceWorker{
		ECS: a.s.c.ECS, Logs: a.s.c.Logs, ID: a.s.id, Cluster: a.Cluster, Name: a.Name, Container: containerName, LogGroup: a.s.logGroup(),
	}
}

// Events returns what ECS has said about the service last.
func (a *AgentService) Events(ctx context.Context) []string {
	return resource.Service{API: a.s.c.ECS, ID: a.s.id, Cluster: a.Cluster, Name: a.Name}.Events(ctx)
}

// Tasks returns the ids of the tasks that run, or else of the newest that has ended.
func (a *AgentService) Tasks(ctx context.Context) ([]string, error) { return a.workers().Tasks(ctx) }

// Log returns the last lines of a task's log.
func (a *AgentService) Log(ctx context.Context, task string, lines int) ([]string, error) {
	return a.workers().Log(ctx, task, lines)
}

// Restart replaces the tasks by new ones, and waits until they are as ECS wants them. Progress
// is told how far it is.
func (a *AgentService) Restart(ctx context.Context, progress func(string)) error {
	kind := resource.Service{API: a.s.c.ECS, ID: a.s.id, Cluster: a.Cluster, Name: a.Name}
	if err := kind.Restart(ctx); err != nil {
		return err
	}
	return kind.AwaitDeployment(ctx, progress)
}
