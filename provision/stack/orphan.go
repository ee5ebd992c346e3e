package stack

import (
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// addOrphans adds a step that deletes the objects of a kind under their old names. It
// returns the entry for the current object. Up deletes orphans last, and down deletes
// them after the current object. The log group must record a name that is not the
// default before an object gets it, so that object comes after the log group.
func addOrphans[S provision.State](s *Stack, e resource.NameEntry, accountWide string, object func(name string) resource.Kind[S], after ...provision.Edge) resource.NameEntry {
	e = s.nameLog.Add(e)
	if s.oldLogs != nil {
		after = append(slices.Clip(after), s.oldLogs)
	}
	orphan := add(s, "old "+e.Kind, provision.Prune, resource.Orphan[S]{
		Entry: e, Logs: s.logs, Make: object, AccountWide: accountWide, Destroy: s.o.Destroy, After: after,
	})
	s.orphans = append(s.orphans, orphan)
	e.After = []provision.Edge{orphan}
	if e.RecordedFirst() {
		e.After = append(e.After, s.logs)
	}
	return e
}

// entry returns the entry for an object: its kind, its name in the spec, its default
// name, its ownership, and the current names of other objects.
func entry(kind, name, byDefault, ownership string, inUse ...string) resource.NameEntry {
	e := resource.NameEntry{Kind: kind, Current: name, Default: byDefault, InUse: inUse}
	if ownership == "external" {
		e.Current, e.External = "", name
	}
	return e
}

// addOldLogs adds the orphans of the log group. They may record names of other orphans, so they
// are deleted after those.
func (s *Stack) addOldLogs() {
	e := entry(resource.KindLogGroup, s.logGroup(), s.id.Names().LogGroup(), "")
	addOrphans(s, e, "", func(name string) resource.Kind[resource.LogGroupState] {
		return resource.FormerLogGroup{Force: s.o.ForceDestroy, LogGroup: resource.LogGroup{
			API: s.c.Logs, ID: s.id, Name: name, Names: s.nameLog, Destroy: s.o.Destroy,
		}}
	})
	s.oldLogs = s.orphans[len(s.orphans)-1]
}

func (s *Stack) orphanBuckets() resource.NameEntry {
	b := s.env.Bucket
	e := entry(resource.KindBucket, b.Name, s.defaults.Bucket.Name, b.Ownership)
	return addOrphans(s, e, "", func(name string) resource.Kind[resource.BucketState] {
		return resource.Bucket{API: s.c.S3, ID: s.id, Name: name, ForceDestroy: s.o.emptyBucket(), Orphan: true}
	})
}

// orphanRoles adds the orphans of the task role and of the execution role.
func (s *Stack) orphanRoles() (task, execution resource.NameEntry) {
	t, x := s.env.TaskRole, s.env.ExecutionRole
	of := func(name string) resource.Kind[resource.RoleState] {
		r := resource.Role{API: s.c.IAM, ID: s.id, Name: name, Path: s.env.RolePath()}
		if name == spec.AccountExecutionRole { // others may still use it: then delete only our part
			r.Shared, r.Managed, r.Inline = true, s.executionManaged(), policy(s.id.Names().SharedPolicy(), "{}")
		}
		return r
	}
	agent := s.id.Names().Agent()
	task = entry(resource.KindTaskRole, t.Name, s.defaults.TaskRole.Name, t.Ownership, x.Name, agent)
	execution = entry(resource.KindExecutionRole, x.Name, s.defaults.ExecutionRole.Name, x.Ownership, t.Name, agent)
	execution.Own = s.id.Names().ExecutionRole()
	execution.KeepDefault = s.env.IAM != nil // who may write to roles on one path only may not write to the account's
	return addOrphans(s, task, "", of), addOrphans(s, execution, spec.AccountExecutionRole, of)
}

func (s *Stack) orphanClusters() resource.NameEntry {
	c := s.env.Cluster
	e := entry(resource.KindCluster, c.Name, s.defaults.Cluster.Name, c.Ownership)
	e.Own = s.id.Names().Plain()
	return addOrphans(s, e, spec.AccountCluster, func(name string) resource.Kind[resource.ClusterState] {
		return resource.Cluster{
			API: s.c.ECS, ID: s.id, Name: name, Shared: name == spec.AccountCluster, Tasks: s.taskReader, Service: s.id.Names().Service(),
		}
	})
}

// noPoolAPI returns why flowbed has no access to the API of the work pool; empty if it has.
func (s *Stack) noPoolAPI() string {
	switch {
	case s.version.Kind() == prefect.Agent1:
		return "the config file is for Prefect 1, which has no work pools"
	case s.api != nil:
		return ""
	case s.env.Prefect != nil:
		return "the config file has no valid settings for the Prefect API"
	}
	return "the config file has no prefect block"
}

// orphanPools adds the orphans of the work pool. The name of the pool is always recorded: a
// later spec may have no Prefect API, and then the record alone tells that there is a pool.
func (s *Stack) orphanPools() resource.NameEntry {
	name, api, why := "", s.api, s.noPoolAPI()
	if why != "" {
		api = nil
	} else {
		name = s.env.Prefect.WorkPool
	}
	e := entry(resource.KindWorkPool, name, s.id.Names().Plain(), "")
	e.Optional = true
	return addOrphans(s, e, "", func(name string) resource.Kind[resource.PoolState] {
		return resource.Pool{
			API: api, ID: s.id, Name: name, NoAPI: why, Destroy: true, Down: s.poolAPI, DeleteDeployments: s.o.DeleteDeployments,
		}
	}, s.parameter, s.running)
}
