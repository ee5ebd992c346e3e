package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/templates"
)

// Output is one name, ARN or command that a user of the environment needs.
type Output struct {
	Name  string // in snake_case; scripts depend on it, so it must not change
	Value string // empty if the object does not exist
	List  []string
}

// Exists reports whether the last reading found the environment's log group, which up
// creates first.
func (s *Stack) Exists() bool {
	logs, ok := s.logs.Get()
	return ok && logs.Owner().By == s.id.Owner()
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
	if groups := s.taskGroups(); len(groups) > 0 {
		list = append(list, Output{Name: "security_groups", List: groups})
	}
	if s.Exists() {
		list = append(list, s.prefectOutputs()...)
	}
	return slices.Concat(list, s.agentOutputs(), s.urls())
}

// prefectOutputs come from the spec: outputs does not call Prefect's API, so that it needs
// no secret.
func (s *Stack) prefectOutputs() (list []Output) {
	p := s.env.Prefect
	if p == nil || p.APIURL == "" {
		return nil
	}
	list = []Output{{Name: "prefect_api_url", Value: p.APIURL}}
	if s.version.Kind() == prefect.Agent1 {
		return list
	}
	if page := prefectPage(p.APIURL, p.WorkPool); page != "" {
		list = append(list, Output{Name: "prefect_url", Value: page})
	}
	list = append(list,
		Output{Name: "work_pool", Value: p.WorkPool}, Output{Name: "image", Value: cmp.Or(s.env.Flows.Image, s.defaultImage())})
	if s.env.Agent == nil {
		list = append(list, Output{Name: "worker_install_command", Value: fmt.Sprintf("pip install 'prefect[aws]==%s' prefect-aws==%s", s.version, s.version.AWS())},
			Output{Name: "worker_command", Value: s.workerCommand()})
	}
	return list
}

// workerCommand starts a worker elsewhere. Whoever runs it adds the API's secret.
func (s *Stack) workerCommand() string {
	events := ""
	if q := eventsQueue(s.env, s.version); q != "" {
		events = templates.EventsVariable + "=" + q + " "
	}
	command := fmt.Sprintf("PREFECT_API_URL=%s AWS_DEFAULT_REGION=%s %sprefect worker start --type ecs --pool %s --install-policy never",
		templates.ShellWord(s.env.Prefect.APIURL), s.id.Region, events, s.env.Prefect.WorkPool)
	if s.version.StaysOut() {
		command += " --no-create-pool-if-not-found"
	}
	return command
}

// defaultImage is the image of flows for which the spec and the deployment name none.
func (s *Stack) defaultImage() string {
	if repository, ok := s.repository.Expect(); ok {
		return repository.URI
	}
	return s.version.Image()
}

// loginCommand lets Docker push to a repository for 12 hours.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
func loginCommand(uri, region string) string {
	registry, _, _ := strings.Cut(uri, "/")
	return fmt.Sprintf("aws ecr get-login-password --region %s | docker login --username AWS --password-stdin %s", region, registry)
}

// serviceOutputs are those of an agent in a service, whose workers' names are those of its
// tasks.
func (s *Stack) serviceOutputs() []Output {
	service, ok := s.service.Get()
	if !ok || service.Status != "ACTIVE" {
		return nil
	}
	definition, _ := s.definition.Get()
	return []Output{
		{Name: "service_arn", Value: service.ARN}, {Name: "task_definition_arn", Value: definition.ARN}, {Name: "worker_role_arn", Value: s.id.ARN("iam", "", "role"+s.env.RolePath()+s.id.Names().Service())},
	}
}

func (s *Stack) agentOutputs() (list []Output) {
	list = s.serviceOutputs()
	agent, ok := s.agent.Get()
	if !ok || agent.ID == "" {
		return list
	}
	list = append(list, Output{Name: "instance_id", Value: agent.ID})
	if s.env.Prefect != nil {
		list = append(list, Output{Name: "worker", Value: s.id.Names().Worker(agent.ID)})
	}
	if agent.PublicIP != "" {
		list = append(list, Output{Name: "public_ip", Value: agent.PublicIP})
		if s.env.Agent != nil && s.env.Agent.SSH != nil {
			list = append(list, Output{Name: "ssh_command", Value: "ssh ec2-user@" + agent.PublicIP})
		}
	}
	return append(list, Output{Name: "session_command",
		Value: fmt.Sprintf("aws ssm start-session --target %s --region %s", agent.ID, s.id.Region)})
}
