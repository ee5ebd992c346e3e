package ec2

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, authorizeIngress, groupAccess)
	core.Register(service, authorizeEgress, groupAccess)
	core.Register(service, revokeIngress, groupAccess)
	core.Register(service, revokeEgress, groupAccess)
	core.Register(service, describeRules, groupAccess)
}

func authorizeIngress(r *request, in *ec2.AuthorizeSecurityGroupIngressInput) (*ec2.AuthorizeSecurityGroupIngressOutput, error) {
	return &ec2.AuthorizeSecurityGroupIngressOutput{Return: aws.Bool(true)}, r.authorize(in.GroupId, in.IpPermissions, ingress)
}

func authorizeEgress(r *request, in *ec2.AuthorizeSecurityGroupEgressInput) (*ec2.AuthorizeSecurityGroupEgressOutput, error) {
	return &ec2.AuthorizeSecurityGroupEgressOutput{Return: aws.Bool(true)}, r.authorize(in.GroupId, in.IpPermissions, egress)
}

func revokeIngress(r *request, in *ec2.RevokeSecurityGroupIngressInput) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	return &ec2.RevokeSecurityGroupIngressOutput{Return: aws.Bool(true)}, r.revoke(in.GroupId, in.IpPermissions, ingress)
}

func revokeEgress(r *request, in *ec2.RevokeSecurityGroupEgressInput) (*ec2.RevokeSecurityGroupEgressOutput, error) {
	return &ec2.RevokeSecurityGroupEgressOutput{Return: aws.Bool(true)}, r.revoke(in.GroupId, in.IpPermissions, egress)
}

func ingress(g *securityGroup) *[]rule { return &g.Ingress }
func egress(g *securityGroup) *[]rule  { return &g.Egress }

// same reports whether two rules are the same to EC2, which ignores their
// descriptions.
func (u rule) same(o rule) bool {
	u.Description, o.Description = "", ""
	return u == o
}

