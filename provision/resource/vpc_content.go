package resource

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
)

// vpcContent is what keeps EC2 from deleting a VPC. Its error names nothing. Not in the list are the
// main route table, the default security group and the default network ACL, which go with the VPC, and what has an
// interface in it, such as a transit gateway.
// https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html
type vpcContent struct {
	interfaces []types.NetworkInterface
	objects    []vpcObject // all others, in a fixed order
}

// vpcObject is a part of a VPC.
type vpcObject struct {
	kind, id, name string
	tags           Tags
	remove         string // the command of the AWS CLI
}

func (c vpcContent) empty() bool { return len(c.interfaces) == 0 && len(c.objects) == 0 }

// content makes its calls in parallel.
func (v VPC) content(ctx context.Context, id string) (c vpcContent, err error) {
	in := []types.Filter{filter("vpc-id", id)}
	var subnets, tables, groups, gateways, acls, egressOnly, vpns []vpcObject
	var endpoints []Endpoint
	err = parallel(ctx,
		func(ctx context.Context) (err error) {
			endpoints, err = Endpoints{API: v.API}.find(ctx, in...)
			return err
		},
		func(ctx context.Context) (err error) { c.interfaces, err = interfacesIn(ctx, v.API, in...); return err },
		func(ctx context.Context) error {
			return eachPage(ctx, ec2.NewDescribeSubnetsPaginator(v.API, &ec2.DescribeSubnetsInput{Filters: in}), func(page *ec2.DescribeSubnetsOutput) {
				for _, o := range page.Subnets {
					subnets = append(subnets, vpcObject{"subnet", deref(o.SubnetId), deref(o.CidrBlock), ec2Tags(o.Tags),
						v.ID.cli("delete-subnet", "--subnet-id %s", deref(o.SubnetId))})
				}
			})
		},
		func(ctx context.Context) error {
			return eachPage(ctx, ec2.NewDescribeRouteTablesPaginator(v.API, &ec2.DescribeRouteTablesInput{Filters: in}), func(page *ec2.DescribeRouteTablesOutput) {
				for _, o := range page.RouteTables {
					if !slices.ContainsFunc(o.Associations, func(a types.RouteTableAssociation) bool { return deref(a.Main) }) {
						tables = append(tables, vpcObject{"route table", deref(o.RouteTableId), "", ec2Tags(o.Tags),
							v.ID.cli("delete-route-table", "--route-table-id %s", deref(o.RouteTableId))})
					}
				}
			})
		},
		func(ctx context.Context) error {
			return eachPage(ctx, ec2.NewDescribeSecurityGroupsPaginator(v.API, &ec2.DescribeSecurityGroupsInput{Filters: in}), func(page *ec2.DescribeSecurityGroupsOutput) {
				for _, o := range page.SecurityGroups {
					if deref(o.GroupName) != "default" {
						groups = append(groups, vpcObject{"security group", deref(o.GroupId), deref(o.GroupName), ec2Tags(o.Tags),
							v.ID.cli("delete-security-group", "--group-id %s", deref(o.GroupId))})
					}
				}
			})
		},
		func(ctx context.Context) error {
			attached := &ec2.DescribeInternetGatewaysInput{Filters: []types.Filter{filter("attachment.vpc-id", id)}}
			return eachPage(ctx, ec2.NewDescribeInternetGatewaysPaginator(v.API, attached), func(page *ec2.DescribeInternetGatewaysOutput) {
				for _, o := range page.InternetGateways {
					gateways = append(gateways, vpcObject{"internet gateway", deref(o.InternetGatewayId), "", ec2Tags(o.Tags),
						v.ID.cli("detach-internet-gateway", "--internet-gateway-id %s --vpc-id %s", deref(o.InternetGatewayId), id)})
				}
			})
		},
		func(ctx context.Context) (err error) { acls, err = v.acls(ctx, in); return err },
		func(ctx context.Context) (err error) { egressOnly, err = v.egressOnly(ctx, id); return err },
		func(ctx context.Context) (err error) { vpns, err = v.vpns(ctx, id); return err },
	)
	if err != nil {
		return c, fmt.Errorf("read what is in %s: %w", id, err)
	}
	nats, err := v.nats(ctx, id, &c)
	if err != nil {
		return c, fmt.Errorf("read what is in %s: %w", id, err)
	}
	c.objects = slices.Concat(subnets, tables, groups, gateways, egressOnly, vpns, acls, nats, v.endpoints(endpoints, &c))
	return c, nil
}

