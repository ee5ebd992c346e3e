package stack

import (
	"fmt"
	"strings"
)

// Output is one name, ARN or command that a user of the environment needs.
type Output struct {
	Name  string // in snake_case; scripts depend on it, so it must not change
	Value string // empty if the object does not exist
	List  []string
}

// Outputs returns the outputs for the objects that the last reading found. It makes no
// calls.
func (s *Stack) Outputs() []Output {
	list := []Output{
		{Name: "environment", Value: s.id.Env},
		{Name: "account", Value: s.id.Account},
		{Name: "region", Value: s.id.Region},
	}
	add := func(name, value string) {
		if value != "" {
			list = append(list, Output{Name: name, Value: value})
		}
	}
	bucket, _ := s.bucket.Get()
	add("bucket", bucket.Name)
	task, _ := s.task.Get()
	add("task_role_arn", task.ARN)
	execution, _ := s.execution.Get()
	add("execution_role_arn", execution.ARN)
	cluster, _ := s.cluster.Get()
	add("cluster_arn", cluster.ARN)
	logs, _ := s.logs.Get()
	add("log_group", logs.Name)
	if repository, ok := s.repository.Get(); ok {
		add("repository_uri", repository.URI)
		add("repository_login_command", loginCommand(repository.URI, s.id.Region))
	}
	if network, ok := s.network.Get(); ok {
		add("vpc", network.VPC)
		subnets := make([]string, len(network.Subnets))
		for i, n := range network.Subnets {
			subnets[i] = n.ID
		}
		list = append(list, Output{Name: "subnets", List: subnets})
	}
	if group, ok := s.tasks.Get(); ok {
		list = append(list, Output{Name: "security_groups", List: []string{group.ID}})
	}
	return append(list, s.agentOutputs()...)
}

// loginCommand lets Docker push to a repository for 12 hours.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
func loginCommand(uri, region string) string {
	registry, _, _ := strings.Cut(uri, "/")
	return fmt.Sprintf("aws ecr get-login-password --region %s | docker login --username AWS --password-stdin %s", region, registry)
}

func (s *Stack) agentOutputs() (list []Output) {
	agent, ok := s.agent.Get()
	if !ok || agent.ID == "" {
		return nil
	}
	list = append(list, Output{Name: "instance_id", Value: agent.ID})
	if agent.PublicIP != "" {
		list = append(list, Output{Name: "public_ip", Value: agent.PublicIP})
		if s.env.Agent != nil && s.env.Agent.SSH != nil {
			list = append(list, Output{Name: "ssh_command", Value: "ssh ec2-user@" + agent.PublicIP})
		}
	}
	return append(list, Output{Name: "session_command",
		Value: fmt.Sprintf("aws ssm start-session --target %s --region %s", agent.ID, s.id.Region)})
}
