package resource

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Rule is one rule of a security group: one peer, one range of ports.
type Rule struct {
	Protocol    string // "tcp", "udp", "icmp", …, or "-1" for all
	From, To    int32  // ports
	Peer        string // a CIDR range, a prefix list, a group, or account/group for a group of another account
	Description string
}

var allTraffic = Rule{Protocol: "-1", Peer: "0.0.0.0/0"}

// same reports whether two rules are the same for EC2, which ignores descriptions.
func (r Rule) same(o Rule) bool {
	r.Description, o.Description = "", ""
	return r == o
}

func (r Rule) String() string {
	s := r.Protocol
	switch {
	case r.Protocol == "-1":
		s = "all traffic"
	case r.From == r.To:
		s += fmt.Sprintf(" %d", r.From)
	default:
		s += fmt.Sprintf(" %d-%d", r.From, r.To)
	}
	s += ", " + r.Peer
	if r.Description != "" {
		s += " (" + r.Description + ")"
	}
	return s
}

// permission is the rule in a request.
func (r Rule) permission() []types.IpPermission {
	p := types.IpPermission{IpProtocol: &r.Protocol}
	if r.Protocol != "-1" {
		p.FromPort, p.ToPort = &r.From, &r.To
	}
	var description *string
	if r.Description != "" {
		description = &r.Description
	}
	account, group, otherAccount := strings.Cut(r.Peer, "/sg-")
	switch cidr, err := netip.ParsePrefix(r.Peer); {
	case otherAccount:
		p.UserIdGroupPairs = []types.UserIdGroupPair{{UserId: &account, GroupId: new("sg-" + group), Description: description}}
	case strings.HasPrefix(r.Peer, "sg-"):
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: &r.Peer, Description: description}}
	case strings.HasPrefix(r.Peer, "pl-"):
		p.PrefixListIds = []types.PrefixListId{{PrefixListId: &r.Peer, Description: description}}
	case err == nil && cidr.Addr().Is6():
		p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: &r.Peer, Description: description}}
	default:
		p.IpRanges = []types.IpRange{{CidrIp: &r.Peer, Description: description}}
	}
	return []types.IpPermission{p}
}

// rulesOf splits permissions into rules with one peer each, sorted. It clears the host bits
// of ranges, as EC2 does. Account is the group's own account.
func rulesOf(list []types.IpPermission, account string) (rules []Rule) {
	for _, p := range list {
		r := Rule{Protocol: deref(p.IpProtocol), From: deref(p.FromPort), To: deref(p.ToPort)}
		if r.Protocol == "-1" { // some replies have ports of -1 here
			r.From, r.To = 0, 0
		}
		add := func(peer, description *string) {
			r.Peer, r.Description = deref(peer), deref(description)
			if cidr, err := netip.ParsePrefix(r.Peer); err == nil {
				r.Peer = cidr.Masked().String()
			}
			rules = append(rules, r)
		}
		for _, i := range p.IpRanges {
			add(i.CidrIp, i.Description)
		}
		for _, i := range p.Ipv6Ranges {
			add(i.CidrIpv6, i.Description)
		}
		for _, i := range p.PrefixListIds {
			add(i.PrefixListId, i.Description)
		}
		for _, i := range p.UserIdGroupPairs {
			id := i.GroupId
			if u := deref(i.UserId); u != "" && u != account {
				id = new(u + "/" + deref(id))
			}
			add(id, i.Description)
		}
	}
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Peer, b.Peer))
	})
	return rules
}
