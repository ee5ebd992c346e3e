package stack

import (
	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// UserData is the script that makes the environment's instance the agent. The
// error says why it cannot be written, or by how much it is too long.
func UserData(env *spec.Environment, p templates.Place) (string, error) {
	f := env.Agent.Prefect
	v, err := prefect.ParseVersion(f.Version)
	if err != nil {
		return "", err
	}
	parameter, variable := "", ""
	if f.APIKey != "" {
		parameter, variable = parameterName(p.Env), "PREFECT_API_KEY"
	}
	return templates.UserData(templates.Agent{
		Place: p, Prefect: v.String(), PrefectAWS: v.AWS(), APIURL: f.APIURL, WorkPool: f.WorkPool,
		Parameter: parameter, Variable: variable,
	})
}

// userData is UserData of a spec that has been checked before.
func (s *Stack) userData() string {
	script, err := UserData(s.env, s.place())
	if err != nil {
		panic(err) // Build would have failed
	}
	return script
}

// agentPolicy is what the agent may do; passes are the ARNs of the roles that
// it hands to tasks.
func (s *Stack) agentPolicy(passes []string) map[string]string {
	cluster, _ := s.cluster.Expect()
	r := templates.AgentRights{ClusterARN: cluster.ARN, Roles: passes}
	if s.secret() != "" {
		r.Parameter = s.parameterName()
	}
	if a := s.env.Agent; a != nil && a.Prefect != nil {
		r.WorkPool = a.Prefect.WorkPool
	}
	return map[string]string{"flowbed": templates.AgentPolicy(s.place(), r)}
}

// addPrefect adds what is in Prefect and not in AWS: the work pool, and the
// worker that has to report to it.
func (s *Stack) addPrefect() error {
	a := s.env.Agent
	if s.o.NoPrefect || a == nil || a.Prefect == nil {
		return nil
	}
	api, err := s.prefectAPI(a.Prefect)
	if err != nil {
		return err
	}
	pool := provision.Add(s.Graph, "work pool", provision.Own, resource.Pool{
		API: api, ID: s.id, Name: a.Prefect.WorkPool, Removing: s.o.Removal, Want: s.poolDefaults,
		After: []provision.Edge{s.cluster, s.task, s.execution, s.network, s.tasks, s.logs, s.parameter},
	})
	if s.o.NoWait {
		return nil
	}
	provision.Add(s.Graph, "worker", provision.Own, resource.Worker{
		API: api, EC2: s.c.EC2, ID: s.id, Pool: a.Prefect.WorkPool, Removing: s.o.Removal,
		Agent: s.agent, Wait: s.o.Wait, After: []provision.Edge{pool},
	})
	return nil
}

// prefectAPI is nil if a removal has nothing to call it with.
func (s *Stack) prefectAPI(p *spec.Prefect) (*prefect.Client, error) {
	if s.o.Removal && p.APIURL == "" {
		return nil, nil
	}
	return prefect.New(prefect.Config{URL: p.APIURL, APIKey: p.APIKey, UserAgent: "flowbed/" + s.id.Version})
}

// poolDefaults are what the work pool gives to each run.
func (s *Stack) poolDefaults() prefect.Defaults {
	v, _ := prefect.ParseVersion(s.env.Agent.Prefect.Version) // Build has parsed it
	d := prefect.Defaults{
		Kind: v.Kind(), LogGroup: s.logGroupName(), Region: s.id.Region,
		Image: v.Image(), Packages: "prefect-aws==" + v.AWS(),
	}
	cluster, _ := s.cluster.Expect()
	task, _ := s.task.Expect()
	execution, _ := s.execution.Expect()
	d.ClusterARN, d.TaskRole, d.ExecutionRole = cluster.ARN, task.ARN, execution.ARN
	if n, ok := s.network.Get(); ok {
		d.VPC = n.VPC
		d.PublicIP = true
		for _, subnet := range n.Subnets {
			d.Subnets = append(d.Subnets, subnet.ID)
			d.PublicIP = d.PublicIP && subnet.Public
		}
	}
	if g, ok := s.tasks.Get(); ok {
		d.Groups = []string{g.ID}
	}
	if s.secret() != "" {
		d.Variable = "PREFECT_API_KEY"
		d.SecretARN = s.id.ARN("ssm", s.id.Region, "parameter"+s.parameterName())
	}
	return d
}
