package stack

import (
	"github.com/flowbed/flowbed/provision/resource"
)

// narrow lets a security group of the environment out only to what the spec names. Down does not
// look at the rules of groups.
func (s *Stack) narrow(g *resource.SecurityGroup) {
	e := s.env.Network.Egress
	if e == nil || s.o.Destroy || s.groupsNamed() {
		return
	}
	if !s.s3Addresses.Set() {
		s.s3Addresses = data(s, "addresses of S3", resource.S3Addresses{API: s.c.EC2, ID: s.id})
	}
	g.Egress = resource.Egress{CIDRs: e.Ranges(), Ports: e.Ports, S3: s.s3Addresses}
}
