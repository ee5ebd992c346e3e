package stack

import (
	"errors"
	"slices"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// containerName is the name of the agent's container, and so the prefix of its log streams.
const containerName = "worker"

// onService is the spec's service; nil if the agent runs on an instance, or there is none.
func (s *Stack) onService() *spec.Service {
	if s.env.Agent == nil {
		return nil
	}
	return s.env.Agent.Service
}

// oldService has the entries for the names of the service's objects, and the step that deletes
// a service that the spec does not have any more; nil if this run leaves it.
type oldService struct {
	roles, definitions, services resource.NameEntry
	step                         provision.Edge
}

// addOldService adds the steps that delete what an earlier spec had. The log group records the
// names, so without a block and without such names, no call is made. Before are the steps that
// the workers need.
//
// If a run does not wait for the workers that come in place of the old ones, it leaves the old
// ones for the next run.
func (s *Stack) addOldService(before []provision.Edge) (old oldService) {
	name := s.id.Names().Service()
	current, service := name, resource.ServiceInCluster(s.env.Cluster.Name, name)
	if s.onService() == nil {
		current, service = "", ""
	}
	definition, kind := resource.TaskDefinition{API: s.c.ECS, ID: s.id, Inactive: true}, resource.Service{API: s.c.ECS, ID: s.id}
	s.search(definition)
	s.search(kind)
	role, revisions, one := optional(resource.KindWorkerRole, current), optional(resource.KindTaskDefinition, current), optional(resource.KindService, service)
	if s.leavesOld() && s.onInstance() {
		return oldService{roles: s.nameLog.Add(role), definitions: s.nameLog.Add(revisions), services: s.nameLog.Add(one)}
	}
	old.roles = addOrphans(s, role, "", func(name string) resource.Kind[resource.RoleState] {
		return resource.Role{API: s.c.IAM, ID: s.id, Name: name, Path: s.env.RolePath()}
	})
	old.definitions = addOrphans(s, revisions, "", func(name string) resource.Kind[resource.TaskDefinitionState] {
		r := definition
		r.Family = name
		return r
	}, old.roles.After[0])
	old.services = addOrphans(s, one, "", func(recorded string) resource.Kind[resource.ServiceState] {
		r := kind
		r.Cluster, r.Name = resource.OfService(recorded)
		return r
	}, append(slices.Clip(before), old.definitions.After[0], s.group)...)
	old.step = old.services.After[0]
	return old
}

// leavesOld reports whether the run leaves an old agent of the other kind.
func (s *Stack) leavesOld() bool { return s.o.NoWait && !s.o.Destroy }

// addService adds the agent's service, and the objects that only the service needs.
func (s *Stack) addService(old oldService, before []provision.Edge) {
	want := s.onService()
	if want == nil {
		return
	}
	name := s.id.Names().Service()
	role := addOptional(s, "worker role", true, resource.Role{
		API: s.c.IAM, ID: s.id, Name: name, Path: s.env.RolePath(), Boundary: s.env.Boundary(),
		Description: "What the workers of the flowbed environment " + s.id.Env + " may do",
		Trust:       templates.TasksTrust(s.place()),
		Managed:     s.agentManaged(), Block: agentRoleBlock,
		Inline: s.workerPolicy, Names: old.roles,
	})
	definition := resource.TaskDefinition{
		API: s.c.ECS, ID: s.id, Family: name, CPU: want.CPU, Memory: want.Memory, LogGroup: s.logGroup(),
		Task: role, Execution: s.execution, Names: old.definitions, Inactive: s.o.Destroy,
	}
	if !s.o.Destroy {
		definition.Container, definition.Causes = s.container, s.causes
		if s.version.Kind() == prefect.Agent1 { // its command has the network of the tasks
			definition.After = []provision.Edge{s.cluster, s.network, s.tasks}
		}
	}
	s.runs = definition
	s.definition = addOptional(s, "task definition", true, definition)
	s.service = addOptional(s, "service", true, resource.Service{
		API: s.c.ECS, ID: s.id, Cluster: s.env.Cluster.Name, In: s.cluster, Name: name, Definition: s.definition, Network: s.agentNetwork(),
		Groups: s.agentGroups(), Desired: *want.DesiredCount, Spot: want.Spot, CPU: want.CPU, Memory: want.Memory, Public: s.publicAgent,
		After: before, Names: old.services,
	})
}

// optional is the entry for an object that not every environment has. It has no default name,
// so that the policy for a file without a service says nothing of one.
func optional(kind, current string) resource.NameEntry {
	return resource.NameEntry{Kind: kind, Current: current, Optional: true}
}

// container is what each task of the service runs. It fails if something that its command
// contains is not known yet.
func (s *Stack) container() (c resource.Container, err error) {
	f := s.facts()
	if s.version.Kind() == prefect.Agent1 && (f.ClusterARN == "" || len(f.Subnets) == 0 || len(f.Groups) == 0) {
		return c, errors.New("the network of the tasks is not known yet")
	}
	return s.containerIn(f.Tasks)
}

// containerIn is the container for tasks in a network.
func (s *Stack) containerIn(t templates.Tasks) (c resource.Container, err error) {
	made, err := s.template(t)
	if err != nil {
		return c, err
	}
	want := s.onService()
	image, packages := s.version.WorkerImage()
	if want.Image != "" {
		image, packages = want.Image, ""
	}
	c = resource.Container{
		Name: containerName, Image: image, Command: made.Command,
		Environment: map[string]string{}, Secrets: map[string]string{}, Health: made.Health, StopTimeout: want.StopTimeout,
	}
	for _, e := range made.Environment {
		c.Environment[e.Name] = e.Value
	}
	if packages != "" && c.Environment[templates.ExtraPackages] == "" { // pip_packages come with Prefect's own
		c.Environment[templates.ExtraPackages] = packages
	}
	if made.Secret != nil {
		c.Secrets[made.Secret.Variable] = s.apiSecret().ValueFrom()
	}
	return c, nil
}

func (s *Stack) template(t templates.Tasks) (templates.Container, error) {
	a, err := agentOf(s.env, s.id.Partition, t)
	if err != nil {
		return templates.Container{}, err
	}
	var expires time.Time
	if s.id.Life != nil {
		expires = s.id.Life.Expires()
	}
	return templates.ContainerOf(a, templates.Service{Cluster: s.env.Cluster.Name, Name: s.id.Names().Service(), Expires: expires})
}

// workerPolicy is the inline policy of the role of the service's tasks.
func (s *Stack) workerPolicy() map[string]string {
	r := s.agentRights()
	if s.env.Lifetime() > 0 {
		r.Service = s.id.ARN("ecs", s.id.Region, "service/"+s.env.Cluster.Name+"/"+s.id.Names().Service())
	}
	return map[string]string{names.OwnPolicy: templates.ServicePolicy(s.place(), r)}
}

// addServiceWorker adds the step in which up waits for the workers of the service.
func (s *Stack) addServiceWorker(w resource.Worker, after []provision.Edge) {
	want := s.onService()
	w.EC2, w.SSM, w.Agent, w.After, w.Watch = nil, nil, provision.Ref[resource.InstanceState]{}, nil, nil
	s.workers = resource.ServiceWorker{
		Worker: w, ECS: s.c.ECS, Logs: s.c.Logs, ID: s.id, Cluster: s.env.Cluster.Name, Name: s.id.Names().Service(),
		Container: containerName, LogGroup: s.logGroup(), Desired: *want.DesiredCount,
		Service: s.service, Definition: s.definition, Wait: s.o.Wait, Watch: &resource.ServiceWatch{}, After: after,
	}
	add(s, "worker", provision.Own, s.workers)
}
