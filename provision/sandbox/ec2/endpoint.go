package ec2

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeVpcEndpoints, core.Anything)
	core.Register(service, createVpcEndpoint, createEndpointAccess)
	core.Register(service, modifyVpcEndpoint, modifyEndpointAccess)
	core.Register(service, deleteVpcEndpoints, deleteEndpointsAccess)
}

// How long an endpoint with interfaces takes to start and to end.
const (
	endpointStarts = 90 * time.Second
	endpointEnds   = time.Minute
)

// endpoint is a VPC endpoint: a gateway, which has route tables, or one with an interface in each of
// its subnets.
type endpoint struct {
	ID      string            `json:"id"`
	VPC     string            `json:"vpc"`
	Service string            `json:"service"` // com.amazonaws.us-east-1.s3
	Gateway bool              `json:"gateway,omitempty"`
	Tables  []string          `json:"tables,omitempty"`
	Subnets map[string]string `json:"subnets,omitempty"` // the ids of the interfaces by subnet
	Groups  []string          `json:"groups,omitempty"`
	DNS     bool              `json:"dns,omitempty"` // takes the place of the service's name
	Policy  string            `json:"policy,omitempty"`
	Token   string            `json:"token,omitempty"`
	Created time.Time         `json:"created"`
	Deleted time.Time         `json:"deleted,omitzero"`
	Tags    core.Tags         `json:"tags"`
}

func noEndpoint(id string) error {
	return core.Fail("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '%s' does not exist", id)
}

// state is an endpoint's, in the case in which EC2 writes it. A gateway starts and ends at once.
func (e *endpoint) state(now time.Time) string {
	switch {
	case !e.Deleted.IsZero() && (e.Gateway || !now.Before(e.Deleted.Add(endpointEnds))):
		return "deleted"
	case !e.Deleted.IsZero():
		return "deleting"
	case !e.Gateway && now.Before(e.Created.Add(endpointStarts)):
		return "pending"
	}
	return "available"
}

// exists reports whether an endpoint has its interfaces or its routes.
func (e *endpoint) exists(now time.Time) bool { return e.state(now) != "deleted" }

func (r *request) shownEndpoint(e *endpoint) types.VpcEndpoint {
	o := types.VpcEndpoint{
		VpcEndpointId: &e.ID, VpcId: &e.VPC, ServiceName: &e.Service, State: types.State(e.state(r.Now)), OwnerId: &r.AccountID,
		CreationTimestamp: &e.Created, PolicyDocument: &e.Policy, RequesterManaged: aws.Bool(false), Tags: tagList(e.Tags),
		VpcEndpointType: types.VpcEndpointTypeInterface, PrivateDnsEnabled: &e.DNS,
	}
	if e.Gateway {
		o.VpcEndpointType, o.RouteTableIds = types.VpcEndpointTypeGateway, slices.Clone(e.Tables)
		return o
	}
	for _, s := range slices.Sorted(maps.Keys(e.Subnets)) {
		o.SubnetIds, o.NetworkInterfaceIds = append(o.SubnetIds, s), append(o.NetworkInterfaceIds, e.Subnets[s])
	}
	for _, id := range e.Groups {
		if g := r.db().Groups[id]; g != nil {
			o.Groups = append(o.Groups, types.SecurityGroupIdentifier{GroupId: &g.ID, GroupName: &g.Name})
		}
	}
	return o
}

func describeVpcEndpoints(r *request, in *ec2.DescribeVpcEndpointsInput) (*ec2.DescribeVpcEndpointsOutput, error) {
	list, err := chosen(r.db().Endpoints, in.VpcEndpointIds, noEndpoint)
	if err != nil {
		return nil, err
	}
	var all []types.VpcEndpoint
	for _, e := range list {
		if !e.exists(r.Now) {
			if len(in.VpcEndpointIds) > 0 {
				return nil, noEndpoint(e.ID)
			}
			continue
		}
		kind := types.VpcEndpointTypeInterface
		if e.Gateway {
			kind = types.VpcEndpointTypeGateway
		}
		ok, err := matches(in.Filters, e.Tags, map[string][]string{
			"vpc-endpoint-id": {e.ID}, "vpc-id": {e.VPC}, "service-name": {e.Service}, "vpc-endpoint-type": {string(kind)},
			"vpc-endpoint-state": {e.state(r.Now)},
		})
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, r.shownEndpoint(e))
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 1000)
	return &ec2.DescribeVpcEndpointsOutput{VpcEndpoints: some, NextToken: next}, err
}

// endpointServices are the services of AWS that have endpoints, as far as the sandbox knows them.
var endpointServices = []string{
	"ec2", "ec2messages", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "events", "guardduty-data", "kms", "logs",
	"monitoring", "s3", "secretsmanager", "sqs", "ssm", "ssmmessages", "sts",
}

