package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/reach"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/stack"
)

// endpoints checks whether the subnets without a way to the internet have the VPC endpoints that an
// environment needs. It says nothing of other subnets.
func (d *Doctor) endpoints(ctx context.Context) []Finding {
	const check = "vpc endpoints"
	n, err := d.network()
	if err != nil || !slices.ContainsFunc(n.Subnets, func(s resource.Subnet) bool { return !s.Public }) {
		return nil // the check of the network says so, or the subnets are public
	}
	ways, tables, err := d.tables(ctx, n.VPC)
	if err != nil {
		return []Finding{unseen(check, err)}
	}
	var closed []resource.Subnet
	for _, s := range n.Subnets {
		if to := ways.of(s.ID); to == "" || strings.HasPrefix(to, "igw-") && !s.Public {
			closed = append(closed, s)
		}
	}
	if len(closed) == 0 {
		return nil
	}
	have, err := d.endpointsIn(ctx, n.VPC)
	if err != nil {
		return []Finding{unseen(check, err)}
	}
	need := reach.Endpoints(stack.Needs(d.Env, d.ID.Partition))
	found := append(judgeEndpoints(check, closed, tables, have, need, d.Env.Network.New()), d.outside(check, closed)...)
	return append(found, d.admitted(ctx, check, n, have, need)...)
}

// outside names what no endpoint leads to.
func (d *Doctor) outside(check string, closed []resource.Subnet) (found []Finding) {
	r := resource.NetworkState{Subnets: slices.Clone(closed)}
	for i := range r.Subnets {
		r.Subnets[i].Closed = true
	}
	for _, note := range r.Reach(reach.Network{}).Notes(stack.Needs(d.Env, d.ID.Partition)) {
		found = append(found, warn(check, note.Todo, "%s", note.Text))
	}
	return found
}

