package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/reach"
)

// SecurityGroup is a security group with exactly these ingress rules: up removes all
// others. If the spec does not narrow its egress, a rule allows all traffic, as in every new
// group, because the agent installs packages and calls AWS.
type SecurityGroup struct {
	API         *ec2.Client
	ID          Identity
	Name        string
	Description string // EC2 cannot change it later
	VPC         string // the id in the spec, if any: a policy can be limited to it
	Network     provision.Ref[NetworkState]
	NewVPC      bool // the environment has a VPC of its own, which may not exist yet
	Ingress     []Ingress
	Self        bool // members of the group can reach each other
	Egress      Egress

	// Needs are what the members connect to, and Reach is what the file says of the way there, so that
	// the plan can tell what is out of reach.
	Needs []reach.Need
	Reach reach.Network

	// OfEndpoints says that the interfaces of the environment's VPC endpoints are in the group.
	OfEndpoints bool

	// Caller, if it is set, is the range that may reach port 22.
	Caller provision.Ref[netip.Prefix]

	Reader *GroupReader // of the environment's groups; nil reads this one alone
	Tasks  *TaskReader  // knows whose the network interfaces of tasks are; may be nil
}

// Ingress allows a CIDR range to reach a port.
type Ingress struct {
	Protocol    string // "tcp" or "udp"
	Port        int
	CIDR        netip.Prefix
	Description string
}

// SecurityGroupState is the actual state of a security group.
type SecurityGroupState struct {
	ID, VPC string
	Rules   []Rule // ingress rules
	Egress  []Rule // egress rules
	Tags    Tags

	doubt string // if several groups have our name and tags
}

var (
	_ Kind[SecurityGroupState]                    = SecurityGroup{}
	_ Discoverer                                  = SecurityGroup{}
	_ provision.Validator[SecurityGroupState]     = SecurityGroup{}
	_ provision.DeleteChecker[SecurityGroupState] = SecurityGroup{}
	_ provision.Explainer[SecurityGroupState]     = SecurityGroup{}
	_ provision.Keeper[SecurityGroupState]        = SecurityGroup{}
	_ provision.Labelled                          = SecurityGroupState{}
	_ provision.Named                             = SecurityGroup{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:    `InvalidGroup.NotFound InvalidGroupId.NotFound InvalidPermission.NotFound`,
		awserr.Conflict:  `InvalidGroup.Duplicate InvalidPermission.Duplicate`,
		awserr.Transient: `DependencyViolation InvalidGroup.InUse`,
		awserr.Quota:     `SecurityGroupLimitExceeded RulesPerSecurityGroupLimitExceeded`,
	},
	Hints: map[string]string{
		"SecurityGroupLimitExceeded":         "the account is at its quota of security groups in this region, which is 2,500 by default: delete some, or " + raise("vpc", "L-E79EC296"),
		"RulesPerSecurityGroupLimitExceeded": "the security group is at its quota of rules, which is 60 in each direction by default: name fewer or larger ranges in the file, or " + raise("vpc", "L-0EA8095F"),
	},
})

// Owner implements provision.State.
func (s SecurityGroupState) Owner() provision.Owner {
	o := s.Tags.Owner()
	o.Doubt = s.doubt
	return o
}

// Read implements provision.Resource. Down must find the group without knowing the VPC, but
// a name is unique only in a VPC. If several groups have the name, Read returns ours. If
// several of them have our tags, none is certainly the environment's: an instance or a task
// of somebody may use each of them.
func (g SecurityGroup) Read(ctx context.Context) (s SecurityGroupState, err error) {
	var ours, others []SecurityGroupState
	if g.OfEndpoints { // without the environment's own VPC there is none
		if _, err := g.Network.Await(ctx); err != nil {
			return s, err
		}
	}
	list, err := g.Reader.read(ctx, g.API, g.Name)
	if err != nil {
		return s, fmt.Errorf("read security group: %w", err)
	}
	for _, o := range list {
		found := SecurityGroupState{
			ID: deref(o.GroupId), VPC: deref(o.VpcId), Tags: ec2Tags(o.Tags),
			Rules: rulesOf(o.IpPermissions, g.ID.Account), Egress: rulesOf(o.IpPermissionsEgress, g.ID.Account),
		}
		if found.Owner().By == g.ID.Owner() {
			ours = append(ours, found)
		} else {
			others = append(others, found)
		}
	}
	switch {
	case len(ours) > 1:
		s.doubt = g.several(ours)
	case len(ours) == 1:
		return ours[0], nil
	case len(others) > 0:
		return g.inWay(ctx, others)
	}
	return s, fmt.Errorf("read security group: %w", provision.ErrAbsent)
}

// inWay returns the group of somebody else in our VPC, which has no room for another one of the
// name. Down looks in no VPC but the environment's own, and may return any of them.
func (g SecurityGroup) inWay(ctx context.Context, others []SecurityGroupState) (SecurityGroupState, error) {
	n, err := g.Network.Await(ctx)
	if err != nil && (!g.NewVPC || !errors.Is(err, provision.ErrAbsent)) {
		return others[0], nil // the error is that of another step
	}
	i := slices.IndexFunc(others, func(o SecurityGroupState) bool { return o.VPC == n.VPC })
	if i < 0 {
		return SecurityGroupState{}, fmt.Errorf("read security group: %w", provision.ErrAbsent)
	}
	return others[i], nil
}

func (g SecurityGroup) several(list []SecurityGroupState) string {
	slices.SortFunc(list, func(a, b SecurityGroupState) int { return cmp.Compare(a.ID, b.ID) })
	var where []string
	for _, s := range list {
		where = append(where, s.ID+" in "+s.VPC)
	}
	return fmt.Sprintf("%d security groups with the tags of this environment are named %s, so it is not certain which one it uses: %s → delete those that are not in use (%s)",
		len(list), g.Name, strings.Join(where, ", "), g.ID.cli("delete-security-group", "--group-id %s", list[0].ID))
}