// createVpcEndpoint looks for the client token first. Of an endpoint that is gone, EC2 may remember the
// token: the sandbox does.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
func createVpcEndpoint(r *request, in *ec2.CreateVpcEndpointInput) (*ec2.CreateVpcEndpointOutput, error) {
	d, token := r.db(), aws.ToString(in.ClientToken)
	for _, e := range core.Sorted(d.Endpoints) {
		if token != "" && e.Token == token {
			if e.VPC != aws.ToString(in.VpcId) || e.Service != aws.ToString(in.ServiceName) {
				return nil, core.Fail("IdempotentParameterMismatch", "The client token was used with other parameters.")
			}
			return &ec2.CreateVpcEndpointOutput{ClientToken: &token, VpcEndpoint: new(r.shownEndpoint(e))}, nil
		}
	}
	t, err := specified(in.TagSpecifications, types.ResourceTypeVpcEndpoint)
	if err != nil {
		return nil, err
	}
	e := &endpoint{
		VPC: aws.ToString(in.VpcId), Service: aws.ToString(in.ServiceName), Gateway: in.VpcEndpointType != types.VpcEndpointTypeInterface,
		Token: token, Created: r.Now, Tags: t, Policy: aws.ToString(in.PolicyDocument),
	}
	short, own := strings.CutPrefix(e.Service, "com.amazonaws."+r.Region+".")
	switch {
	case d.VPCs[e.VPC] == nil:
		return nil, noVPC(e.VPC)
	case !own || !slices.Contains(endpointServices, short):
		return nil, core.Fail("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", e.Service)
	case e.Gateway && short != "s3":
		return nil, core.Fail("InvalidParameter", "Endpoint type (Gateway) does not match available service types ([Interface]).")
	}
	if e.Gateway {
		err = r.addTables(e, in.RouteTableIds)
	} else {
		err = r.addInterfaces(e, in)
	}
	if err != nil {
		return nil, err
	}
	e.ID = r.ID("vpce")
	if d.Endpoints == nil {
		d.Endpoints = map[string]*endpoint{}
	}
	d.Endpoints[e.ID] = e
	return &ec2.CreateVpcEndpointOutput{ClientToken: in.ClientToken, VpcEndpoint: new(r.shownEndpoint(e))}, nil
}

// addTables adds route tables to a gateway. A table has one route to a service.
// https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html
func (r *request) addTables(e *endpoint, ids []string) error {
	d := r.db()
	for _, id := range ids {
		t := d.Routes[id]
		switch {
		case t == nil:
			return noTable(id)
		case t.VPC != e.VPC:
			return core.Fail("InvalidParameter", "Route table %s and network %s belong to different networks", id, e.VPC)
		}
		for _, o := range d.Endpoints {
			if o != e && o.exists(r.Now) && o.Service == e.Service && slices.Contains(o.Tables, id) {
				return core.Fail("RouteAlreadyExists", "route table %s already has a route with destination-prefix-list-id %s", id, s3List(r.Region))
			}
		}
	}
	e.Tables = union(e.Tables, ids)
	return nil
}

func union(list, more []string) []string {
	all := slices.Concat(list, more)
	slices.Sort(all)
	return slices.Compact(all)
}

// addInterfaces checks an endpoint with interfaces. Without a group, it gets the VPC's default one.
func (r *request) addInterfaces(e *endpoint, in *ec2.CreateVpcEndpointInput) error {
	if strings.HasSuffix(e.Service, ".s3") && aws.ToBool(in.PrivateDnsEnabled) {
		return core.Fail("InvalidParameter", "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC %s must have a Gateway endpoint for the service.", e.VPC)
	}
	if err := r.setGroups(e, in.SecurityGroupIds); err != nil {
		return err
	}
	if err := r.setDNS(e, aws.ToBool(in.PrivateDnsEnabled)); err != nil {
		return err
	}
	return r.addSubnets(e, in.SubnetIds)
}

func (r *request) setGroups(e *endpoint, ids []string) error {
	d := r.db()
	if len(ids) == 0 {
		ids = []string{d.defaultGroup(e.VPC)}
	}
	for _, id := range ids {
		switch g := d.Groups[id]; {
		case g == nil:
			return noGroup(id)
		case g.VPC != e.VPC:
			return core.Fail("InvalidParameter", "Security group %s and network %s belong to different networks.", id, e.VPC)
		}
	}
	e.Groups = slices.Clone(ids)
	return nil
}

