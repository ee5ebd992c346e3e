package doctor

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/reach"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/stack"
)

// egress checks what network.egress cuts the environment off from. Unlike the plan, it knows the
// endpoints of a VPC of others, for which another VPC may have more.
func (d *Doctor) egress(ctx context.Context) []Finding {
	const check = "egress"
	r := d.Env.Network.Reach()
	if r.Egress == nil {
		return nil
	}
	needs := stack.Needs(d.Env, d.ID.Partition)
	n, err := d.network()
	switch {
	case errors.Is(err, errNoVPC): // the file tells everything
	case err != nil:
		return nil // the check of the network says so
	case len(r.Egress.CIDRs) > 0:
		have, err := d.endpointsIn(ctx, n.VPC)
		if err != nil {
			return []Finding{unseen(check, err)}
		}
		r.Endpoints, r.Known, r.Elsewhere = nil, r.Own, !r.Own
		for _, service := range reach.Endpoints(needs) {
			if slices.ContainsFunc(have, func(e types.VpcEndpoint) bool { return serves(e, service, "") }) {
				r.Endpoints = append(r.Endpoints, service)
			}
		}
	}
	r = n.Reach(r)
	r.Closed = "" // the check of VPC endpoints tells of the routes
	var found []Finding
	for _, note := range r.Notes(needs) {
		if note.Todo != "" {
			found = append(found, warn(check, note.Todo, "%s", note.Text))
		}
	}
	if len(found) == 0 {
		return []Finding{ok(check, "network.egress cuts off nothing that the environment certainly needs")}
	}
	return found
}

// admitted checks whether the security groups of endpoints let the subnets in. It says nothing if
// they do, if a group or a prefix list decides, or if EC2 does not tell of a group.
func (d *Doctor) admitted(ctx context.Context, check string, n resource.NetworkState, have []types.VpcEndpoint, need []string) []Finding {
	groups := map[string][]string{} // by service
	var ids []string
	for _, e := range have {
		i := slices.IndexFunc(need, func(s string) bool { return s != resource.ServiceS3 && serves(e, s, "") })
		for _, g := range e.Groups {
			if id := aws.ToString(g.GroupId); i >= 0 && id != "" {
				groups[need[i]], ids = append(groups[need[i]], id), append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	out, err := d.clients.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{filter("group-id", slices.Compact(ids)...)}})
	if err != nil {
		return []Finding{unseen(check, err)}
	}
	closed := map[string][]string{} // services by groups
	for service, ids := range groups {
		admits := func(id string) bool {
			i := slices.IndexFunc(out.SecurityGroups, func(g types.SecurityGroup) bool { return aws.ToString(g.GroupId) == id })
			return i < 0 || letsIn(out.SecurityGroups[i], n)
		}
		if !slices.ContainsFunc(ids, admits) {
			text := strings.Join(ids, ", ")
			closed[text] = append(closed[text], service)
		}
	}
	var found []Finding
	for _, ids := range slices.Sorted(maps.Keys(closed)) {
		slices.Sort(closed[ids])
		found = append(found, fail(check, "let the tasks and the agent in, for example from the ranges of their subnets",
			"%s lets nobody from the subnets in on port 443, and the VPC endpoints are in it for %s", ids, strings.Join(closed[ids], ", ")))
	}
	return found
}

// letsIn reports whether a group lets somebody in these subnets in on port 443.
func letsIn(g types.SecurityGroup, n resource.NetworkState) bool {
	return slices.ContainsFunc(g.IpPermissions, func(p types.IpPermission) bool {
		port := aws.ToString(p.IpProtocol) == "-1" || aws.ToString(p.IpProtocol) == "tcp" && aws.ToInt32(p.FromPort) <= 443 && 443 <= aws.ToInt32(p.ToPort)
		if !port {
			return false
		}
		return len(p.UserIdGroupPairs)+len(p.PrefixListIds) > 0 || slices.ContainsFunc(p.IpRanges, func(r types.IpRange) bool {
			return slices.ContainsFunc(n.Subnets, func(s resource.Subnet) bool { return overlap(aws.ToString(r.CidrIp), s.CIDR) })
		})
	})
}

func overlap(a, b string) bool {
	p, err := netip.ParsePrefix(a)
	if err != nil {
		return false
	}
	q, err := netip.ParsePrefix(b)
	return err == nil && p.Overlaps(q)
}
