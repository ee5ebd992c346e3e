package resource

import "strings"

// The names and ids by which a person finds the objects in AWS's console.

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

// Label is the id: it is what interfaces and other groups refer to.
func (s SecurityGroupState) Label() string { return s.ID }

// Label has all machines, of which there are several during a roll-over.
func (s InstanceState) Label() string {
	var ids []string
	for _, m := range s.all() {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, ", ")
}