// acls are the network ACLs that somebody has created. One with subnets cannot be deleted, but they can have
// the default one.
func (v VPC) acls(ctx context.Context, in []types.Filter) (list []vpcObject, err error) {
	var found []types.NetworkAcl
	byDefault := ""
	err = eachPage(ctx, ec2.NewDescribeNetworkAclsPaginator(v.API, &ec2.DescribeNetworkAclsInput{Filters: in}), func(page *ec2.DescribeNetworkAclsOutput) {
		for _, o := range page.NetworkAcls {
			if deref(o.IsDefault) {
				byDefault = deref(o.NetworkAclId)
			} else {
				found = append(found, o)
			}
		}
	})
	for _, o := range found {
		var commands []string
		for _, a := range o.Associations {
			commands = append(commands, v.ID.cli("replace-network-acl-association", "--association-id %s --network-acl-id %s", deref(a.NetworkAclAssociationId), byDefault))
		}
		commands = append(commands, v.ID.cli("delete-network-acl", "--network-acl-id %s", deref(o.NetworkAclId)))
		list = append(list, vpcObject{"network ACL", deref(o.NetworkAclId), "", ec2Tags(o.Tags), strings.Join(commands, " && ")})
	}
	return list, err
}

// egressOnly are the egress-only internet gateways. EC2 has no filter for their VPC.
func (v VPC) egressOnly(ctx context.Context, id string) (list []vpcObject, err error) {
	pages := ec2.NewDescribeEgressOnlyInternetGatewaysPaginator(v.API, &ec2.DescribeEgressOnlyInternetGatewaysInput{})
	err = eachPage(ctx, pages, func(page *ec2.DescribeEgressOnlyInternetGatewaysOutput) {
		for _, o := range page.EgressOnlyInternetGateways {
			if slices.ContainsFunc(o.Attachments, func(a types.InternetGatewayAttachment) bool { return deref(a.VpcId) == id }) {
				list = append(list, vpcObject{"egress-only internet gateway", deref(o.EgressOnlyInternetGatewayId), "", ec2Tags(o.Tags),
					v.ID.cli("delete-egress-only-internet-gateway", "--egress-only-internet-gateway-id %s", deref(o.EgressOnlyInternetGatewayId))})
			}
		}
	})
	return list, err
}

// vpns are the VPN gateways. EC2 goes on to show one that is detached.
func (v VPC) vpns(ctx context.Context, id string) (list []vpcObject, err error) {
	out, err := v.API.DescribeVpnGateways(ctx, &ec2.DescribeVpnGatewaysInput{
		Filters: []types.Filter{filter("attachment.vpc-id", id), filter("attachment.state", "attaching", "attached", "detaching")}})
	if err != nil {
		return nil, err
	}
	for _, o := range out.VpnGateways {
		list = append(list, vpcObject{"VPN gateway", deref(o.VpnGatewayId), "", ec2Tags(o.Tags),
			v.ID.cli("detach-vpn-gateway", "--vpn-gateway-id %s --vpc-id %s", deref(o.VpnGatewayId), id)})
	}
	return list, nil
}

// endpoints puts the VPC endpoints in the place of their interfaces, which have no tags. That of a
// gateway has none.
func (v VPC) endpoints(found []Endpoint, c *vpcContent) (list []vpcObject) {
	for _, o := range found {
		if o.State == endpointDeleted {
			continue
		}
		c.interfaces = slices.DeleteFunc(c.interfaces, func(n types.NetworkInterface) bool {
			return slices.Contains(o.Interfaces, deref(n.NetworkInterfaceId))
		})
		name := o.Service
		if strings.HasPrefix(name, guardDutyService) {
			name = guardDuty
		}
		list = append(list, vpcObject{"VPC endpoint", o.ID, name, o.Tags, v.ID.cli("delete-vpc-endpoints", "--vpc-endpoint-ids %s", o.ID)})
	}
	return list
}

