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
	Peer        string // a range of addresses, a prefix list, a group, or account/group if that is another's
	Description string
}

var everything = Rule{Protocol: "-1", Peer: "0.0.0.0/0"}

// same reports whether EC2 takes two rules for one: whatever their description.
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
	var about *string
	if r.Description != "" {
		about = &r.Description
	}
	account, group, foreign := strings.Cut(r.Peer, "/sg-")
	switch cidr, err := netip.ParsePrefix(r.Peer); {
	case foreign:
		p.UserIdGroupPairs = []types.UserIdGroupPair{{UserId: &account, GroupId: new("sg-" + group), Description: about}}
	case strings.HasPrefix(r.Peer, "sg-"):
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: &r.Peer, Description: about}}
	case strings.HasPrefix(r.Peer, "pl-"):
		p.PrefixListIds = []types.PrefixListId{{PrefixListId: &r.Peer, Description: about}}
	case err == nil && cidr.Addr().Is6():
		p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: &r.Peer, Description: about}}
	default:
		p.IpRanges = []types.IpRange{{CidrIp: &r.Peer, Description: about}}
	}
	return []types.IpPermission{p}
}

// rulesOf takes permissions apart, in an order of our own. Ranges are written
// without host bits, as EC2 promises to. The account is the group's own.
func rulesOf(list []types.IpPermission, account string) (rules []Rule) {
	for _, p := range list {
		r := Rule{Protocol: deref(p.IpProtocol), From: deref(p.FromPort), To: deref(p.ToPort)}
		if r.Protocol == "-1" { // some answers have ports of -1 here
			r.From, r.To = 0, 0
		}
		add := func(peer, about *string) {
			r.Peer, r.Description = deref(peer), deref(about)
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
