package resource

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
)

// groupUse is what keeps EC2 from deleting a security group: network interfaces that are in
// it, and rules of other groups that refer to it.
// https://docs.aws.amazon.com/vpc/latest/userguide/deleting-security-groups.html
type groupUse struct {
	interfaces []types.NetworkInterface
	in, out    []types.SecurityGroup // with such an ingress or egress rule
}

// use makes its calls in parallel. It leaves out the rules of the group itself.
func (g SecurityGroup) use(ctx context.Context, id string) (u groupUse, err error) {
	referring := func(into *[]types.SecurityGroup, name string) func(context.Context) error {
		return func(ctx context.Context) error {
			pages := ec2.NewDescribeSecurityGroupsPaginator(g.API, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{filter(name, id)}})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return err
				}
				*into = append(*into, page.SecurityGroups...)
			}
			*into = slices.DeleteFunc(*into, func(o types.SecurityGroup) bool { return deref(o.GroupId) == id })
			slices.SortFunc(*into, func(a, b types.SecurityGroup) int { return cmp.Compare(deref(a.GroupId), deref(b.GroupId)) })
			return nil
		}
	}
	err = parallel(ctx,
		func(ctx context.Context) error {
			pages := ec2.NewDescribeNetworkInterfacesPaginator(g.API, &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{filter("group-id", id)}})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return err
				}
				u.interfaces = append(u.interfaces, page.NetworkInterfaces...)
			}
			u.interfaces = slices.DeleteFunc(u.interfaces, func(n types.NetworkInterface) bool { // some emulators ignore the filter
				return !slices.ContainsFunc(n.Groups, func(g types.GroupIdentifier) bool { return deref(g.GroupId) == id })
			})
			return nil
		},
		referring(&u.in, "ip-permission.group-id"),
		referring(&u.out, "egress.ip-permission.group-id"),
	)
	if err != nil {
		return u, fmt.Errorf("read what uses %s: %w", id, err)
	}
	slices.SortFunc(u.interfaces, func(a, b types.NetworkInterface) int {
		return cmp.Compare(deref(a.NetworkInterfaceId), deref(b.NetworkInterfaceId))
	})
	return u, nil
}

// Keeps implements provision.Keeper: EC2 does not delete the VPC of a group that is left.
func (g SecurityGroup) Keeps(have SecurityGroupState, stays bool) []provision.Kept {
	n, ok := g.Network.Get()
	if !stays || !ok || have.VPC != n.VPC && have.doubt == "" {
		return nil
	}
	return []provision.Kept{{Object: g.Network, Why: "the security group " + g.Name + ", which is left, is in it"}}
}

// CheckDelete implements provision.DeleteChecker: somebody else's network interface in the
// group, or a rule of somebody else's group that refers to it, stops the run.
func (g SecurityGroup) CheckDelete(ctx context.Context, have SecurityGroupState) ([]provision.Note, error) {
	u, err := g.use(ctx, have.ID)
	if err != nil {
		return nil, err
	}
	notes, err := g.foreignInterfaces(ctx, have, u.interfaces)
	if err != nil {
		return nil, err
	}
	for _, o := range u.in {
		notes = append(notes, g.foreignRules(have, o, "ingress", o.IpPermissions)...)
	}
	for _, o := range u.out {
		notes = append(notes, g.foreignRules(have, o, "egress", o.IpPermissionsEgress)...)
	}
	return notes, nil
}

