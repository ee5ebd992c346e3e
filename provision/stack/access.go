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
	case errors.Is(err, provision.ErrAbsent):
		return have, fmt.Errorf("environment %s has no agent instance", s.id.Env)
	case err != nil:
		return have, err
	case have.Owner().By != s.id.Owner():
		return have, fmt.Errorf("%s has the tags of an agent of environment %s, but flowbed did not create it", have.ID, s.id.Env)
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
