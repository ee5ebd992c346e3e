package stack

import (
	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
)

// addOwnNetwork adds the environment's own VPC, and all that is in it. A run that deletes the
// environment looks for a VPC also if the spec has none: an earlier one may have had it.
func (s *Stack) addOwnNetwork() {
	n := s.env.Network
	if !n.New() && !s.o.Destroy {
		return
	}
	name := s.id.Names().Plain()
	vpc := resource.VPC{API: s.c.EC2, ID: s.id, Name: name, Made: new(resource.Launched)}
	gateway := resource.InternetGateway{API: s.c.EC2, ID: s.id, Name: name, OnlyWithVPC: !n.New(), Made: new(resource.Launched)}
	subnets := resource.Subnets{API: s.c.EC2, ID: s.id, Name: name, Count: n.Zones, Private: n.InPrivate()}
	routes := resource.RouteTables{API: s.c.EC2, ID: s.id, Name: name, Made: new(resource.Launched)}
	if !s.o.Destroy {
		vpc.CIDR, subnets.CIDR = n.Range(), n.Range()
		subnets.Zones = onDemand(s, "zones", s.zones())
	}
	own := resource.OwnNetwork{}
	own.VPC = addPart(s, "vpc", vpc)
	gateway.VPC, subnets.VPC, routes.VPC = own.VPC, own.VPC, own.VPC
	routes.Gateway = addPart(s, "internet gateway", gateway)
	own.Subnets = addPart(s, "subnets", subnets)
	routes.Subnets, routes.Private, own.Private = own.Subnets, n.NATs(), n.InPrivate()
	routes.NATs, routes.Closed = s.addNAT(own, routes.Gateway), n.Private
	own.Routes = addPart(s, "route tables", routes)
	s.own, s.ownNetwork = own, provision.Derive(own)
	s.vpcAlone = provision.Derive(resource.InVPC{VPC: own.VPC})
	if n.New() {
		s.network = s.ownNetwork
	}
}

// addNAT adds the NAT gateways and their addresses. If the spec has none, up deletes earlier ones, which
// cost money.
func (s *Stack) addNAT(own resource.OwnNetwork, gateway provision.Ref[resource.InternetGatewayState]) provision.Ref[resource.NATGatewaysState] {
	n, name := s.env.Network, s.id.Names().Plain()
	addresses := addNATPart(s, "addresses", resource.Addresses{
		API: s.c.EC2, ID: s.id, Name: name, VPC: own.VPC, Count: n.NATs(), OnlyWithVPC: !n.New(), Made: new(resource.Launched)})
	return addNATPart(s, "nat gateways", resource.NATGateways{
		API: s.c.EC2, ID: s.id, Name: name, VPC: own.VPC, Subnets: own.Subnets, Addresses: addresses, Gateway: gateway, Count: n.NATs()})
}

func addNATPart[S provision.State](s *Stack, name string, r resource.Kind[S]) provision.Ref[S] {
	if s.env.Network.New() {
		return addOptional(s, name, s.env.Network.NATs() > 0, r)
	}
	return addPart(s, name, r)
}

// addPart adds a part of the environment's own network. If the spec has none, a policy for down
// allows to look for the VPC, and no more: most environments never had one.
func addPart[S provision.State](s *Stack, name string, r resource.Kind[S]) provision.Ref[S] {
	if s.env.Network.New() {
		return add(s, name, provision.Own, r)
	}
	s.search(r)
	if _, ok := any(r).(resource.VPC); ok {
		s.steps = append(s.steps, permissions.Step{Name: name, Permissions: resource.VPC{}.Look()})
	}
	return addToGraph(s, name, provision.Own, r)
}

// zones finds the zones for the subnets of a new VPC.
func (s *Stack) zones() resource.Zones {
	z := resource.Zones{API: s.c.EC2, ID: s.id}
	if s.onInstance() {
		z.Type = s.env.Agent.InstanceType
	}
	return z
}

// addEndpoints adds the VPC endpoints of the environment's own VPC, and their security group. What
// runs in the VPC comes after them, and is gone before them. The group lets in the VPC's range,
// because the endpoints take the services' names in the whole VPC: environments with vpc_from
// would not reach the services otherwise.
func (s *Stack) addEndpoints() {
	n, name := s.env.Network, s.id.Names().Plain()
	if !n.New() && !s.o.Destroy {
		return
	}
	endpoints := resource.Endpoints{
		API: s.c.EC2, ID: s.id, Name: name, VPC: s.own.VPC, Subnets: s.own.Subnets, Routes: s.own.Routes,
		Services: n.EndpointServices(), Private: n.InPrivate(), Zones: n.Zones,
	}
	interfaces := n.InterfaceEndpoints()
	group := resource.SecurityGroup{
		API: s.c.EC2, ID: s.id, Name: s.id.Names().EndpointGroup(), Reader: s.groups, OfEndpoints: true, NewVPC: true,
		Description: "The VPC endpoints of the flowbed environment " + s.id.Env, Network: s.groupNetwork(),
	}
	if n.New() {
		group.Ingress = []resource.Ingress{{Protocol: "tcp", Port: 443, CIDR: n.Range(), Description: "HTTPS from the VPC"}}
		s.narrow(&group)
		endpoints.Group = addOptional(s, "endpoint security group", interfaces, group)
		s.own.Endpoints = addOptional(s, "vpc endpoints", len(endpoints.Services) > 0, endpoints)
	} else {
		endpoints.Group = addPart(s, "endpoint security group", group)
		s.own.Endpoints = addPart(s, "vpc endpoints", endpoints)
	}
	s.ownNetwork = provision.Derive(s.own)
}

// groupNetwork is the VPC of the security groups. A run that deletes the environment needs it only
// for the order.
func (s *Stack) groupNetwork() provision.Ref[resource.NetworkState] {
	if s.vpcAlone.Set() {
		return s.vpcAlone
	}
	return s.network
}

// agentNetwork is the network of the agent's instance; see groupNetwork.
func (s *Stack) agentNetwork() provision.Ref[resource.NetworkState] {
	if s.ownNetwork.Set() {
		return s.ownNetwork
	}
	return s.network
}