// foreignRules is an error that names the rules of a group of somebody else that refer to
// ours. Down deletes our own groups with their rules.
func (g SecurityGroup) foreignRules(have SecurityGroupState, o types.SecurityGroup, direction string, list []types.IpPermission) []provision.Note {
	if ec2Tags(o.Tags).Owner().By == g.ID.Owner() {
		return nil
	}
	var texts, commands []string
	for _, r := range rulesOf(list, g.ID.Account) {
		if r.Peer == have.ID {
			r.Peer, r.Description = "", ""
			texts = append(texts, strings.TrimSuffix(r.String(), ", "))
			commands = append(commands, r.shorthand(have.ID))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return []provision.Note{{Severity: provision.Error, Text: fmt.Sprintf(
		"%s (%s) cannot be deleted, because %s (%s) refers to it in its %s rules: %s → remove them (%s)",
		have.ID, g.Name, deref(o.GroupId), deref(o.GroupName), direction, strings.Join(texts, "; "),
		g.ID.cli("revoke-security-group-"+direction, "--group-id %s --ip-permissions %s", deref(o.GroupId), strings.Join(commands, " ")))}}
}

// shorthand is a rule for a group in the syntax of the AWS CLI.
func (r Rule) shorthand(group string) string {
	ports := ""
	if r.Protocol != "-1" {
		ports = fmt.Sprintf("FromPort=%d,ToPort=%d,", r.From, r.To)
	}
	return fmt.Sprintf("'IpProtocol=%s,%sUserIdGroupPairs=[{GroupId=%s}]'", r.Protocol, ports, group)
}

// foreignInterfaces names the network interfaces of others in the group. Not among them are
// those of our instances, which leave the group or go with their instance, and those of
// tasks: the cluster's own step names the tasks that down does not stop.
func (g SecurityGroup) foreignInterfaces(ctx context.Context, have SecurityGroupState, list []types.NetworkInterface) (notes []provision.Note, err error) {
	list = slices.DeleteFunc(list, func(n types.NetworkInterface) bool {
		return ec2Tags(n.TagSet).Owner().By == g.ID.Owner() || ofTask(n)
	})
	if list, err = g.withoutOurEndpoints(ctx, list); err != nil {
		return nil, err
	}
	staying, err := g.staying(ctx, list)
	if err != nil {
		return nil, err
	}
	for _, n := range list {
		id, instance := deref(n.NetworkInterfaceId), instanceOf(n)
		severity, advice := provision.Error, fmt.Sprintf("give it another security group (%s), or delete it",
			g.ID.cli("modify-network-interface-attribute", "--network-interface-id %s --groups sg-…", id))
		switch {
		case instance != "" && !staying[instance]:
			continue // it goes with the instance
		case instance != "" || n.Status == types.NetworkInterfaceStatusAvailable:
		case deref(n.RequesterManaged) || n.InterfaceType != "" && n.InterfaceType != types.NetworkInterfaceTypeInterface:
			advice = "give the resource to which it belongs another security group, or delete that resource"
		default: // a service has attached it, and may detach it at any time
			severity, advice = provision.Warn, "it must be deleted first"
		}
		notes = append(notes, provision.Note{Severity: severity, Text: fmt.Sprintf(
			"%s (%s) cannot be deleted while %s is in it → %s", have.ID, g.Name, describeInterface(n), advice)})
	}
	return notes, nil
}

// ofTask reports whether ECS attached an interface to a task: its description is the ARN of
// the attachment.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html
func ofTask(n types.NetworkInterface) bool {
	d := deref(n.Description)
	return strings.HasPrefix(d, "arn:") && strings.Contains(d, ":ecs:") && strings.Contains(d, ":attachment/")
}

// withoutOurEndpoints leaves out the interfaces of the environment's VPC endpoints, which have no
// tags.
func (g SecurityGroup) withoutOurEndpoints(ctx context.Context, list []types.NetworkInterface) ([]types.NetworkInterface, error) {
	if !g.OfEndpoints || len(list) == 0 {
		return list, nil
	}
	found, err := Endpoints{API: g.API}.find(ctx, filter("vpc-id", deref(list[0].VpcId)))
	if err != nil {
		return nil, fmt.Errorf("read VPC endpoints in %s: %w", g.Name, err)
	}
	return slices.DeleteFunc(list, func(n types.NetworkInterface) bool {
		return slices.ContainsFunc(found, func(o Endpoint) bool {
			return o.Tags.Owner().By == g.ID.Owner() && slices.Contains(o.Interfaces, deref(n.NetworkInterfaceId))
		})
	}), nil
}

func instanceOf(n types.NetworkInterface) string {
	return deref(deref(n.Attachment).InstanceId)
}

// staying returns the instances to which the interfaces are attached, without ours and
// without those that end: EC2 shows their interfaces for a while.
func (g SecurityGroup) staying(ctx context.Context, list []types.NetworkInterface) (map[string]bool, error) {
	var ids []string
	for _, n := range list {
		if id := instanceOf(n); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := Instance{API: g.API}.living(ctx, filter("instance-id", ids...))
	if err != nil {
		return nil, fmt.Errorf("read instances in %s: %w", g.Name, err)
	}
	staying := map[string]bool{}
	for _, m := range found {
		staying[m.ID] = m.State != "shutting-down" && m.Tags.Owner().By != g.ID.Owner()
	}
	return staying, nil
}

// Explain implements provision.Explainer: it names what still uses the group.
func (g SecurityGroup) Explain(ctx context.Context, have SecurityGroupState) string {
	u, err := g.use(ctx, have.ID)
	if err != nil {
		return ""
	}
	var users []string
	for _, n := range u.interfaces {
		users = append(users, describeInterface(n))
	}
	for _, o := range u.in {
		users = append(users, fmt.Sprintf("an ingress rule of %s (%s)", deref(o.GroupId), deref(o.GroupName)))
	}
	for _, o := range u.out {
		users = append(users, fmt.Sprintf("an egress rule of %s (%s)", deref(o.GroupId), deref(o.GroupName)))
	}
	if len(users) == 0 {
		return ""
	}
	return have.ID + " is used by " + strings.Join(users, "; ")
}

func describeInterface(n types.NetworkInterface) string {
	s := "the network interface " + deref(n.NetworkInterfaceId)
	if id := instanceOf(n); id != "" {
		s += " of " + id
	}
	if d := deref(n.Description); d != "" {
		s += fmt.Sprintf(" (%s)", d)
	}
	return s
}