// nats puts the NAT gateways in the place of their interfaces, which have no tags.
func (v VPC) nats(ctx context.Context, id string, c *vpcContent) (list []vpcObject, err error) {
	all := len(c.interfaces)
	c.interfaces = slices.DeleteFunc(c.interfaces, func(n types.NetworkInterface) bool {
		return n.InterfaceType == types.NetworkInterfaceTypeNatGateway || strings.HasPrefix(deref(n.Description), "Interface for NAT Gateway ")
	})
	if len(c.interfaces) == all {
		return nil, nil
	}
	found, err := NATGateways{API: v.API}.find(ctx, filter("vpc-id", id), filter("state", "pending", "available", "deleting"))
	for _, o := range found {
		list = append(list, vpcObject{"NAT gateway", o.ID, "", o.Tags, v.ID.cli("delete-nat-gateway", "--nat-gateway-id %s", o.ID)})
	}
	return list, err
}

// pager is a paginator of the SDK.
type pager[O any] interface {
	HasMorePages() bool
	NextPage(ctx context.Context, options ...func(*ec2.Options)) (*O, error)
}

func eachPage[O any](ctx context.Context, pages pager[O], f func(*O)) error {
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		f(page)
	}
	return nil
}

// interfacesIn returns the network interfaces that match, in a fixed order.
func interfacesIn(ctx context.Context, api *ec2.Client, filters ...types.Filter) (list []types.NetworkInterface, err error) {
	err = eachPage(ctx, ec2.NewDescribeNetworkInterfacesPaginator(api, &ec2.DescribeNetworkInterfacesInput{Filters: filters}),
		func(page *ec2.DescribeNetworkInterfacesOutput) { list = append(list, page.NetworkInterfaces...) })
	slices.SortFunc(list, func(a, b types.NetworkInterface) int {
		return cmp.Compare(deref(a.NetworkInterfaceId), deref(b.NetworkInterfaceId))
	})
	return list, err
}

// guardDuty begins the name of the security group that Amazon GuardDuty creates in a VPC in which
// it monitors tasks or instances, together with an endpoint. EC2 deletes no VPC with them.
// https://docs.aws.amazon.com/guardduty/latest/ug/runtime-monitoring-agent-resource-clean-up.html
const (
	guardDuty        = "GuardDutyManagedSecurityGroup"
	guardDutyService = "guardduty-data" // of its endpoint
)

func ofGuardDuty(n types.NetworkInterface) bool {
	return slices.ContainsFunc(n.Groups, func(g types.GroupIdentifier) bool { return strings.HasPrefix(deref(g.GroupName), guardDuty) })
}

// removeGuardDuty is what helps against GuardDuty's objects. It creates them again as long as there
// is something to monitor.
const removeGuardDuty = "Amazon GuardDuty put it there for its Runtime Monitoring: when the tasks and the agent are gone, " +
	"delete GuardDuty's endpoint in this VPC (aws ec2 delete-vpc-endpoints), then its security group"

// CheckDelete implements provision.DeleteChecker: what others have in the VPC stops the run. What
// GuardDuty has in it can be deleted only after the tasks.
func (v VPC) CheckDelete(ctx context.Context, have VPCState) (notes []provision.Note, err error) {
	c, err := v.content(ctx, have.ID)
	if err != nil {
		return nil, err
	}
	add := func(severity provision.Severity, what, advice string) {
		notes = append(notes, provision.Note{Severity: severity, Text: fmt.Sprintf("%s cannot be deleted while %s is in it → %s", have.ID, what, advice)})
	}
	for _, n := range c.interfaces {
		switch {
		case ec2Tags(n.TagSet).Owner().By != "" || ofTask(n): // they go with what they belong to
		case ofGuardDuty(n):
			add(provision.Warn, describeInterface(n), removeGuardDuty)
		default:
			add(provision.Error, describeInterface(n), "delete what it belongs to")
		}
	}
	for _, o := range c.objects {
		switch {
		case o.tags.Owner().By != "":
		case strings.HasPrefix(o.name, guardDuty):
			add(provision.Warn, o.text(), removeGuardDuty)
		default:
			add(provision.Error, o.text(), "delete it ("+o.remove+")")
		}
	}
	users := v.users(c)
	for _, env := range slices.Sorted(maps.Keys(users)) {
		notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf("%s cannot be deleted while environment %s uses it: %s → %s first",
			have.ID, env, strings.Join(users[env], ", "), otherDown(env))})
	}
	return notes, nil
}

