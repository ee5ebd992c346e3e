package stack

import (
	"fmt"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// mostSubnets is how many subnets ECS takes for a task:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
const mostSubnets = 16

// facts are what an agent or a pool has to know of other objects, as far as it
// is known.
type facts struct {
	cluster, task, execution string // ARNs
	vpc                      string
	subnets, groups          []string
	public                   bool // tasks get a public address
}

func (s *Stack) facts() (f facts) {
	cluster, _ := s.cluster.Expect()
	task, _ := s.task.Expect()
	execution, _ := s.execution.Expect()
	f.cluster, f.task, f.execution = cluster.ARN, task.ARN, execution.ARN
	if n, ok := s.network.Get(); ok {
		f.vpc, f.public = n.VPC, true
		for _, subnet := range n.Subnets[:min(len(n.Subnets), mostSubnets)] {
			f.subnets = append(f.subnets, subnet.ID)
			f.public = f.public && subnet.Public
		}
	}
	if g, ok := s.tasks.Get(); ok {
		f.groups = []string{g.ID}
	}
	return f
}

// exampleFacts are as long as any can be.
func exampleFacts(env *spec.Environment) facts {
	arn := func(service, object string) string {
		return "arn:aws-us-gov:" + service + ":" + env.Region + ":" + env.Account + ":" + object
	}
	f := facts{
		cluster: arn("ecs", "cluster/"+env.Cluster.Name), task: arn("iam", "role/"+env.TaskRole.Name),
		execution: arn("iam", "role/"+env.ExecutionRole.Name), groups: []string{"sg-00000000000000000"}, public: true,
	}
	for range mostSubnets {
		f.subnets = append(f.subnets, "subnet-00000000000000000")
	}
	return f
}

// Check is for spec.Options.Check: it finds user data that EC2 would not take.
func Check(env *spec.Environment) []spec.Complaint {
	if env.Agent == nil || env.Agent.Prefect == nil {
		return nil
	}
	place := templates.Place{Partition: "aws", Region: env.Region, Account: env.Account, Env: env.Name}
	if _, err := userData(env, place, exampleFacts(env)); err != nil {
		p := env.Agent.Prefect
		return []spec.Complaint{{
			Fields: []any{&p.CAFile, &p.Labels, &p.APIURL}, Summary: "The agent cannot be set up",
			Detail: fmt.Sprintf("Its user data cannot be written: %s. It has the values of the prefect block in it.", strings.TrimPrefix(err.Error(), "write user data: ")),
		}}
	}
	return nil
}

// userData is the script that makes the environment's instance the agent. The
// error says why it cannot be written, or by how much it is too long.
func userData(env *spec.Environment, place templates.Place, f facts) (string, error) {
	p := env.Agent.Prefect
	v, err := prefect.ParseVersion(p.Version)
	if err != nil {
		return "", err
	}
	parameter, variable := "", ""
	if p.APIKey != "" || p.AuthString != "" {
		parameter, variable = parameterName(place.Env), v.SecretVariable(p.APIKey == "")
	}
	if v.Kind() == prefect.Agent1 {
		return templates.UserData1(templates.Agent1{
			Place: place, Prefect: v.String(), APIURL: p.APIURL, Labels: p.Labels,
			ClusterARN: f.cluster, TaskRole: f.task, ExecutionRole: f.execution, LaunchType: "FARGATE",
			Subnets: f.subnets, Groups: f.groups, PublicIP: f.public,
			Parameter: parameter, Variable: variable, CA: p.CAFile, TTL: env.Lifetime(),
		})
	}
	return templates.UserData(templates.Agent{
		Place: place, Prefect: v.String(), PrefectAWS: v.AWS(), Before: v.Before(), APIURL: p.APIURL, WorkPool: p.WorkPool,
		PoolExists: v.StaysOut(), Parameter: parameter, Variable: variable, CA: p.CAFile, TTL: env.Lifetime(),
	})
}

// userData is the script with what is known by now. Build has seen that it can
// be written; should the facts be of another kind than the examples, the agent
// says so instead.
func (s *Stack) userData() string {
	if s.prefect() == nil {
		return ""
	}
	script, err := userData(s.env, s.place(), s.facts())
	if err != nil {
		return "#!/bin/sh\necho 'FLOWBED: FAILED: " + strings.ReplaceAll(err.Error(), "'", "") + "' >/dev/console\n"
	}
	return script
}
