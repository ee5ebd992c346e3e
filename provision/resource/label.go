package resource

import "strings"

// The names and ids by which people find the objects in the AWS console.

// Label is the name.
func (s BucketState) Label() string { return s.Name }

// Label is the name.
func (s LogGroupState) Label() string { return s.Name }

// Label is the name.
func (s ParameterState) Label() string { return s.Name }

// Label is the name.
func (s RoleState) Label() string { return s.Name }

// Label is the name.
func (s ProfileState) Label() string { return s.Name }

// Label is the name.
func (s ClusterState) Label() string { return s.Name }

// Label is the name.
func (s KeyPairState) Label() string { return s.Name }

// Label is the name.
func (s PoolState) Label() string { return s.Name }

// Label is the name.
func (s WorkerState) Label() string { return s.Name }

// Label is the id, because network interfaces and other groups refer to it.
func (s SecurityGroupState) Label() string { return s.ID }

// Label is the ids of all instances: there are several during a replacement. If none is
// certainly ours, it is those of the others.
func (s InstanceState) Label() string {
	var ids []string
	for _, m := range s.all() {
		ids = append(ids, m.ID)
	}
	if len(ids) == 0 {
		for _, d := range s.Doubtful {
			ids = append(ids, d.ID)
		}
	}
	return strings.Join(ids, ", ")
}
