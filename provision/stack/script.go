package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// Script returns what runs on the agent of an environment: the user data of its instance, or
// what the container of its service runs, as the text of a shell script. It makes no calls.
// What only up can know, such as the id of a group, is as in a plan of an empty account.
func Script(env *spec.Environment, id resource.Identity) (string, error) {
	s, err := Build(env, id, Clients{}, Options{})
	if err != nil {
		return "", err
	}
	switch {
	case s.env.Agent == nil:
		return "", errors.New("the environment has no agent")
	case s.onInstance():
		return s.shownUserData(), nil
	}
	d := s.runs
	d.Container = func() (resource.Container, error) { return s.containerIn(s.shownTasks()) }
	text, err := d.Text()
	if err != nil {
		return "", fmt.Errorf("describe the container of the agent: %w", err)
	}
	return text, nil
}

// UserData reads the user data of the agent's instance.
func (s *Stack) UserData(ctx context.Context, agent resource.InstanceState) (string, error) {
	return resource.Instance{API: s.c.EC2}.ReadUserData(ctx, agent.ID)
}

// Script reads what the service's container runs, in the form of the function Script.
func (a *AgentService) Script(ctx context.Context) (string, error) {
	return resource.TaskDefinition{API: a.s.c.ECS}.ReadText(ctx, a.Definition)
}

// shownUserData is the user data with words in place of what is not known yet.
func (s *Stack) shownUserData() string {
	if s.env.Prefect == nil || !s.onInstance() {
		return ""
	}
	script, err := userData(s.env, s.id.Partition, s.shownTasks())
	if err != nil {
		return templates.FailedUserData(err)
	}
	return script
}

// shownTasks are the facts about tasks, with words in place of those that are not known yet.
func (s *Stack) shownTasks() templates.Tasks {
	t, unknown := s.facts().Tasks, provision.Unknown().String()
	if len(t.Subnets) == 0 {
		t.Subnets = []string{unknown}
		// So it will be, unless all subnets are private.
		t.PublicIP = s.env.Network.PublicIP == nil || *s.env.Network.PublicIP
	}
	if len(t.Groups) == 0 {
		t.Groups = []string{unknown}
	}
	return t
}

// causes says in words why a program of the agent differs from one that flowbed wrote before.
func (s *Stack) causes(have, want, wrote string) []string {
	return templates.Causes(templates.Program{Text: have, Version: wrote}, templates.Program{Text: want, Version: s.id.Version})
}
