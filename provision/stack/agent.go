package stack

import (
	"net/netip"
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// addNetwork adds the network and the security group of the tasks.
func (s *Stack) addNetwork() {
	s.addOwnNetwork()
	switch n := s.env.Network; {
	case n.New():
	case n.VPCFrom != "":
		s.network = data(s, "network", resource.LentNetwork{API: s.c.EC2, ID: s.id, From: n.VPCFrom})
	default:
		s.network = data(s, "network", resource.Network{API: s.c.EC2, ID: s.id, VPC: n.VPC, Subnets: n.Subnets, PublicIP: n.PublicIP})
	}
	own := provision.Own
	if s.groupsNamed() {
		own = provision.Prune
		data(s, "security groups", resource.ExistingGroups{API: s.c.EC2, IDs: s.env.Network.SecurityGroups, Network: s.network, Reach: s.env.Network.Reach(), Needs: s.needed()})
	}
	tasks := resource.SecurityGroup{
		API: s.c.EC2, ID: s.id, Name: s.id.Names().TaskGroup(), Reader: s.groups, Self: s.env.TaskRole.Dask, Tasks: s.taskReader,
		Description: "The tasks of the flowbed environment " + s.id.Env, Network: s.groupNetwork(), NewVPC: s.env.Network.New(), VPC: s.vpc(),
		Reach: s.env.Network.Reach(), Needs: s.needed(),
	}
	s.narrow(&tasks)
	s.tasks = add(s, "task security group", own, tasks)
	s.addEndpoints()
}

// groupNames are the names of the environment's own security groups.
func (s *Stack) groupNames() []string {
	names := []string{s.id.Names().TaskGroup(), s.id.Names().Agent()}
	if s.env.Network.New() || s.o.Destroy {
		names = append(names, s.id.Names().EndpointGroup())
	}
	return names
}

// groupsNamed reports whether the spec names the security groups. Down also deletes the
// environment's own, which an earlier spec may have had.
func (s *Stack) groupsNamed() bool {
	return len(s.env.Network.SecurityGroups) > 0 && !s.o.Destroy
}

// agentGroups are the security groups of the agent.
func (s *Stack) agentGroups() (groups []provision.Ref[resource.SecurityGroupState]) {
	if !s.groupsNamed() {
		return []provision.Ref[resource.SecurityGroupState]{s.group}
	}
	for _, id := range s.env.Network.SecurityGroups {
		groups = append(groups, provision.Known(resource.SecurityGroupState{ID: id}))
	}
	return groups
}

// addAgent adds the agent, on an instance or in a service, and the objects that only the agent
// needs. It also adds the steps if the spec has no agent, or the other one, so that up prunes
// an earlier one.
func (s *Stack) addAgent() {
	a := s.env.Agent
	has := a != nil
	if a == nil {
		a = &spec.Agent{}
	}
	group := resource.SecurityGroup{
		API: s.c.EC2, ID: s.id, Name: s.id.Names().Agent(), Reader: s.groups,
		Description: "The agent of the flowbed environment " + s.id.Env, Network: s.groupNetwork(), NewVPC: s.env.Network.New(), VPC: s.vpc(),
	}
	s.narrow(&group)
	key := s.addKey(a.SSH)
	if !s.groupsNamed() { // the owners of those groups open their ports
		s.openSSH(&group, a.SSH)
	}
	s.group = addOptional(s, "agent security group", has && !s.groupsNamed(), group)
	before := append([]provision.Edge{
		s.group, s.bucket, s.logs, s.parameter, s.task, s.execution, s.cluster, s.tasks, s.queue, s.pool, s.running, s.beforeAgent(), s.addServer(),
	}, s.orphans...)
	if s.agentRole().Ownership != "external" {
		s.findPolicies("agent managed policies", "policies of "+agentRoleBlock, s.agentRole().Policies)
	}
	old := s.addOldService(before)
	s.oldService = old.step
	s.addInstance(a, key, append(slices.Clip(before), old.step))
	s.addService(old, append(slices.Clip(before), s.agent))
}

// onInstance reports whether the agent runs on an instance; with a service block it does not.
func (s *Stack) onInstance() bool { return s.env.Agent != nil && s.env.Agent.Service == nil }

func (s *Stack) addInstance(a *spec.Agent, key provision.Ref[resource.KeyPairState], before []provision.Edge) {
	has := s.onInstance()
	if s.onService() != nil && s.leavesOld() {
		return
	}
	own, lent := s.addProfiles(has)
	var image provision.Ref[resource.ImageState]
	var offering provision.Ref[resource.OfferingState]
	if has && !s.o.Destroy {
		image = data(s, "image", s.image())
		offering = onDemand(s, "offer", resource.Offering{API: s.c.EC2, FreeTier: s.c.FreeTier, Type: a.InstanceType, Image: image, Key: s.DefaultVolumeKey()})
	}
	s.agent = addOptional(s, "agent instance", has, resource.Instance{
		API: s.c.EC2, ID: s.id, Name: s.id.Names().Agent(), Type: a.InstanceType,
		ImageName: a.Image, Image: image, Offering: offering, VolumeGiB: a.VolumeGiB, VolumeKey: s.key,
		Key: key, KeyName: keyName(a.SSH), Profile: own, Lent: lent, Network: s.agentNetwork(), Subnets: s.env.Network.Subnets,
		Groups: s.agentGroups(), OtherGroups: s.env.Network.SecurityGroups,
		After: before, Public: s.publicAgent,
		UserData: s.userData, Shown: s.shownUserData, Causes: s.causes, Events: s.eventsForAgent(), Launched: new(resource.Launched),
	})
}

// addProfiles adds the agent's role and its instance profile, and those of somebody else if the
// spec names them. Then own is what an earlier spec may have had, which up prunes.
func (s *Stack) addProfiles(has bool) (own, lent provision.Ref[resource.ProfileState]) {
	external := has && s.agentRole().Ownership == "external"
	kind := resource.Role{
		API: s.c.IAM, ID: s.id, Name: s.id.Names().Agent(), Path: s.env.RolePath(), Boundary: s.env.Boundary(),
		Description: "What the agent of the flowbed environment " + s.id.Env + " may do",
		Trust:       templates.InstanceTrust(s.place()),
		Managed:     s.agentManaged("arn:" + s.id.Partition + ":iam::aws:policy/AmazonSSMManagedInstanceCore"),
		Inline:      s.agentPolicy, Block: agentRoleBlock,
	}
	role := addOptional(s, "agent role", has && !external, kind)
	own = addOptional(s, "agent instance profile", has && !external, resource.Profile{
		API: s.c.IAM, ID: s.id, Name: s.id.Names().Agent(), Path: s.env.RolePath(), Role: role,
	})
	if !external || s.o.Destroy {
		return own, lent
	}
	kind.Name, kind.External, kind.Named, kind.Path, kind.Boundary = s.agentRole().Name, true, true, "", ""
	kind.Managed, kind.Advice = s.agentRole().Policies, "allow it in "+kind.Name+" (`flowbed policy --for agent` prints what the agent needs), or name another role in role of the agent block"
	lender := add(s, "external agent role", provision.External, kind)
	return own, add(s, "external instance profile", provision.External, resource.Profile{
		API: s.c.IAM, ID: s.id, Name: s.agentRole().InstanceProfile, Role: lender, External: kind.Name,
	})
}

// agentRoleBlock is what the file calls the block that adds to the agent's role.
const agentRoleBlock = "role in the agent block"

// beforeAgent is what down deletes after the agent, besides what the agent needs: the records of
// its workers.
func (s *Stack) beforeAgent() provision.Edge {
	if s.o.Destroy {
		return s.worker
	}
	return nil
}

// image is the AMI for the agent's instance.
func (s *Stack) image() resource.Image {
	a := s.env.Agent
	return resource.Image{SSM: s.c.SSM, ID: s.id, Image: a.Image, Type: a.InstanceType, Reader: s.parameters}
}

// vpc is the id of the VPC in the spec; empty for the default VPC and for a new one.
func (s *Stack) vpc() string {
	if v := s.env.Network.VPC; v != "default" && !s.env.Network.New() {
		return v
	}
	return ""
}

func keyName(ssh *spec.SSH) string {
	if ssh == nil {
		return ""
	}
	return ssh.KeyName
}

// addKey adds the key pair, or a data source for the existing one in the spec.
func (s *Stack) addKey(ssh *spec.SSH) provision.Ref[resource.KeyPairState] {
	public := ""
	if ssh != nil {
		public = ssh.PublicKey
	}
	imported := addOptional(s, "key pair", public != "", resource.KeyPair{
		API: s.c.EC2, ID: s.id, Name: s.id.Names().Agent(), PublicKey: public,
	})
	switch {
	case ssh != nil && ssh.KeyName != "" && !s.o.Destroy:
		return data(s, "existing key pair", resource.ExistingKey{API: s.c.EC2, Name: ssh.KeyName})
	case public != "" || s.o.Destroy:
		return imported
	}
	return provision.Ref[resource.KeyPairState]{}
}

func (s *Stack) openSSH(group *resource.SecurityGroup, ssh *spec.SSH) {
	switch {
	case ssh == nil || s.o.Destroy:
	case ssh.CIDR != "auto":
		if cidr, err := netip.ParsePrefix(ssh.CIDR); err == nil { // package spec has checked it
			group.Caller = provision.Known(cidr)
		}
	case s.o.Address.IsValid():
		group.Caller = provision.Known(s.o.Address)
	default:
		group.Caller = data(s, "caller address", resource.Address{Transport: s.o.Lookup})
	}
}
