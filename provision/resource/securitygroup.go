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
)

// SecurityGroup is a security group that lets in exactly what it says: a rule
// that somebody else has added is taken out again. It lets out everything, as
// EC2 sets it up, because the agent installs packages and talks to AWS.
type SecurityGroup struct {
	API         *ec2.Client
	ID          Identity
	Name        string
	Description string // cannot be changed later
	VPC         string // the id, if the spec names it: a policy can be narrowed to it
	Network     provision.Ref[NetworkState]
	Ingress     []Ingress
	Among       bool // what is in the group can reach what else is in it

	// Caller, if it is set, is the range that may reach port 22.
	Caller provision.Ref[netip.Prefix]

	Reader *GroupReader // of the environment's groups; nil reads this one alone
}

// Ingress lets a range of addresses reach a port.
type Ingress struct {
	Protocol    string // "tcp" or "udp"
	Port        int
	CIDR        netip.Prefix
	Description string
}

// SecurityGroupState is a security group as it is found.
type SecurityGroupState struct {
	ID, VPC string
	Rules   []Rule // that let in
	Egress  []Rule // that let out
	Tags    Tags
}

var (
	_ Kind[SecurityGroupState]                = SecurityGroup{}
	_ Discoverer                              = SecurityGroup{}
	_ provision.Validator[SecurityGroupState] = SecurityGroup{}
	_ provision.Explainer[SecurityGroupState] = SecurityGroup{}
	_ provision.Labelled                      = SecurityGroupState{}
)

var _ = awserr.Declare(awserr.Errors{Codes: awserr.Codes{
	awserr.Absent:    `InvalidGroup.NotFound InvalidGroupId.NotFound InvalidPermission.NotFound`,
	awserr.Conflict:  `InvalidGroup.Duplicate InvalidPermission.Duplicate`,
	awserr.Transient: `DependencyViolation InvalidGroup.InUse`,
	awserr.Quota:     `SecurityGroupLimitExceeded RulesPerSecurityGroupLimitExceeded`,
}})

// Owner implements provision.State.
func (s SecurityGroupState) Owner() provision.Owner { return s.Tags.Owner() }

// Read implements provision.Resource. A name is unique in a VPC only, and a
// removal must find the group without knowing the VPC: of several groups with
// the name, ours is meant.
func (g SecurityGroup) Read(ctx context.Context) (s SecurityGroupState, err error) {
	var ours, others []SecurityGroupState
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
		return s, fmt.Errorf("there are several security groups %s of this environment: %s in %s and %s in %s; delete the one that is not in use",
			g.Name, ours[0].ID, ours[0].VPC, ours[1].ID, ours[1].VPC)
	case len(ours) == 1:
		return ours[0], nil
	case len(others) > 0:
		return others[0], nil
	}
	return s, fmt.Errorf("read security group: %w", provision.ErrAbsent)
}

// Discover implements Discoverer.
func (g SecurityGroup) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	pages := ec2.NewDescribeSecurityGroupsPaginator(g.API, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{anyOfOurs()}})
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
	tags := g.ID.Tags(g.Name)
	out, err := g.API.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: &g.Name, Description: &g.Description, VpcId: &n.VPC,
		TagSpecifications: ec2TagsFor(tags, types.ResourceTypeSecurityGroup),
	})
	if err != nil {
		return nil, fmt.Errorf("create security group: %w", err)
	}
	// EC2 lets a new group's traffic out: https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
	return &SecurityGroupState{ID: deref(out.GroupId), VPC: n.VPC, Egress: []Rule{everything}, Tags: tags}, nil
}

// want are the rules that let in, of the group with the id; known is false while
// the caller's address is not known.
func (g SecurityGroup) want(id string) (rules []Rule, known bool) {
	for _, i := range g.Ingress {
		rules = append(rules, Rule{i.Protocol, int32(i.Port), int32(i.Port), i.CIDR.Masked().String(), i.Description})
	}
	if g.Among {
		rules = append(rules, Rule{Protocol: "-1", Peer: cmp.Or(id, "the group itself"), Description: "each other"})
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

// Changes implements provision.Resource. New rules come before the end of old
// ones: a moved address does not lock anybody out in between.
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
	if !slices.ContainsFunc(have.Egress, everything.same) {
		c = append(c, provision.Change{Field: "egress", To: provision.Text(everything.String()), Do: g.authorizeEgress(have.ID)})
	}
	return c
}

// Validate implements provision.Validator. A group cannot move, and what is in it
// cannot be in a group of another VPC.
func (g SecurityGroup) Validate(have SecurityGroupState, found bool) []provision.Note {
	n, ok := g.Network.Get()
	if !found || !ok || have.VPC == n.VPC {
		return nil
	}
	return []provision.Note{{Severity: provision.Error, Text: fmt.Sprintf(
		"%s is in %s, and the environment is to be in %s: run `flowbed down` before moving it to another VPC", have.ID, have.VPC, n.VPC)}}
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

func (g SecurityGroup) authorize(id string, r Rule) do {
	return func(ctx context.Context) error {
		_, err := g.API.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: r.permission()})
		return err
	}
}

func (g SecurityGroup) authorizeEgress(id string) do {
	return func(ctx context.Context) error {
		_, err := g.API.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &id, IpPermissions: everything.permission()})
		return err
	}
}

func (g SecurityGroup) describe(id string, r Rule) do {
	return func(ctx context.Context) error {
		_, err := g.API.UpdateSecurityGroupRuleDescriptionsIngress(ctx, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{
			GroupId: &id, IpPermissions: r.permission(),
		})
		return err
	}
}

func (g SecurityGroup) revoke(id string, r Rule) do {
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

// Explain implements provision.Explainer: it names what holds on to the group.
func (g SecurityGroup) Explain(ctx context.Context, have SecurityGroupState) string {
	var held []string
	if out, err := g.API.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{filter("group-id", have.ID)},
	}); err == nil {
		for _, n := range out.NetworkInterfaces {
			held = append(held, describeInterface(n))
		}
	}
	if out, err := g.API.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{filter("ip-permission.group-id", have.ID)},
	}); err == nil {
		for _, o := range out.SecurityGroups {
			if deref(o.GroupId) != have.ID {
				held = append(held, fmt.Sprintf("a rule of %s (%s) that lets it in", deref(o.GroupId), deref(o.GroupName)))
			}
		}
	}
	if len(held) == 0 {
		return ""
	}
	return have.ID + " is used by " + strings.Join(held, "; ")
}

func describeInterface(n types.NetworkInterface) string {
	s := "the network interface " + deref(n.NetworkInterfaceId)
	if n.Attachment != nil && n.Attachment.InstanceId != nil {
		s += " of " + *n.Attachment.InstanceId
	}
	if d := deref(n.Description); d != "" {
		s += fmt.Sprintf(" (%s)", d)
	}
	return s
}
