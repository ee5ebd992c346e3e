package stack

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// maxSubnets is how many subnets ECS accepts for a task:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
const maxSubnets = 16

// facts is what an agent or a work pool needs to know about other objects. A field is
// empty until it is known.
type facts struct {
	templates.Tasks
	vpc string
}

func (s *Stack) facts() (f facts) {
	cluster, _ := s.cluster.Expect()
	task, _ := s.task.Expect()
	execution, _ := s.execution.Expect()
	f.ClusterARN, f.TaskRole, f.ExecutionRole = cluster.ARN, task.ARN, execution.ARN
	if n, ok := s.network.Get(); ok {
		f.vpc, f.PublicIP = n.VPC, true
		for _, subnet := range n.Subnets[:min(len(n.Subnets), maxSubnets)] {
			f.Subnets = append(f.Subnets, subnet.ID)
			f.PublicIP = f.PublicIP && subnet.Public
		}
	}
	f.Groups = s.taskGroups()
	return f
}

// taskGroups are the ids of the security groups of tasks; none if they are not known yet.
func (s *Stack) taskGroups() []string {
	if named := s.env.Network.SecurityGroups; len(named) > 0 {
		return named
	}
	if g, ok := s.tasks.Get(); ok {
		return []string{g.ID}
	}
	return nil
}

// examplePartition has the longest name.
const examplePartition = "aws-us-gov"

// exampleTasks returns values of the maximum length.
func exampleTasks(env *spec.Environment) templates.Tasks {
	arn := func(service, object string) string {
		return "arn:" + examplePartition + ":" + service + ":" + env.Region + ":" + env.Account + ":" + object
	}
	t := templates.Tasks{
		ClusterARN: arn("ecs", "cluster/"+env.Cluster.Name), TaskRole: arn("iam", "role"+env.RolePath()+env.TaskRole.Name),
		ExecutionRole: arn("iam", "role"+env.RolePath()+env.ExecutionRole.Name), Groups: []string{"sg-00000000000000000"}, PublicIP: true,
	}
	if named := env.Network.SecurityGroups; len(named) > 0 {
		t.Groups = named
	}
	for range maxSubnets {
		t.Subnets = append(t.Subnets, "subnet-00000000000000000")
	}
	return t
}

// Check is for spec.Options.Check: it reports user data that EC2 would reject, or that has a
// secret in it, and fields that cannot be ignored.
func Check(env *spec.Environment) []spec.Complaint {
	return slices.Concat(checkUserData(env), checkLeaks(env), checkIgnored(env))
}

func checkUserData(env *spec.Environment) []spec.Complaint {
	if env.Agent == nil || env.Prefect == nil || env.Agent.Service != nil {
		return nil
	}
	if _, err := userData(env, examplePartition, exampleTasks(env)); err != nil {
		p, a := env.Prefect, env.Agent
		c := spec.Complaint{
			Fields: []any{&a.Setup, &p.CAFile, &a.Env, &a.PipPackages, &a.Labels, &a.WorkQueues, &p.APIURL}, Summary: "Invalid user data",
			Detail: fmt.Sprintf("The agent's user data, which contains values of the prefect and agent blocks, is invalid: %s.", strings.TrimPrefix(err.Error(), "write user data: ")),
		}
		if errors.As(err, new(*templates.TooLongError)) {
			c.Summary, c.Detail = "User data too long", c.Detail+shorten(env)
		}
		return []spec.Complaint{c}
	}
	return nil
}

// shorten is what to do about user data that is too long.
func shorten(env *spec.Environment) string {
	if n := len(env.Agent.Setup); n > 0 {
		return fmt.Sprintf(" → shorten the setup script, which has %d of them: let it download the rest, for example from the flow bucket", n)
	}
	return " → shorten the values"
}

// userData is the script that installs and starts the agent on the instance. It returns
// an error if a value is invalid or the script is too long for EC2.
func userData(env *spec.Environment, partition string, t templates.Tasks) (string, error) {
	a, err := agentOf(env, partition, t)
	if err != nil {
		return "", err
	}
	return templates.UserData(a)
}

// agentOf returns the template values for the environment's agent.
func agentOf(env *spec.Environment, partition string, t templates.Tasks) (templates.Agent, error) {
	p := env.Prefect
	v, err := prefect.ParseVersion(p.Version)
	if err != nil {
		return templates.Agent{}, err
	}
	c := templates.Common{
		Env: env.Name, Region: env.Region, Prefect: v.String(), APIURL: p.APIURL, CA: p.CAFile, TTL: env.Lifetime(),
		Extra: agentEnv(env), Proxy: agentProxy(env), Install: env.Agent.PipPackages,
		Index: env.Agent.PipIndexURL, Setup: env.Agent.Setup,
	}
	if p.HasSecret() {
		c.Secret = &templates.Secret{Variable: v.SecretVariable(p.Basic())}
		if r := existingSecret(env, partition); r.Set() {
			c.Secret.From = r
		} else {
			c.Secret.Parameter = names.Names{Env: env.Name}.APIKey()
		}
	}
	if v.Kind() == prefect.Agent1 {
		t.Tags = env.Tags
		return templates.Prefect1Agent(c, env.Agent.Labels, t)
	}
	return templates.Prefect3Agent(c, templates.Worker{
		PrefectAWS: v.AWS(), Before: v.Before(), WorkPool: p.WorkPool, Queues: env.Agent.WorkQueues, PoolExists: v.StaysOut(),
		Events: eventsQueue(env, v),
	}), nil
}

// agentEnv are the environment variables that the file sets for the agent, wherever it runs.
func agentEnv(env *spec.Environment) (list []templates.Setting) {
	if env.Agent == nil {
		return nil
	}
	proxy := agentProxy(env)
	list = proxy.Settings()
	for _, name := range slices.Sorted(maps.Keys(env.Agent.Env)) {
		if proxy == nil || !strings.EqualFold(name, noProxy) {
			list = append(list, templates.Setting{Name: name, Value: env.Agent.Env[name]})
		}
	}
	return list
}

const noProxy = "NO_PROXY"

// agentProxy is the proxy of the agent, with the exceptions that its variables name.
func agentProxy(env *spec.Environment) *templates.Proxy {
	if env.Agent == nil || env.Agent.Proxy == "" {
		return nil
	}
	p := &templates.Proxy{URL: env.Agent.Proxy}
	for name, value := range env.Agent.Env {
		if strings.EqualFold(name, noProxy) {
			p.Except = append(p.Except, spec.Exceptions(value)...)
		}
	}
	slices.Sort(p.Except)
	return p
}

// userData is the script with the facts that are known so far. Build has checked it with
// values of the maximum length. Should it fail all the same, the instance gets a script
// that reports the error.
func (s *Stack) userData() string {
	if s.env.Prefect == nil || !s.onInstance() {
		return ""
	}
	script, err := userData(s.env, s.id.Partition, s.facts().Tasks)
	if err != nil {
		return templates.FailedUserData(err)
	}
	return script
}