// rules splits permissions into single rules and checks them. As EC2 does, it
// removes the host bits of addresses and shortens IPv6.
func (r *request) rules(list []types.IpPermission) (rules []rule, err error) {
	for _, p := range list {
		u, err := portsOf(p)
		if err != nil {
			return nil, err
		}
		peers, err := r.peers(p)
		if err != nil {
			return nil, err
		}
		for _, peer := range peers {
			if t := peer.Description; t != "" && (len(t) > 255 || !groupChars.MatchString(t)) {
				return nil, core.Fail("InvalidParameterValue", "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
			}
			peer.Protocol, peer.From, peer.To = u.Protocol, u.From, u.To
			rules = append(rules, peer)
		}
	}
	if len(rules) == 0 {
		return nil, core.Fail("MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.")
	}
	return rules, nil
}

// portsOf returns the protocol and the ports of a permission.
func portsOf(p types.IpPermission) (rule, error) {
	u := rule{Protocol: aws.ToString(p.IpProtocol), From: aws.ToInt32(p.FromPort), To: aws.ToInt32(p.ToPort)}
	switch u.Protocol {
	case "6":
		u.Protocol = "tcp"
	case "17":
		u.Protocol = "udp"
	case "-1":
		return rule{Protocol: u.Protocol}, nil
	case "tcp", "udp":
	case "icmp", "icmpv6":
		return u, nil
	default:
		return u, core.Fail("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", u.Protocol)
	}
	if u.From < 0 || u.To > 65535 || u.From > u.To {
		return u, core.Fail("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", u.From, u.To)
	}
	return u, nil
}

// peers returns the sources or destinations of a permission. A group of another
// account, in a peered VPC, is recognized only by its account.
func (r *request) peers(p types.IpPermission) (peers []rule, err error) {
	add := func(cidr *string, ok func(netip.Addr) bool, about *string) error {
		c, err := netip.ParsePrefix(aws.ToString(cidr))
		if err != nil || !ok(c.Addr()) {
			return core.Fail("InvalidParameterValue", "CIDR block %s is malformed", aws.ToString(cidr))
		}
		peers = append(peers, rule{CIDR: c.Masked().String(), Description: aws.ToString(about)})
		return nil
	}
	for _, i := range p.IpRanges {
		if err := add(i.CidrIp, netip.Addr.Is4, i.Description); err != nil {
			return nil, err
		}
	}
	for _, i := range p.Ipv6Ranges {
		if err := add(i.CidrIpv6, netip.Addr.Is6, i.Description); err != nil {
			return nil, err
		}
	}
	for _, i := range p.UserIdGroupPairs {
		id, account := aws.ToString(i.GroupId), aws.ToString(i.UserId)
		if account == r.AccountID {
			account = ""
		}
		if account == "" && r.db().Groups[id] == nil {
			return nil, noGroup(id)
		}
		peers = append(peers, rule{Group: id, Account: account, Description: aws.ToString(i.Description)})
	}
	for _, i := range p.PrefixListIds {
		l, err := r.rangeList(aws.ToString(i.PrefixListId))
		if err != nil {
			return nil, err
		}
		peers = append(peers, rule{PrefixList: l.id, Description: aws.ToString(i.Description)})
	}
	return peers, nil
}

// mostRules is how many rules a group can have in each direction.
const mostRules = 60

// authorize adds all of the rules or none.
func (r *request) authorize(id *string, list []types.IpPermission, side func(*securityGroup) *[]rule) error {
	d := r.db()
	g := d.Groups[aws.ToString(id)]
	if g == nil {
		return noGroup(aws.ToString(id))
	}
	add, err := r.rules(list)
	if err != nil {
		return err
	}
	next := slices.Clone(*side(g))
	for i, u := range add {
		switch {
		case slices.ContainsFunc(add[:i], u.same):
			return core.Fail("InvalidParameterValue", "The same permission must not appear multiple times")
		case slices.ContainsFunc(next, u.same):
			return core.Fail("InvalidPermission.Duplicate", "the specified rule \"peer: %s%s%s, %s, from port: %d, to port: %d, ALLOW\" already exists",
				u.CIDR, u.Group, u.PrefixList, u.Protocol, u.From, u.To)
		}
	}
	next = append(next, add...)
	if four, six := r.weights(next); max(four, six) > mostRules {
		return core.Fail("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	*side(g) = next
	return nil
}

// revoke removes all of the rules or none.
func (r *request) revoke(id *string, list []types.IpPermission, side func(*securityGroup) *[]rule) error {
	d := r.db()
	g := d.Groups[aws.ToString(id)]
	if g == nil {
		return noGroup(aws.ToString(id))
	}
	gone, err := r.rules(list)
	if err != nil {
		return err
	}
	next := slices.Clone(*side(g))
	for _, u := range gone {
		i := slices.IndexFunc(next, u.same)
		if i < 0 {
			return core.Fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		next = slices.Delete(next, i, i+1)
	}
	*side(g) = next
	return nil
}

func describeRules(r *request, in *ec2.UpdateSecurityGroupRuleDescriptionsIngressInput) (*ec2.UpdateSecurityGroupRuleDescriptionsIngressOutput, error) {
	d := r.db()
	g := d.Groups[aws.ToString(in.GroupId)]
	if g == nil {
		return nil, noGroup(aws.ToString(in.GroupId))
	}
	list, err := r.rules(in.IpPermissions)
	if err != nil {
		return nil, err
	}
	next := slices.Clone(g.Ingress)
	for _, u := range list {
		i := slices.IndexFunc(next, u.same)
		if i < 0 {
			return nil, core.Fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		next[i] = u
	}
	g.Ingress = next
	return &ec2.UpdateSecurityGroupRuleDescriptionsIngressOutput{Return: aws.Bool(true)}, nil
}

// permissions groups rules as EC2 shows them: one permission for each protocol and
// port range.
func permissions(account string, rules []rule) (list []types.IpPermission) {
	at := map[rule]int{}
	for _, u := range rules {
		key := rule{Protocol: u.Protocol, From: u.From, To: u.To}
		i, ok := at[key]
		if !ok {
			i = len(list)
			at[key] = i
			p := types.IpPermission{IpProtocol: aws.String(u.Protocol)}
			if u.Protocol != "-1" {
				p.FromPort, p.ToPort = aws.Int32(u.From), aws.Int32(u.To)
			}
			list = append(list, p)
		}
		var about *string
		if u.Description != "" {
			about = aws.String(u.Description)
		}
		p := &list[i]
		switch c, err := netip.ParsePrefix(u.CIDR); {
		case u.Group != "":
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, types.UserIdGroupPair{
				GroupId: aws.String(u.Group), UserId: aws.String(cmp.Or(u.Account, account)), Description: about,
			})
		case u.PrefixList != "":
			p.PrefixListIds = append(p.PrefixListIds, types.PrefixListId{PrefixListId: aws.String(u.PrefixList), Description: about})
		case err == nil && c.Addr().Is6():
			p.Ipv6Ranges = append(p.Ipv6Ranges, types.Ipv6Range{CidrIpv6: aws.String(u.CIDR), Description: about})
		default:
			p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: aws.String(u.CIDR), Description: about})
		}
	}
	return list
}