// endpointsIn returns the endpoints in a VPC that answer.
func (d *Doctor) endpointsIn(ctx context.Context, vpc string) (list []types.VpcEndpoint, err error) {
	pages := ec2.NewDescribeVpcEndpointsPaginator(d.clients.EC2, &ec2.DescribeVpcEndpointsInput{Filters: []types.Filter{filter("vpc-id", vpc)}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range page.VpcEndpoints {
			if strings.EqualFold(string(e.State), "available") {
				list = append(list, e)
			}
		}
	}
	return list, nil
}

// judgeEndpoints names what is missing. An endpoint with interfaces serves its whole VPC if it has the
// service's name; a gateway serves the subnets whose table has its route. For the layers of
// images only a gateway will do.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
func judgeEndpoints(check string, closed []resource.Subnet, tables map[string]string, have []types.VpcEndpoint, need []string, own bool) []Finding {
	todo := "create them, with private DNS names and a security group that lets tasks and the agent in on port 443 (s3: a gateway in the route table), or use subnets with a NAT gateway"
	status := Warn // another VPC may have them, and its names
	if own {
		status, todo = Fail, "name them in network.endpoints, or use \"all\", and run `flowbed up`"
	}
	var found []Finding
	byMissing := map[string][]string{} // the subnets
	var order []string
	for _, s := range closed {
		table, named := tables[s.ID]
		if !named {
			table = tables[""]
		}
		var missing []string
		for _, service := range need {
			if !slices.ContainsFunc(have, func(e types.VpcEndpoint) bool { return serves(e, service, table) }) {
				missing = append(missing, service)
			}
		}
		text := strings.Join(missing, ", ")
		if byMissing[text] == nil {
			order = append(order, text)
		}
		byMissing[text] = append(byMissing[text], s.ID)
	}
	for _, missing := range order {
		ids := strings.Join(byMissing[missing], ", ")
		if missing == "" {
			found = append(found, ok(check, "%s: no way to the internet, and VPC endpoints for %s", ids, strings.Join(need, ", ")))
		} else {
			found = append(found, Finding{check, status, fmt.Sprintf("%s: no way to the internet, and no VPC endpoints for %s", ids, missing), todo})
		}
	}
	return found
}

// serves reports whether an endpoint leads from the subnets of a route table to a service.
func serves(e types.VpcEndpoint, service, table string) bool {
	if name := aws.ToString(e.ServiceName); !strings.HasPrefix(name, "com.amazonaws.") && !strings.HasPrefix(name, "cn.com.amazonaws.") || !strings.HasSuffix(name, "."+service) {
		return false
	}
	if service == resource.ServiceS3 {
		return e.VpcEndpointType == types.VpcEndpointTypeGateway && slices.Contains(e.RouteTableIds, table)
	}
	return aws.ToBool(e.PrivateDnsEnabled)
}

// publicAccess checks whether the account blocks public access to VPCs, which makes no call fail. It
// says nothing if it does not.
// https://docs.aws.amazon.com/vpc/latest/userguide/security-vpc-bpa.html
func (d *Doctor) publicAccess(ctx context.Context) []Finding {
	const check = "public access"
	if d.Env.Network.New() && d.Env.Network.Private {
		return nil
	}
	out, err := d.clients.EC2.DescribeVpcBlockPublicAccessOptions(ctx, &ec2.DescribeVpcBlockPublicAccessOptionsInput{})
	if err != nil {
		return []Finding{unseen(check, err)}
	}
	n, err := d.network()
	o := out.VpcBlockPublicAccessOptions
	if o == nil || !d.closes(o.InternetGatewayBlockMode, n, err == nil) {
		return nil
	}
	excluded, unread := d.excluded(ctx, n)
	switch {
	case err == nil && unread != nil:
		return []Finding{unseen(check, unread)}
	case err == nil && excluded:
		return []Finding{ok(check, "VPC Block Public Access is %s, and the network is excluded from it", o.InternetGatewayBlockMode)}
	}
	who := "the account"
	if o.ManagedBy == types.ManagedByDeclarativePolicy {
		who = "a policy of the organization"
	}
	return []Finding{fail(check, "exclude the VPC or its subnets (aws ec2 create-vpc-block-public-access-exclusion --region "+d.ID.Region+" …), or use subnets that need no internet gateway",
		"VPC Block Public Access is %s in %s, set by %s: tasks and the agent cannot reach the internet through an internet gateway", o.InternetGatewayBlockMode, d.ID.Region, who)}
}

// closes reports whether a mode cuts the environment off: NAT gateways pass a block of ingress.
func (d *Doctor) closes(mode types.InternetGatewayBlockMode, n resource.NetworkState, known bool) bool {
	behind := d.Env.Network.New() && d.Env.Network.NATs() > 0 || known && noneIsPublic(n)
	switch mode {
	case types.InternetGatewayBlockModeBlockBidirectional:
		return true
	case types.InternetGatewayBlockModeBlockIngress:
		return !behind
	}
	return false
}

func noneIsPublic(n resource.NetworkState) bool {
	return !slices.ContainsFunc(n.Subnets, func(s resource.Subnet) bool { return s.Public })
}

// excluded reports whether a network's VPC, or all of its subnets, are excluded from the block.
func (d *Doctor) excluded(ctx context.Context, n resource.NetworkState) (bool, error) {
	if n.VPC == "" {
		return false, nil
	}
	out, err := d.clients.EC2.DescribeVpcBlockPublicAccessExclusions(ctx, &ec2.DescribeVpcBlockPublicAccessExclusionsInput{})
	if err != nil {
		return false, err
	}
	has := func(object string) bool {
		return slices.ContainsFunc(out.VpcBlockPublicAccessExclusions, func(e types.VpcBlockPublicAccessExclusion) bool {
			live := e.State == types.VpcBlockPublicAccessExclusionStateCreateComplete || e.State == types.VpcBlockPublicAccessExclusionStateUpdateComplete
			return live && strings.HasSuffix(aws.ToString(e.ResourceArn), "/"+object)
		})
	}
	return has(n.VPC) || len(n.Subnets) > 0 && !slices.ContainsFunc(n.Subnets, func(s resource.Subnet) bool { return !has(s.ID) }), nil
}