// setDNS lets an endpoint take the place of the service's name, for which the VPC needs both of its DNS
// attributes. There can be one such endpoint for a service.
// https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
func (r *request) setDNS(e *endpoint, on bool) error {
	d := r.db()
	if v := d.VPCs[e.VPC]; on && (v.NoDNS || v.NoNames) {
		return core.Fail("InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for %s", e.VPC)
	}
	for _, o := range d.Endpoints {
		if on && o != e && o.DNS && o.VPC == e.VPC && o.Service == e.Service && o.exists(r.Now) {
			return core.Fail("InvalidParameter", "private-dns-enabled cannot be set because there is already a conflicting DNS domain for %s in the VPC %s",
				strings.Join(names(e.Service, r.Region), ", "), e.VPC)
		}
	}
	e.DNS = on
	return nil
}

// addSubnets adds an interface in each of some subnets, of which no two may be in the same zone.
func (r *request) addSubnets(e *endpoint, ids []string) error {
	d := r.db()
	zones := map[string]bool{}
	next := maps.Clone(e.Subnets)
	if next == nil {
		next = map[string]string{}
	}
	for s := range next {
		zones[d.Subnets[s].Zone] = true
	}
	for _, id := range ids {
		s := d.Subnets[id]
		switch {
		case s == nil:
			return noSubnet(id)
		case s.VPC != e.VPC:
			return core.Fail("InvalidParameter", "Subnet %s and network %s belong to different networks", id, e.VPC)
		case next[id] != "":
			continue
		case r.full(s):
			return core.Fail("InsufficientFreeAddressesInSubnet", "There are not enough free IP addresses in %s to create the endpoint.", id)
		case zones[s.Zone]:
			return core.Fail("DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of %s. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.", id)
		}
		zones[s.Zone], next[id] = true, r.ID("eni")
	}
	e.Subnets = next
	return nil
}

// full reports whether the interfaces in a subnet have taken all of its addresses. Five are EC2's.
// https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
func (r *request) full(s *subnet) bool {
	p, err := netip.ParsePrefix(s.CIDR)
	free := 1<<(32-p.Bits()) - 5
	for _, n := range r.interfaces() {
		if n.Subnet == s.ID {
			free--
		}
	}
	return err == nil && free <= 0
}

