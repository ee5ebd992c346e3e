package stack

import (
	"errors"
	"maps"
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// openPrefect creates the client for Prefect's API. Down goes on without a client if
// the config file has no valid API settings, because they are not checked for down.
func (s *Stack) openPrefect() (err error) {
	p := s.env.Prefect
	s.prefect = prefect.Config{UserAgent: "flowbed/" + s.id.Version, Transport: s.o.Transport}
	if s.o.Fence != nil {
		s.prefect.Guard = s.o.Fence.Check
	}
	if p == nil {
		return nil
	}
	s.version, err = prefect.ParseVersion(p.Version)
	if err != nil && !s.o.Destroy {
		return err
	}
	if s.o.NoPrefect {
		return nil
	}
	with := APISettings(s.env, s.id, s.c, s.o.Learned)
	with.Transport, with.Guard = s.prefect.Transport, s.prefect.Guard
	s.api, err = prefect.New(with)
	if err == nil && s.version.Kind() != prefect.Agent1 {
		s.prefect = with
	}
	if s.o.Destroy {
		return nil
	}
	return err
}

// addPoolAPI lets a run that deletes the environment find the API of its work pools.
func (s *Stack) addPoolAPI() {
	if !s.o.Destroy || s.o.NoPrefect {
		return
	}
	s.poolAPI = &resource.PoolAPI{
		Config: s.prefect, SSM: s.c.SSM, ID: s.id, Names: s.nameLog, Logs: s.logs.Await, Parameter: s.parameter.Await,
		Learned: s.o.Learned,
	}
}

// apiTags are the tags of the parameter with the secret. They tell a run without the config
// file for which API the secret is.
func (s *Stack) apiTags() resource.Tags {
	if s.secret() == "" {
		return nil
	}
	return resource.APITags(s.env.Prefect.APIURL, s.env.Prefect.Basic())
}

// addPool adds the work pool. Prefect 1 has no work pools. An earlier spec may have had one.
func (s *Stack) addPool() {
	p := s.env.Prefect
	if s.o.NoPrefect {
		return
	}
	names := s.orphanPools()
	if names.Current == "" {
		return
	}
	s.pool = add(s, "work pool", provision.Own, resource.Pool{
		API: s.api, ID: s.id, Name: p.WorkPool, Limit: p.ConcurrencyLimit, Destroy: s.o.Destroy, Want: s.poolDefaults,
		Down: s.poolAPI, DeleteDeployments: s.o.DeleteDeployments,
		After: []provision.Edge{s.cluster, s.task, s.execution, s.network, s.tasks, s.logs, s.parameter, s.running, s.results},
		Names: names, Queues: s.queues(), Secret: s.existingSecret(),
	})
}

// queues are the work queues of the agent's worker; none means all.
func (s *Stack) queues() []string {
	if s.env.Agent == nil {
		return nil
	}
	return s.env.Agent.WorkQueues
}

// addServer adds a step that calls Prefect 1's API, so that a wrong URL or key stops up
// before it changes anything. In later versions, the work pool calls the API.
func (s *Stack) addServer() provision.Ref[resource.ServerState] {
	if s.api == nil || s.o.Destroy || s.version.Kind() != prefect.Agent1 {
		return provision.Ref[resource.ServerState]{}
	}
	return data(s, "prefect server", resource.Server{API: s.api, Tenants: !s.apiSecret().Set(), Secret: s.existingSecret()})
}

// addWorker adds the step in which up waits until Prefect lists the agent's worker. A run that
// deletes the environment adds it before the agent, because it deletes the agent first.
func (s *Stack) addWorker() {
	p := s.env.Prefect
	if s.o.NoPrefect || s.o.NoWait || p == nil || s.env.Agent == nil {
		return
	}
	w := resource.Worker{
		API: s.api, EC2: s.c.EC2, SSM: s.c.SSM, ID: s.id, Pool: p.WorkPool, Destroy: s.o.Destroy, Down: s.poolAPI,
		Version1: s.version.Kind() == prefect.Agent1,
		Agent:    s.agent, Wait: s.o.Wait, After: []provision.Edge{s.pool, s.service, s.oldService, s.ownNetwork}, Watch: &resource.Watch{},
	}
	if w.Version1 { // which has no pool
		w.Secret = s.existingSecret()
	}
	// The worker comes after the network, although its agent does, so that an old way out goes only
	// when it is online.
	switch {
	case s.o.Destroy: // the agent goes first, and the records of its workers with or before the pool
		w.After = nil
	case s.onService() != nil:
		// Up prunes an earlier instance after the steps that refer to it: when the new workers
		// are online.
		s.addServiceWorker(w, []provision.Edge{s.pool, s.agent, s.oldService, s.ownNetwork})
		return
	}
	s.worker = add(s, "worker", provision.Own, w)
}

// poolDefaults are the work pool's defaults for each flow run.
func (s *Stack) poolDefaults() prefect.Defaults {
	f := s.facts()
	d := prefect.Defaults{
		Kind: s.version.Kind(), DefaultImage: s.defaultImage(), Flows: s.flows(),
		LogGroup: s.logGroup(), Region: s.id.Region,
		ClusterARN: f.ClusterARN, TaskRole: f.TaskRole, ExecutionRole: f.ExecutionRole,
		VPC: f.vpc, Subnets: f.Subnets, Groups: f.Groups, PublicIP: f.PublicIP,
	}
	if r := s.apiSecret(); r.Set() {
		d.Variable, d.SecretARN = s.version.SecretVariable(s.env.Prefect.Basic()), r.ValueFrom()
	}
	return d
}

// flows are the values that the spec sets for the tasks of flows.
func (s *Stack) flows() prefect.Flows {
	f := s.env.Flows
	env := f.Env
	if s.storesResults() {
		env = resultSettings(s.id.Names().Plain())
		maps.DeleteFunc(env, func(name, _ string) bool { return f.Secrets[name] != "" })
		maps.Copy(env, f.Env)
	}
	return prefect.Flows{
		Image: f.Image, CPU: f.CPU, Memory: f.Memory, EphemeralStorageGiB: f.EphemeralStorageGiB,
		Architecture: f.CPUArchitecture, Spot: f.Spot, Env: env, Secrets: f.Secrets, Tags: s.env.Tags,
	}
}

// agentPolicy is the inline policy of the agent's role. It contains only the ARNs of the
// cluster and of the roles that the agent passes to tasks. These ARNs follow from names,
// so the agent's role need not wait for those objects.
func (s *Stack) agentPolicy() map[string]string {
	return map[string]string{names.OwnPolicy: templates.AgentPolicy(s.place(), s.agentRights())}
}

func (s *Stack) agentRights() templates.AgentRights {
	cluster, _ := s.cluster.Expect()
	task, _ := s.task.Expect()
	execution, _ := s.execution.Expect()
	r := templates.AgentRights{
		ClusterARN: cluster.ARN, Roles: append(task.ARNs(), execution.ARNs()...), Prefect: generation(s.version), Secret: s.apiSecret(),
		Tags: len(s.env.Tags) > 0,
	}
	if p := s.env.Prefect; p != nil && p.WorkPool != "" { // Prefect 1's agent runs any
		r.Families = prefect.FamilyPrefix(p.WorkPool)
	}
	if q := eventsQueue(s.env, s.version); q != "" {
		r.Events, r.EventsKey, r.LogGroup = q, s.env.KMSKey, s.logGroup()
	}
	r.Statements = statements(s.agentRole().Statements)
	return r
}

// agentRole is what the spec adds to what the agent may do, wherever it runs.
func (s *Stack) agentRole() spec.AgentRole {
	if s.env.Agent == nil || s.env.Agent.Role == nil {
		return spec.AgentRole{}
	}
	return *s.env.Agent.Role
}

// agentManaged are the managed policies of the agent's role: those that it needs itself, and
// those that the spec adds.
func (s *Stack) agentManaged(own ...string) []string {
	for _, arn := range s.agentRole().Policies {
		if !slices.Contains(own, arn) {
			own = append(own, arn)
		}
	}
	return own
}

// WorkerPolicy is the IAM policy for a worker that runs elsewhere. It makes no calls. The
// environment must have a Prefect API.
func WorkerPolicy(env *spec.Environment, id resource.Identity) (string, error) {
	s, err := Build(env, id, Clients{}, Options{Destroy: true, NoPrefect: true})
	if err != nil {
		return "", err
	}
	if s.version.Kind() == prefect.Agent1 {
		return "", errors.New("there is no worker in Prefect 1: its agent runs on an instance that flowbed creates")
	}
	return templates.WorkerPolicy(s.place(), s.agentRights()), nil
}

// RoleOfAgent is the IAM policy for an external role of the agent. It makes no calls. The
// environment must have a Prefect API and an agent.
func RoleOfAgent(env *spec.Environment, id resource.Identity) (string, error) {
	s, err := Build(env, id, Clients{}, Options{NoPrefect: true})
	if err != nil {
		return "", err
	}
	return templates.Indented(s.agentPolicy()[names.OwnPolicy]), nil
}

func generation(v prefect.Version) templates.Generation {
	switch {
	case v.FindsByTags():
		return templates.Prefect014
	case v.Kind() == prefect.Agent1:
		return templates.Prefect1
	case v.Kind() == prefect.Worker2:
		return templates.Prefect2
	}
	return templates.Prefect3
}
