package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// Agent finds the instance that runs the agent, and looks at nothing else.
func (s *Stack) Agent(ctx context.Context) (resource.InstanceState, error) {
	have, err := s.agent.Await(ctx)
	switch {
	case errors.Is(err, provision.ErrAbsent):
		return have, fmt.Errorf("the environment %s has no agent that runs", s.id.Env)
	case err != nil:
		return have, err
	case have.Owner().By != s.id.Owner():
		return have, fmt.Errorf("%s has the name of our agent, but is not this environment's", have.ID)
	}
	return have, nil
}

// Console is what the agent has said about its setup.
func (s *Stack) Console(ctx context.Context, agent resource.InstanceState) string {
	return resource.Console(ctx, s.c.EC2, agent.ID)
}

// Shell runs scripts where the agent runs.
func (s *Stack) Shell(agent resource.InstanceState) resource.Shell {
	return resource.Shell{API: s.c.SSM, Instance: agent.ID}
}