// users are the other environments that have something in the VPC, by their names, and what.
func (v VPC) users(c vpcContent) map[string][]string {
	users := map[string][]string{}
	add := func(t Tags, what string) {
		if env, _ := v.whose(t); env != "" {
			users[env] = append(users[env], what)
		}
	}
	for _, n := range c.interfaces {
		add(ec2Tags(n.TagSet), describeInterface(n))
	}
	for _, o := range c.objects {
		add(o.tags, o.text())
	}
	return users
}

// borrowers warns of the other environments in the VPC before up deletes old parts of it. It cannot
// stop: they move only after these parts are gone. Down, which stops, says more; see CheckDelete.
func (v VPC) borrowers(ctx context.Context, parts Parts, of provision.Ref[VPCState], what string) (notes []provision.Note, err error) {
	vpc, ok := of.Get()
	if parts != OldParts || !ok {
		return nil, nil
	}
	c, err := v.content(ctx, vpc.ID)
	if err != nil {
		return nil, err
	}
	for _, env := range slices.Sorted(maps.Keys(v.users(c))) {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf("environment %s uses %s, and may need %s → run `flowbed up -e %s` afterwards",
			env, vpc.ID, what, env)})
	}
	return notes, nil
}

// checked are the permissions for that.
func (p Parts) checked() []Permission {
	if p != OldParts {
		return nil
	}
	return []Permission{readContent()}
}

// readContent is the permission to read what is in a VPC.
func readContent() Permission {
	return on("*", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
		"ec2:DescribeRouteTables", "ec2:DescribeInternetGateways", "ec2:DescribeNatGateways", "ec2:DescribeVpcEndpoints",
		"ec2:DescribeNetworkAcls", "ec2:DescribeEgressOnlyInternetGateways", "ec2:DescribeVpnGateways")
}

func (o vpcObject) text() string {
	s := fmt.Sprintf("the %s %s", o.kind, o.id)
	if o.name != "" {
		s += " (" + o.name + ")"
	}
	return s
}

// whose ends the text about an object of another environment.
func (v VPC) whose(t Tags) (by, text string) {
	by = t.Owner().By
	if by == "" || by == v.ID.Owner() {
		return "", ""
	}
	env, _, _ := strings.Cut(by, "@")
	return env, " of environment " + by
}

// otherDown is what helps if another environment uses the VPC.
func otherDown(env string) string { return fmt.Sprintf("run `flowbed down -e %s`", env) }

// Blockers implements provision.BlockerFinder: all that is in the VPC.
func (v VPC) Blockers(ctx context.Context, have VPCState) (list []provision.Blocker) {
	c, err := v.content(ctx, have.ID)
	if err != nil {
		return nil // EC2's own error must do
	}
	list = interfaceBlockers(v.ID, c.interfaces)
	for _, o := range c.objects {
		env, whose := v.whose(o.tags)
		remedy := fmt.Sprintf("delete it (%s)%s", o.remove, again)
		switch {
		case env != "":
			remedy = otherDown(env) + again
		case strings.HasPrefix(o.name, guardDuty):
			remedy = removeGuardDuty + again
		}
		list = append(list, provision.Blocker{What: o.text() + whose, Remedy: remedy})
	}
	return list
}

// interfaceBlockers are network interfaces that keep EC2 from deleting a part of a network.
func interfaceBlockers(id Identity, interfaces []types.NetworkInterface) (list []provision.Blocker) {
	for _, n := range interfaces {
		b := SecurityGroup{ID: id}.ofInterface(n)
		if ofGuardDuty(n) {
			b.Remedy = removeGuardDuty + again
		}
		list = append(list, b)
	}
	return list
}