// Discover implements Discoverer.
func (g SecurityGroup) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	pages := ec2.NewDescribeSecurityGroupsPaginator(g.API, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{hasOwnerTag()}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list security groups in %s: %w", g.ID.Region, err)
		}
		for _, o := range page.SecurityGroups {
			list = append(list, Found{Kind: "security group", Name: deref(o.GroupId), Tags: ec2Tags(o.Tags)})
		}
	}
	return list, nil
}

// Create implements provision.Resource.
func (g SecurityGroup) Create(ctx context.Context) (*SecurityGroupState, error) {
	n, ok := g.Network.Get()
	if !ok {
		return nil, errors.New("create security group: the VPC is not known")
	}
	tags := marked(ctx, g.ID.Tags(g.Name))
	out, err := g.API.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: &g.Name, Description: &g.Description, VpcId: &n.VPC,
		TagSpecifications: ec2TagsFor(tags, types.ResourceTypeSecurityGroup),
	})
	if err != nil {
		return nil, fmt.Errorf("create security group: %w", err)
	}
	// A new group allows all egress: https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
	return &SecurityGroupState{ID: deref(out.GroupId), VPC: n.VPC, Egress: []Rule{allTraffic}, Tags: tags}, nil
}

// want returns the desired ingress rules of the group with this id; known is false if the
// caller's address is not known yet.
func (g SecurityGroup) want(id string) (rules []Rule, known bool) {
	for _, i := range g.Ingress {
		rules = append(rules, Rule{i.Protocol, int32(i.Port), int32(i.Port), i.CIDR.Masked().String(), i.Description})
	}
	if g.Self {
		rules = append(rules, eachOther(id))
	}
	if !g.Caller.Set() {
		return rules, true
	}
	cidr, known := g.Caller.Get()
	if known {
		rules = append(rules, Rule{"tcp", 22, 22, cidr.Masked().String(), "SSH"})
	}
	return rules, known
}

// eachOther lets the members of a group reach each other.
func eachOther(id string) Rule {
	return Rule{Protocol: "-1", Peer: cmp.Or(id, "the group itself"), Description: "each other"}
}

// Changes implements provision.Resource. It adds new rules before it removes old ones, so
// that a changed address locks nobody out in between.
func (g SecurityGroup) Changes(have SecurityGroupState) []provision.Change {
	c := tagChange(have.Tags, g.ID.Tags(g.Name), false, g.tagger(have.ID))
	if have.ID == "" {
		c = append(c, provision.Change{Field: "vpc", To: provision.Of(g.Network, func(n NetworkState) string { return n.VPC })})
	}
	want, known := g.want(have.ID)
	if !known {
		c = append(c, provision.Change{Field: "ingress", To: provision.Unknown()})
	}
	for _, r := range want {
		i := slices.IndexFunc(have.Rules, r.same)
		switch {
		case i < 0:
			c = append(c, provision.Change{Field: "ingress", To: provision.Text(r.String()), Do: g.authorize(have.ID, r)})
		case have.Rules[i].Description != r.Description:
			c = append(c, provision.Change{
				Field: "ingress", From: provision.Text(have.Rules[i].String()), To: provision.Text(r.String()), Do: g.describe(have.ID, r),
			})
		}
	}
	for _, r := range have.Rules {
		if known && !slices.ContainsFunc(want, r.same) {
			c = append(c, provision.Change{Field: "ingress", From: provision.Text(r.String()), Do: g.revoke(have.ID, r)})
		}
	}
	return append(c, g.egressChanges(have)...)
}

// Validate implements provision.Validator. EC2 cannot move a group to another VPC, and an
// interface can use only groups of its own VPC.
func (g SecurityGroup) Validate(have SecurityGroupState, found bool) []provision.Note {
	n, ok := g.Network.Get()
	if found && !ok && g.NewVPC {
		n.VPC, ok = "a VPC of its own", true
	}
	if !found || !ok || have.VPC == n.VPC {
		return n.notes(g.Reach, g.Needs)
	}
	return []provision.Note{{Severity: provision.Error, Text: fmt.Sprintf(
		"%s is in %s, but the config file selects %s → run `flowbed down` first, then up in the new VPC", have.ID, have.VPC, n.VPC)}}
}

func (g SecurityGroup) tagger(id string) tagger {
	return tagger{
		set: func(ctx context.Context, t Tags) error {
			_, err := g.API.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: tagList(t, ec2Tag)})
			return err
		},
		drop: func(ctx context.Context, keys []string) error { return dropEC2Tags(ctx, g.API, []string{id}, keys) },
	}
}

func (g SecurityGroup) authorize(id string, r Rule) doFunc {
	return func(ctx context.Context) error {
		_, err := g.API.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: r.permission()})
		return err
	}
}

func (g SecurityGroup) describe(id string, r Rule) doFunc {
	return func(ctx context.Context) error {
		_, err := g.API.UpdateSecurityGroupRuleDescriptionsIngress(ctx, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{
			GroupId: &id, IpPermissions: r.permission(),
		})
		return err
	}
}

func (g SecurityGroup) revoke(id string, r Rule) doFunc {
	return func(ctx context.Context) error {
		_, err := g.API.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: r.permission()})
		return awserr.Gone(err)
	}
}

// Delete implements provision.Resource.
func (g SecurityGroup) Delete(ctx context.Context, have SecurityGroupState) error {
	_, err := g.API.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &have.ID})
	return awserr.Gone(err)
}
