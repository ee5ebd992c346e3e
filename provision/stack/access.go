package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// Agent reads the agent's instance, and nothing else. It returns an error if the
// instance does not exist or is not ours.
func (s *Stack) Agent(ctx context.Context) (resource.InstanceState, error) {
	have, err := s.agent.Await(ctx)
	switch {
	case errors.Is(err, provision.ErrAbsent) && have.Owner().Doubt != "":
		return have, errors.New(have.Owner().Doubt)
	case errors.Is(err, provision.ErrAbsent):
		return have, fmt.Errorf("environment %s has no agent instance", s.id.Env)
	case err != nil:
		return have, err
	}
	return have, nil
}

// Console returns what the agent's setup wrote to the instance console.
func (s *Stack) Console(ctx context.Context, agent resource.InstanceState) string {
	return resource.Console(ctx, s.c.EC2, agent.ID)
}

// Shell returns a shell on the agent's instance.
func (s *Stack) Shell(agent resource.InstanceState) resource.Shell {
	return resource.Shell{API: s.c.SSM, Instance: agent.ID}
}
