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
	gateway := resource.InternetGateway{API: s.c.EC2, ID: s.id, Name: name, Made: new(resource.Launched)}
	subnets := resource.Subnets{API: s.c.EC2, ID: s.id, Name: name, Count: n.Zones, Private: n.InPrivate()}
	routes := resource.RouteTables{API: s.c.EC2, ID: s.id, Name: name, Made: new(resource.Launched)}
	if n.New() { // outputs, too, which looks like down, tells public subnets by their range
		subnets.CIDR = n.Range()
	}
	if !s.o.Destroy {
		vpc.CIDR = n.Range()
		subnets.Zones = onDemand(s, "zones", s.zones())
	}
	own := resource.OwnNetwork{}
	own.VPC = addPart(s, "vpc", vpc)
	gateway.VPC, subnets.VPC, routes.VPC = own.VPC, own.VPC, own.VPC
	routes.Gateway = addPart(s, "internet gateway", gateway)
	own.Subnets = addPart(s, "subnets", subnets)
	routes.Subnets, routes.Private, own.Private = own.Subnets, n.NATs(), n.InPrivate()
	routes.NATs, own.OldNATs = s.addNAT(own, routes.Gateway)
	routes.OldNATs = own.OldNATs
	routes.Closed = n.Private
	own.Routes = addPart(s, "route tables", routes)
	s.own, s.ownNetwork = own, provision.Derive(own)
	s.vpcAlone = provision.Derive(resource.InVPC{VPC: own.VPC})
	if n.New() {
		s.network = s.ownNetwork
	}
}

// addNAT adds the NAT gateways and their addresses. Those that the spec has no more cost money, so up
// deletes them, when the wanted routes have left them, and the agent has left the subnets that others
// serve. Down does not tell them apart.
func (s *Stack) addNAT(own resource.OwnNetwork, gateway provision.Ref[resource.InternetGatewayState]) (nats, old provision.Ref[resource.NATGatewaysState]) {
	n, name := s.env.Network, s.id.Names().Plain()
	addresses := resource.Addresses{
		API: s.c.EC2, ID: s.id, Name: name, VPC: own.VPC, Count: n.NATs(), Made: new(resource.Launched), Reader: new(resource.PartReader[resource.ElasticIP])}
	gateways := resource.NATGateways{
		API: s.c.EC2, ID: s.id, Name: name, VPC: own.VPC, Subnets: own.Subnets, Gateway: gateway, Count: n.NATs(), Reader: new(resource.PartReader[resource.NATGateway]), Replaced: new(resource.Launched)}
	if s.o.Destroy {
		addresses.Parts, gateways.Parts = resource.AllParts, resource.AllParts
		gateways.Addresses = addPart(s, "addresses", addresses)
		return addPart(s, "nat gateways", gateways), old
	}
	if n.NATs() > 0 {
		gateways.Addresses = addOptional(s, "addresses", true, addresses)
		nats = addOptional(s, "nat gateways", true, gateways)
	}
	addresses.Parts, gateways.Parts = resource.OldParts, resource.OldParts
	gateways.Addresses = addOptional(s, "old addresses", false, addresses)
	return nats, addOptional(s, "old nat gateways", false, gateways)
}

// addPart adds a part of the environment's own network. If the spec has none, a policy for down
// allows to look for the parts that may be there without others, and no more: most environments never
// had any.
func addPart[S provision.State](s *Stack, name string, r resource.Kind[S]) provision.Ref[S] {
	if s.env.Network.New() {
		return add(s, name, provision.Own, r)
	}
	s.search(r)
	if alone, ok := any(r).(interface{ Look() resource.Permissions }); ok {
		s.steps = append(s.steps, permissions.Step{Name: name, Permissions: alone.Look()})
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
		Reader: new(resource.PartReader[resource.Endpoint]),
	}
	group := resource.SecurityGroup{
		API: s.c.EC2, ID: s.id, Name: s.id.Names().EndpointGroup(), Reader: s.groups, OfEndpoints: true, NewVPC: true,
		Description: "The VPC endpoints of the flowbed environment " + s.id.Env, Network: s.groupNetwork(),
	}
	if n.New() {
		group.Ingress = []resource.Ingress{{Protocol: "tcp", Port: 443, CIDR: n.Range(), Description: "HTTPS from the VPC"}}
		s.narrow(&group)
		endpoints.Group = addOptional(s, "endpoint security group", n.InterfaceEndpoints(), group)
	} else {
		endpoints.Group = addPart(s, "endpoint security group", group)
	}
	if s.o.Destroy {
		endpoints.Parts = resource.AllParts
		s.own.Endpoints = addPart(s, "vpc endpoints", endpoints)
	} else {
		if len(endpoints.Services) > 0 {
			s.own.Endpoints = addOptional(s, "vpc endpoints", true, endpoints)
		}
		endpoints.Parts = resource.OldParts
		s.own.OldEndpoints = addOptional(s, "old vpc endpoints", false, endpoints)
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
