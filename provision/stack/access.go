package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// Agent reads the agent's instance, and nothing else. It returns an error if the
// instance does not exist or is not ours.
func (s *Stack) Agent(ctx context.Context) (resource.InstanceState, error) {
	have, err := s.agent.Await(ctx)
	switch {
	case errors.Is(err, provision.ErrAbsent) && have.Owner().Doubt != "":
		return have, doubtful(have.Owner().Doubt)
	case errors.Is(err, provision.ErrAbsent):
		return have, fmt.Errorf("environment %s has no agent instance", s.id.Env)
	case err != nil:
		return have, err
	}
	return have, nil
}

// doubtful is why an instance is not certainly the agent, and what the user can do.
type doubtful string

func (d doubtful) Error() string {
	why, _, _ := strings.Cut(string(d), " → ")
	return why
}

// Hint is what the user can do.
func (d doubtful) Hint() string {
	_, hint, _ := strings.Cut(string(d), " → ")
	return hint
}

// Console returns what the agent's setup wrote to the instance console.
func (s *Stack) Console(ctx context.Context, agent resource.InstanceState) string {
	return resource.Console(ctx, s.c.EC2, agent.ID)
}

// Shell returns a shell on the agent's instance.
func (s *Stack) Shell(agent resource.InstanceState) resource.Shell {
	return resource.Shell{API: s.c.SSM, Instance: agent.ID}
}
