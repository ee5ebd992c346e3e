package resource

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Egress is where members of a security group may connect to. S3 is always among it, because the
// code of flows, the layers of images in ECR and the packages of Amazon Linux come from there. The
// VPC's DNS server, the metadata service and the endpoint for the credentials of tasks need no rule:
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
//
// The zero value means everywhere.
type Egress struct {
	CIDRs []netip.Prefix // none means everywhere
	Ports []int          // of TCP; none means all traffic
	S3    provision.Ref[S3AddressesState]
}

// narrow reports whether the group has exactly these rules.
func (e Egress) narrow() bool { return e.S3.Set() }

// narrowed begins the descriptions of the rules of a narrowed group, so that a later run knows them
// as ours.
const narrowed = "network.egress"

// mostRules is how many rules a group can have in one direction, unless the account's quota is
// another one.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
const mostRules = 60

func (e Egress) ranges() []netip.Prefix {
	if len(e.CIDRs) == 0 {
		return []netip.Prefix{netip.MustParsePrefix(everywhere)}
	}
	return e.CIDRs
}

// rules returns the desired egress rules of the group with this id; known is false if S3's prefix
// list is not known yet.
func (e Egress) rules(id string, self bool) (rules []Rule, known bool) {
	if !e.narrow() {
		return []Rule{allTraffic}, true
	}
	for _, c := range e.ranges() {
		if len(e.Ports) == 0 {
			rules = append(rules, Rule{Protocol: "-1", Peer: c.String(), Description: narrowed})
		}
		for _, p := range e.Ports {
			rules = append(rules, Rule{"tcp", int32(p), int32(p), c.String(), narrowed})
		}
	}
	if self {
		r := eachOther(id)
		r.Description = narrowed + ": each other"
		rules = append(rules, r)
	}
	s3, known := e.S3.Get()
	if known {
		rules = append(rules, Rule{"tcp", 443, 443, s3.List, narrowed + ": S3"})
	}
	return rules, known
}

// egressChanges lists the differences of the egress rules. A narrowed group has exactly its rules. A
// group that may connect to everything keeps what others have added, which lets out nothing more.
func (g SecurityGroup) egressChanges(have SecurityGroupState) (c []provision.Change) {
	want, known := g.Egress.rules(have.ID, g.Self)
	var add, remove []provision.Change
	for _, r := range want {
		if !slices.ContainsFunc(have.Egress, r.same) {
			add = append(add, provision.Change{Field: "egress", To: provision.Text(r.String()), Do: g.authorizeEgress(have.ID, r)})
		}
	}
	if !known {
		add = append(add, provision.Change{Field: "egress", To: provision.Unknown()})
	}
	for _, r := range have.Egress {
		ours := g.Egress.narrow() || strings.HasPrefix(r.Description, narrowed)
		if known && ours && !slices.ContainsFunc(want, r.same) {
			remove = append(remove, provision.Change{Field: "egress", From: provision.Text(r.String()), Do: g.revokeEgress(have.ID, r)})
		}
	}
	if len(have.Egress)+len(add) > mostRules { // there is no room for both
		return append(remove, add...)
	}
	return append(add, remove...)
}

func (g SecurityGroup) authorizeEgress(id string, r Rule) doFunc {
	return func(ctx context.Context) error {
		_, err := g.API.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &id, IpPermissions: r.permission()})
		return err
	}
}

func (g SecurityGroup) revokeEgress(id string, r Rule) doFunc {
	return func(ctx context.Context) error {
		_, err := g.API.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &id, IpPermissions: r.permission()})
		return awserr.Gone(err)
	}
}
