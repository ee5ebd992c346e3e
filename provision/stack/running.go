package stack

import (
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
)

// openTasks creates the reader of the environment's tasks, for a run that deletes the
// environment.
func (s *Stack) openTasks() {
	if !s.o.Destroy {
		return
	}
	s.taskReader = &resource.TaskReader{API: s.c.ECS, Roles: s.taskRoles, Families: s.families}
	if t := s.env.TaskRole; t.Ownership == "external" {
		s.taskReader.External = s.id.ARN("iam", "", "role/"+t.Name)
	}
}

// addRunningTasks adds the step that stops the environment's tasks. Down stops them after it has
// told the instance to terminate, or has deleted the service with its tasks, and has paused or
// deleted the work pool, because workers start tasks. All that tasks use comes after them.
func (s *Stack) addRunningTasks() {
	if !s.o.Destroy {
		return
	}
	s.running = add(s, "running tasks", provision.Own, resource.RunningTasks{
		ID: s.id, Reader: s.taskReader, Clusters: s.clusters, Known: s.knownClusters(), Names: s.logs,
		After: append([]provision.Edge{
			s.bucket, s.logs, s.parameter, s.repository, s.task, s.execution, s.cluster, s.tasks, s.queue, s.rule, s.results, s.ownNetwork,
		}, s.orphans...),
	})
}

// clusters are the names of all clusters that may run the environment's tasks: the one in the
// spec, and those that the log group records.
func (s *Stack) clusters() []string {
	return unique(append([]string{s.env.Cluster.Name}, s.recorded(resource.KindCluster, s.defaults.Cluster.Name)...))
}

// knownClusters are those of clusters that are known before the log group is read.
func (s *Stack) knownClusters() []string {
	return unique([]string{s.env.Cluster.Name, s.defaults.Cluster.Name, s.id.Names().Plain()})
}

// recorded are the names that the log group records for a kind. If it records none, the object
// may have the default name.
func (s *Stack) recorded(kind, byDefault string) []string {
	if names, ok := resource.RecordedNames(s.nameLog.Seen())[kind]; ok {
		return names
	}
	return []string{byDefault}
}

// taskRoles are the ARNs of the environment's own task role: under its current name, and
// under all names that the log group records. An external role is not among them, because
// other tasks may use it, too.
func (s *Stack) taskRoles() (arns []string) {
	names := s.recorded(resource.KindTaskRole, s.defaults.TaskRole.Name)
	if t := s.env.TaskRole; t.Ownership != "external" {
		names = append(slices.Clone(names), t.Name)
	}
	for _, n := range unique(names) {
		arns = append(arns, s.id.ARN("iam", "", "role/"+n))
	}
	return arns
}

// families are what the families of the task definitions of the environment's work pools begin
// with.
func (s *Stack) families() (prefixes []string) {
	pools := s.recorded(resource.KindWorkPool, s.id.Names().Plain())
	if p := s.env.Prefect; p != nil && p.WorkPool != "" {
		pools = append(slices.Clone(pools), p.WorkPool)
	}
	for _, pool := range unique(pools) {
		prefixes = append(prefixes, prefect.FamilyPrefix(pool))
	}
	return prefixes
}

// unique leaves out what a list has had before.
func unique(list []string) (all []string) {
	for _, s := range list {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
