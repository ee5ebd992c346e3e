package stack

import (
	"context"
	"maps"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// former adds the step that removes what an earlier spec has called otherwise, and
// returns what that means for the present object. In up the step comes last, since
// it takes something away, and in down it comes after the present object. A name
// other than the default one is recorded by the log group's step. So is the
// default one, if another was recorded before; only then nobody waits for it.
func former[S provision.State](s *Stack, step string, r resource.Record, accountWide string, make func(string) provision.Resource[S]) resource.Naming {
	f := provision.Add(s.Graph, "old "+step, provision.Prune, resource.Former[S]{
		Logs: s.logs, Anchor: s.record, ID: s.id, Record: r, Make: make, Removing: s.o.Removal, Struck: &resource.Struck{},
		AccountWide: func(name string) bool { return accountWide != "" && name == accountWide },
	})
	s.records = append(s.records, func(have resource.Tags) resource.Tags {
		_, earlier := f.Get()
		return r.Tags(have, earlier)
	})
	s.formers = append(s.formers, f)
	n := resource.Naming{After: []provision.Edge{f}}
	if r.Current != r.Default {
		n.After = append(n.After, s.logs)
	} else {
		n.Announce = func(ctx context.Context) error { return s.record.Announce(ctx, r, s.lastSeen()) }
	}
	return n
}

// lastSeen are the log group's tags in the last reading that found it.
func (s *Stack) lastSeen() resource.Tags {
	if t := s.seen.Load(); t != nil {
		return *t
	}
	return nil
}

// record is that of a kind of object, of which the spec says the name and whose
// it is.
func record(kind, name, byDefault, ownership string, spared ...string) resource.Record {
	if ownership == "external" {
		name = ""
	}
	return resource.Record{Key: resource.NameTag(kind), Current: name, Default: byDefault, Spared: spared}
}

func (s *Stack) formerBucket() resource.Naming {
	b := s.env.Bucket
	r := record(resource.KindBucket, b.Name, s.defaults.Bucket.Name, b.Ownership)
	return former(s, "bucket", r, "", func(name string) provision.Resource[resource.BucketState] {
		return resource.Bucket{API: s.c.S3, ID: s.id, Name: name, ForceDestroy: s.o.ForceDestroy, Former: true}
	})
}

// formerRoles is for the task role and for the execution role.
func (s *Stack) formerRoles() (task, execution resource.Naming) {
	t, x := s.env.TaskRole, s.env.ExecutionRole
	of := func(name string) provision.Resource[resource.RoleState] {
		r := resource.Role{API: s.c.IAM, ID: s.id, Name: name}
		if name == spec.AccountExecutionRole { // others may keep it: then what we put there goes
			r.Shared, r.Managed, r.Inline = true, s.executionManaged(), policy(s.sharedPolicy(), "{}")
		}
		return r
	}
	agent := s.name("agent")
	task = former(s, "task role", record(resource.KindTaskRole, t.Name, s.defaults.TaskRole.Name, t.Ownership, x.Name, agent), "", of)
	execution = former(s, "execution role", record(resource.KindExecutionRole, x.Name, s.defaults.ExecutionRole.Name, x.Ownership, t.Name, agent),
		spec.AccountExecutionRole, of)
	return task, execution
}

func (s *Stack) formerCluster() resource.Naming {
	c := s.env.Cluster
	r := record(resource.KindCluster, c.Name, s.defaults.Cluster.Name, c.Ownership)
	return former(s, "cluster", r, spec.AccountCluster, func(name string) provision.Resource[resource.ClusterState] {
		old := resource.Cluster{API: s.c.ECS, ID: s.id, Name: name, Shared: name == spec.AccountCluster}
		if s.o.Removal { // up lets flows end in the cluster in which they began
			old.TaskRoles = s.taskRoles
		}
		return old
	})
}

func (s *Stack) formerPool() resource.Naming {
	r := record(resource.KindWorkPool, s.prefect().WorkPool, "flowbed-"+s.id.Env, "")
	return former(s, "work pool", r, "", func(name string) provision.Resource[resource.PoolState] {
		return resource.Pool{API: s.api, ID: s.id, Name: name, Removing: true}
	})
}

// anchorTags are what the anchor says beyond the tags that all objects have.
func (s *Stack) anchorTags(have resource.Tags) resource.Tags {
	if len(have) > 0 {
		s.seen.Store(&have)
	}
	t := resource.Tags{}
	if s.id.Life != nil {
		t[resource.KeyTTL] = s.id.Life.Text()
	}
	for _, r := range s.records {
		maps.Copy(t, r(have))
	}
	return t
}