// modifyVpcEndpoint fails while the endpoint is not available. It changes all or nothing.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcEndpoint.html
func modifyVpcEndpoint(r *request, in *ec2.ModifyVpcEndpointInput) (*ec2.ModifyVpcEndpointOutput, error) {
	have := r.db().Endpoints[aws.ToString(in.VpcEndpointId)]
	switch {
	case have == nil || !have.exists(r.Now):
		return nil, noEndpoint(aws.ToString(in.VpcEndpointId))
	case have.state(r.Now) != "available":
		return nil, core.Fail("InvalidVpcEndpoint.State", "The Vpc Endpoint '%s' is in the state %s", have.ID, have.state(r.Now))
	case have.Gateway && (in.PrivateDnsEnabled != nil || len(in.AddSubnetIds)+len(in.AddSecurityGroupIds) > 0), !have.Gateway && len(in.AddRouteTableIds) > 0:
		return nil, core.Fail("InvalidParameter", "The parameters do not suit the type of the endpoint")
	}
	e := *have
	without := func(list, gone []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return slices.Contains(gone, id) })
	}
	e.Tables, e.Subnets = without(e.Tables, in.RemoveRouteTableIds), maps.Clone(e.Subnets)
	for _, id := range in.RemoveSubnetIds {
		delete(e.Subnets, id)
	}
	steps := []func() error{
		func() error { return r.addTablesBut(have, &e, in.AddRouteTableIds) },
		func() error { return r.addSubnets(&e, in.AddSubnetIds) },
	}
	if groups := union(without(e.Groups, in.RemoveSecurityGroupIds), in.AddSecurityGroupIds); !e.Gateway {
		steps = append(steps, func() error { return r.setGroups(&e, groups) })
	}
	if in.PrivateDnsEnabled != nil && *in.PrivateDnsEnabled != e.DNS {
		steps = append(steps, func() error { return r.setDNS(&e, *in.PrivateDnsEnabled) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	*have = e
	return &ec2.ModifyVpcEndpointOutput{Return: aws.Bool(true)}, nil
}

// addTablesBut adds tables to a copy of an endpoint.
func (r *request) addTablesBut(have, e *endpoint, ids []string) error {
	own := have.Tables
	have.Tables = nil // its routes are those of the copy
	defer func() { have.Tables = own }()
	return r.addTables(e, ids)
}

// deleteVpcEndpoints succeeds also if an endpoint does not exist, and says so in the reply.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpcEndpoints.html
func deleteVpcEndpoints(r *request, in *ec2.DeleteVpcEndpointsInput) (*ec2.DeleteVpcEndpointsOutput, error) {
	out := &ec2.DeleteVpcEndpointsOutput{}
	if len(in.VpcEndpointIds) == 0 {
		return nil, core.Fail("MissingParameter", "The request must contain the parameter VpcEndpointId")
	}
	for _, id := range in.VpcEndpointIds {
		e := r.db().Endpoints[id]
		if e == nil || !e.exists(r.Now) {
			out.Unsuccessful = append(out.Unsuccessful, types.UnsuccessfulItem{ResourceId: &id, Error: &types.UnsuccessfulItemError{
				Code: aws.String("InvalidVpcEndpointId.NotFound"), Message: aws.String("The Vpc Endpoint Id '" + id + "' does not exist"),
			}})
		} else if e.Deleted.IsZero() {
			e.Deleted = r.Now
		}
	}
	return out, nil
}

// endpointIn reports whether an endpoint is in a VPC, a subnet, a group or a route table.
func (r *request) endpointIn(is func(*endpoint) bool) bool {
	for _, e := range r.db().Endpoints {
		if is(e) && e.exists(r.Now) {
			return true
		}
	}
	return false
}

// names are the names of a service in DNS.
// https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html
func names(name, region string) []string {
	const domain = ".amazonaws.com"
	switch short := strings.TrimPrefix(name, "com.amazonaws."+region+"."); short {
	case "ecr.api":
		return []string{"api.ecr." + region + domain}
	case "ecr.dkr":
		return []string{"*.dkr.ecr." + region + domain}
	case "s3":
		return []string{"s3." + region + domain, "*.s3." + region + domain, "*.s3.dualstack." + region + domain}
	default:
		return []string{short + "." + region + domain}
	}
}

// endpointTo finds the endpoint that takes the traffic from a subnet to a host: a gateway in its route
// table, or one with interfaces that has the host's name.
func (r *request) endpointTo(p place, host string) *endpoint {
	for _, e := range core.Sorted(r.db().Endpoints) {
		ours := slices.ContainsFunc(names(e.Service, r.Region), func(n string) bool { return core.Wild(n, host) })
		if !ours || e.VPC != p.vpc || e.state(r.Now) != "available" {
			continue
		}
		if e.DNS || e.Gateway && slices.Contains(e.Tables, r.db().tableFor(p.vpc, p.subnet)) {
			return e
		}
	}
	return nil
}

// letsIn reports whether the groups of an endpoint let a member of some groups in.
func (d *database) letsIn(e *endpoint, from place, port int) bool {
	if e.Gateway {
		return true
	}
	for _, id := range e.Groups {
		for _, u := range d.Groups[id].Ingress {
			covered := u.Protocol == "-1" || u.Protocol == "tcp" && u.From <= int32(port) && int32(port) <= u.To
			if covered && (slices.Contains(from.groups, u.Group) || u.CIDR == d.Subnets[from.subnet].CIDR || u.CIDR == d.VPCs[from.vpc].CIDR || u.CIDR == everywhere) {
				return true
			}
		}
	}
	return false
}

// tableFor is the id of the route table of a subnet.
func (d *database) tableFor(vpc, subnet string) (id string) {
	if t, _ := d.tableOf(subnet); t != nil {
		return t.ID
	}
	for _, t := range d.Routes {
		if t.VPC == vpc && t.Main {
			return t.ID
		}
	}
	return ""
}

// createEndpointAccess covers the endpoint and all that the request names. If it takes the place of a
// service's name, AWS also checks the association with a hosted zone, which is AWS's own.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
func createEndpointAccess(r *request, a core.Access, in *ec2.CreateVpcEndpointInput) []core.Access {
	all := r.creation(a, types.ResourceTypeVpcEndpoint, "*", in.TagSpecifications)
	all = append(all, r.object(a, aws.ToString(in.VpcId)))
	for _, ids := range [][]string{in.SubnetIds, in.SecurityGroupIds, in.RouteTableIds} {
		all = append(all, r.objects(a, ids...)...)
	}
	if aws.ToBool(in.PrivateDnsEnabled) {
		all = append(all, a.WithAction("route53:AssociateVPCWithHostedZone").WithResource("arn:"+r.Partition()+":route53:::hostedzone/*"))
	}
	return all
}

func modifyEndpointAccess(r *request, a core.Access, in *ec2.ModifyVpcEndpointInput) []core.Access {
	all := r.objects(a, aws.ToString(in.VpcEndpointId))
	for _, ids := range [][]string{in.AddSubnetIds, in.RemoveSubnetIds, in.AddSecurityGroupIds, in.RemoveSecurityGroupIds, in.AddRouteTableIds, in.RemoveRouteTableIds} {
		all = append(all, r.objects(a, ids...)...)
	}
	return all
}

func deleteEndpointsAccess(r *request, a core.Access, in *ec2.DeleteVpcEndpointsInput) []core.Access {
	return r.objects(a, in.VpcEndpointIds...)
}
