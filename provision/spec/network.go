package spec

import (
	"net/netip"
	"slices"

	"github.com/flowbed/flowbed/provision/names"
)

const (
	newVPC      = "new"
	newVPCRange = "10.42.0.0/16"

	natNone    = "none"
	natSingle  = "single"
	natPerZone = "per-zone"
)

// NATs is how many NAT gateways a new VPC has.
func (n *Network) NATs() int {
	switch n.NAT {
	case natSingle:
		return 1
	case natPerZone:
		return n.Zones
	}
	return 0
}

// InPrivate reports whether tasks and the agent run in private subnets of a new VPC.
func (n *Network) InPrivate() bool { return n.NATs() > 0 || n.Private }

// New reports whether the environment has a VPC of its own.
func (n *Network) New() bool { return n.VPC == newVPC }

// Range is the range of a new VPC.
func (n *Network) Range() netip.Prefix {
	p, _ := netip.ParsePrefix(n.CIDR) // it was checked; down does not need it
	return p
}

func (n *Network) complete(names.Names) {
	if n.VPCFrom == "" {
		or(&n.VPC, "default")
	}
	if n.New() {
		or(&n.CIDR, newVPCRange)
		or(&n.Zones, 2)
		or(&n.NAT, natNone)
		if n.Private && n.Endpoints == nil {
			n.Endpoints = []string{allEndpoints}
		}
	}
}

// Subnets of a new VPC have prefixes that are longer by subnetBits, and AWS keeps some addresses in each.
// https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
const (
	subnetBits = 4
	keptByAWS  = 5
)

// checkRoom reports a range in whose subnets the interfaces of the endpoints leave no addresses for a
// task and the agent.
func (n *Network) checkRoom(d *decoder) {
	interfaces := 0
	for _, s := range n.EndpointServices() {
		if s != endpointS3 {
			interfaces++
		}
	}
	host := 32 - subnetBits - n.Range().Bits()
	if room := 1<<max(host, 0) - keptByAWS; n.Range().IsValid() && n.Range().Bits() <= smallest && interfaces > room-2 {
		d.bad(&n.CIDR, "Range too small", "In %s, each subnet has %d addresses, and each of the %d endpoints takes one of them, so tasks and the agent would have none. → use a range of /23 or larger, or fewer endpoints", room, interfaces)
	}
}

// maxZones is how many zones the largest region has. Each has two of the 16 ranges of a VPC, so that a
// VPC of the smallest size has subnets of the smallest size.
// https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
const (
	maxZones = 6
	largest  = 16
	smallest = 24
)

// privateRanges are those for which AWS recommends a VPC: other addresses belong to somebody.
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("198.19.0.0/16"),
}

// checkNew checks the attributes of a new VPC.
func (n *Network) checkNew(d *decoder) {
	if d.has(&n.VPC) && !n.New() || !d.written(&n.VPC) {
		for _, f := range []struct {
			field any
			given bool
		}{{&n.CIDR, d.written(&n.CIDR)}, {&n.Zones, d.written(&n.Zones)}, {&n.NAT, d.written(&n.NAT)}, {&n.Private, d.written(&n.Private) && n.Private}} {
			if f.given {
				d.errorAt(d.given[f.field].attr.NameRange, "Only for a new VPC",
					`This attribute describes a VPC that flowbed creates. → set vpc = "new", or remove it`)
			}
		}
		if d.written(&n.Endpoints) {
			d.errorAt(d.given[&n.Endpoints].attr.NameRange, "Only for a new VPC",
				"An endpoint changes how everybody in its VPC reaches a service, so flowbed creates none in a VPC of others; `flowbed doctor` names those that are missing. → set vpc = \"new\", or remove it")
		}
		return
	}
	n.checkNewAlone(d)
	n.checkEndpoints(d)
	if d.has(&n.CIDR) {
		n.checkRange(d)
		n.checkRoom(d)
	}
	d.oneOf(&n.NAT, "way out", natNone, natSingle, natPerZone)
	if d.has(&n.Zones) && (n.Zones < 1 || n.Zones > maxZones) {
		d.bad(&n.Zones, "Invalid number of zones", "%s is not a number of zones from 1 to 6. → use 2, or 3 for more capacity")
	}
}

// checkNewAlone reports what a new VPC decides by itself.
func (n *Network) checkNewAlone(d *decoder) {
	if !n.New() {
		return
	}
	if d.has(&n.Subnets) && len(n.Subnets) > 0 {
		d.errorAt(d.given[&n.Subnets].attr.NameRange, "Subnets of a new VPC",
			`flowbed creates the subnets of a new VPC. → remove subnets, or set vpc to the id of their VPC`)
	}
	if d.has(&n.SecurityGroups) && len(n.SecurityGroups) > 0 {
		d.errorAt(d.given[&n.SecurityGroups].attr.NameRange, "Groups in a new VPC",
			`A security group that exists is in another VPC. → remove security_groups, or set vpc to the id of their VPC`)
	}
	if d.written(&n.PublicIP) {
		d.errorAt(d.given[&n.PublicIP].attr.NameRange, "Addresses in a new VPC",
			`In a new VPC, nat and private decide on public addresses: without a NAT gateway, they are the way out. → remove public_ip, or set nat = "single"`)
	}
}

func (n *Network) checkRange(d *decoder) {
	const example = `use a range such as "10.42.0.0/16"`
	p, err := netip.ParsePrefix(n.CIDR)
	switch {
	case err != nil || !p.Addr().Is4():
		d.bad(&n.CIDR, "Invalid range", "%s is not a range of IPv4 addresses. → "+example)
	case p != p.Masked():
		d.bad(&n.CIDR, "Invalid range", "%s does not begin at the first address of its range. → use %q", p.Masked().String())
	case p.Bits() < largest || p.Bits() > smallest:
		d.bad(&n.CIDR, "Invalid range", "%s has an invalid size: a VPC is /16 at most, and its subnets need /24 at least. → "+example)
	case !slices.ContainsFunc(privateRanges, func(r netip.Prefix) bool { return r.Bits() <= p.Bits() && r.Contains(p.Addr()) }):
		d.bad(&n.CIDR, "Invalid range", "%s is not a private range: the environment could not reach the internet's hosts with these addresses. → "+example)
	}
}
