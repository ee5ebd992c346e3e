package ec2

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeRouteTables, core.Anything)
	core.Register(service, createRouteTable, createTableAccess)
	core.Register(service, deleteRouteTable, tableAccess)
	core.Register(service, createRoute, tableAccess)
	core.Register(service, replaceRoute, tableAccess)
	core.Register(service, deleteRoute, tableAccess)
	core.Register(service, associateRouteTable, associateTableAccess)
	core.Register(service, disassociateRouteTable, disassociateTableAccess)
	core.Register(service, replaceRouteTableAssociation, replaceTableAccess)
}

const everywhere = "0.0.0.0/0"

func noTable(id string) error {
	return core.Fail("InvalidRouteTableID.NotFound", "The routeTable ID '%s' does not exist", id)
}

func noAssociation(id string) error {
	return core.Fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

func describeRouteTables(r *request, in *ec2.DescribeRouteTablesInput) (*ec2.DescribeRouteTablesOutput, error) {
	list, err := chosen(r.db().Routes, in.RouteTableIds, noTable)
	if err != nil {
		return nil, err
	}
	var all []types.RouteTable
	for _, t := range list {
		ok, err := matches(in.Filters, t.Tags, map[string][]string{
			"route-table-id":        {t.ID},
			"vpc-id":                {t.VPC},
			"association.subnet-id": slices.Sorted(maps.Values(t.Subnets)),
			"association.main":      {truth(t.Main)},
		})
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, r.shownTable(t))
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 100)
	return &ec2.DescribeRouteTablesOutput{RouteTables: some, NextToken: next}, err
}

func (r *request) shownTable(t *routeTable) types.RouteTable {
	d := r.db()
	o := types.RouteTable{RouteTableId: &t.ID, VpcId: &t.VPC, OwnerId: &r.AccountID, Tags: tagList(t.Tags)}
	o.Routes = []types.Route{{
		DestinationCidrBlock: &d.VPCs[t.VPC].CIDR, GatewayId: aws.String("local"), State: types.RouteStateActive,
	}}
	if t.Gateway != "" {
		o.Routes = append(o.Routes, r.shownRoute(everywhere, t.Gateway))
	}
	for _, to := range slices.Sorted(maps.Keys(t.More)) {
		o.Routes = append(o.Routes, r.shownRoute(to, t.More[to]))
	}
	for _, e := range core.Sorted(d.Endpoints) {
		if slices.Contains(e.Tables, t.ID) && e.exists(r.Now) {
			o.Routes = append(o.Routes, types.Route{
				DestinationPrefixListId: aws.String(s3List(r.Region)), GatewayId: &e.ID, State: types.RouteStateActive, Origin: types.RouteOriginCreateRoute,
			})
		}
	}
	if t.Main {
		o.Associations = append(o.Associations, types.RouteTableAssociation{
			Main: aws.Bool(true), RouteTableId: &t.ID, RouteTableAssociationId: aws.String("rtbassoc" + strings.TrimPrefix(t.ID, "rtb")),
		})
	}
	for _, id := range slices.Sorted(maps.Keys(t.Subnets)) {
		o.Associations = append(o.Associations, types.RouteTableAssociation{
			Main: aws.Bool(false), RouteTableId: &t.ID, SubnetId: aws.String(t.Subnets[id]), RouteTableAssociationId: &id,
			AssociationState: &types.RouteTableAssociationState{State: types.RouteTableAssociationStateCodeAssociated},
		})
	}
	return o
}

// shownRoute is a route to a target. If the target no longer exists, EC2 drops the traffic.
func (r *request) shownRoute(destination, target string) types.Route {
	o := types.Route{DestinationCidrBlock: &destination, State: types.RouteStateBlackhole, Origin: types.RouteOriginCreateRoute}
	if r.leadsOut(target) {
		o.State = types.RouteStateActive
	}
	if strings.HasPrefix(target, "nat-") {
		o.NatGatewayId = &target
	} else {
		o.GatewayId = &target
	}
	return o
}

// leadsOut reports whether a target of a route takes traffic.
func (r *request) leadsOut(target string) bool {
	if n := r.db().NATs[target]; n != nil {
		return n.exists(r.Now)
	}
	g := r.gateways()[target]
	return g != nil && g.VPC != ""
}

// createRouteTable looks for the client token first.
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
func createRouteTable(r *request, in *ec2.CreateRouteTableInput) (*ec2.CreateRouteTableOutput, error) {
	d, id, token := r.db(), aws.ToString(in.VpcId), aws.ToString(in.ClientToken)
	if d.VPCs[id] == nil {
		return nil, noVPC(id)
	}
	for _, t := range d.Routes {
		if token != "" && t.Token == token && t.VPC == id {
			return &ec2.CreateRouteTableOutput{ClientToken: &token, RouteTable: new(r.shownTable(t))}, nil
		}
	}
	tags, err := specified(in.TagSpecifications, types.ResourceTypeRouteTable)
	if err != nil {
		return nil, err
	}
	t := &routeTable{ID: r.ID("rtb"), VPC: id, Tags: tags, Token: token}
	d.Routes[t.ID] = t
	return &ec2.CreateRouteTableOutput{ClientToken: &token, RouteTable: new(r.shownTable(t))}, nil
}

// deleteRouteTable fails for a main table, and while subnets use the table.
func deleteRouteTable(r *request, in *ec2.DeleteRouteTableInput) (*ec2.DeleteRouteTableOutput, error) {
	d, id := r.db(), aws.ToString(in.RouteTableId)
	switch t := d.Routes[id]; {
	case t == nil:
		return nil, noTable(id)
	case t.Main, len(t.Subnets) > 0:
		return nil, core.Fail("DependencyViolation", "The routeTable '%s' has dependencies and cannot be deleted.", id)
	}
	delete(d.Routes, id)
	for _, e := range d.Endpoints {
		e.Tables = slices.DeleteFunc(e.Tables, func(t string) bool { return t == id })
	}
	return &ec2.DeleteRouteTableOutput{}, nil
}

// target checks a route's destination, and its target.
func (r *request) target(t *routeTable, cidr, gateway, nat *string) (destination, target string, err error) {
	p, err := netip.ParsePrefix(aws.ToString(cidr))
	if err != nil {
		return "", "", core.Fail("InvalidParameterValue", "Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", aws.ToString(cidr))
	}
	if n := r.db().NATs[aws.ToString(nat)]; nat != nil && gateway == nil {
		if n == nil || n.state(r.Now) != types.NatGatewayStateAvailable {
			return "", "", core.Fail("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", *nat)
		}
		return p.Masked().String(), n.ID, nil
	}
	id := aws.ToString(gateway)
	switch g := r.gateways()[id]; {
	case id == "":
		return "", "", core.Fail("MissingParameter", "The request must contain exactly one of gatewayId, natGatewayId, and others")
	case g == nil:
		return "", "", core.Fail("InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", id)
	case g.VPC != t.VPC:
		return "", "", core.Fail("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", t.ID, id)
	}
	return p.Masked().String(), id, nil
}

func (t *routeTable) to(destination string) string {
	if destination == everywhere {
		return t.Gateway
	}
	return t.More[destination]
}

func (t *routeTable) set(destination, target string) {
	switch {
	case destination == everywhere:
		t.Gateway = target
	case target == "":
		delete(t.More, destination)
	default:
		if t.More == nil {
			t.More = map[string]string{}
		}
		t.More[destination] = target
	}
}

func createRoute(r *request, in *ec2.CreateRouteInput) (*ec2.CreateRouteOutput, error) {
	t := r.db().Routes[aws.ToString(in.RouteTableId)]
	if t == nil {
		return nil, noTable(aws.ToString(in.RouteTableId))
	}
	destination, target, err := r.target(t, in.DestinationCidrBlock, in.GatewayId, in.NatGatewayId)
	switch {
	case err != nil:
		return nil, err
	case t.to(destination) != "":
		return nil, core.Fail("RouteAlreadyExists", "The route identified by %s already exists.", destination)
	}
	t.set(destination, target)
	return &ec2.CreateRouteOutput{Return: aws.Bool(true)}, nil
}

func noRoute(t *routeTable, destination string) error {
	return core.Fail("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", destination, t.ID)
}

func replaceRoute(r *request, in *ec2.ReplaceRouteInput) (*ec2.ReplaceRouteOutput, error) {
	t := r.db().Routes[aws.ToString(in.RouteTableId)]
	if t == nil {
		return nil, noTable(aws.ToString(in.RouteTableId))
	}
	destination, target, err := r.target(t, in.DestinationCidrBlock, in.GatewayId, in.NatGatewayId)
	switch {
	case err != nil:
		return nil, err
	case t.to(destination) == "":
		return nil, noRoute(t, destination)
	}
	t.set(destination, target)
	return &ec2.ReplaceRouteOutput{}, nil
}

func deleteRoute(r *request, in *ec2.DeleteRouteInput) (*ec2.DeleteRouteOutput, error) {
	t := r.db().Routes[aws.ToString(in.RouteTableId)]
	switch {
	case t == nil:
		return nil, noTable(aws.ToString(in.RouteTableId))
	case t.to(aws.ToString(in.DestinationCidrBlock)) == "":
		return nil, noRoute(t, aws.ToString(in.DestinationCidrBlock))
	}
	t.set(*in.DestinationCidrBlock, "")
	return &ec2.DeleteRouteOutput{}, nil
}

// associateRouteTable fails for a subnet that another table has. For the same table it is a
// success.
func associateRouteTable(r *request, in *ec2.AssociateRouteTableInput) (*ec2.AssociateRouteTableOutput, error) {
	d, id, subnet := r.db(), aws.ToString(in.RouteTableId), aws.ToString(in.SubnetId)
	t, s := d.Routes[id], d.Subnets[subnet]
	switch {
	case t == nil:
		return nil, noTable(id)
	case s == nil:
		return nil, noSubnet(subnet)
	case s.VPC != t.VPC:
		return nil, core.Fail("InvalidParameterValue", "Route table %s and subnet %s belong to different networks", id, subnet)
	}
	if of, association := d.tableOf(subnet); of == t {
		return &ec2.AssociateRouteTableOutput{AssociationId: &association}, nil
	} else if of != nil {
		return nil, core.Fail("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", id)
	}
	return &ec2.AssociateRouteTableOutput{AssociationId: new(r.link(t, subnet))}, nil
}

func (r *request) link(t *routeTable, subnet string) (id string) {
	if t.Subnets == nil {
		t.Subnets = map[string]string{}
	}
	id = r.ID("rtbassoc")
	t.Subnets[id] = subnet
	return id
}

// tableOf returns the table with which a subnet is associated by name.
func (d *database) tableOf(subnet string) (t *routeTable, association string) {
	for _, t := range d.Routes {
		for id, s := range t.Subnets {
			if s == subnet {
				return t, id
			}
		}
	}
	return nil, ""
}

// association finds an association by its id.
func (d *database) association(id string) (*routeTable, error) {
	for _, t := range d.Routes {
		if t.Subnets[id] != "" {
			return t, nil
		}
	}
	return nil, noAssociation(id)
}

func disassociateRouteTable(r *request, in *ec2.DisassociateRouteTableInput) (*ec2.DisassociateRouteTableOutput, error) {
	id := aws.ToString(in.AssociationId)
	t, err := r.db().association(id)
	if err != nil {
		return nil, err
	}
	delete(t.Subnets, id)
	return &ec2.DisassociateRouteTableOutput{}, nil
}

func replaceRouteTableAssociation(r *request, in *ec2.ReplaceRouteTableAssociationInput) (*ec2.ReplaceRouteTableAssociationOutput, error) {
	d, id := r.db(), aws.ToString(in.AssociationId)
	from, err := d.association(id)
	if err != nil {
		return nil, err
	}
	to := d.Routes[aws.ToString(in.RouteTableId)]
	switch {
	case to == nil:
		return nil, noTable(aws.ToString(in.RouteTableId))
	case to.VPC != from.VPC:
		return nil, core.Fail("InvalidParameterValue", "Route tables %s and %s belong to different networks", from.ID, to.ID)
	}
	subnet := from.Subnets[id]
	delete(from.Subnets, id)
	return &ec2.ReplaceRouteTableAssociationOutput{NewAssociationId: new(r.link(to, subnet))}, nil
}

func createTableAccess(r *request, a core.Access, in *ec2.CreateRouteTableInput) []core.Access {
	return append(r.creation(a, types.ResourceTypeRouteTable, "*", in.TagSpecifications), r.object(a, aws.ToString(in.VpcId)))
}

func tableAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return r.objects(a, core.Text(in, "RouteTableId"))
}

func associateTableAccess(r *request, a core.Access, in *ec2.AssociateRouteTableInput) []core.Access {
	return r.objects(a, aws.ToString(in.RouteTableId), aws.ToString(in.SubnetId))
}

// disassociateTableAccess covers the table and the subnet. AWS cannot name those of an association
// that does not exist.
func disassociateTableAccess(r *request, a core.Access, in *ec2.DisassociateRouteTableInput) []core.Access {
	t, err := r.db().association(aws.ToString(in.AssociationId))
	if err != nil {
		return []core.Access{a}
	}
	return r.objects(a, t.ID, t.Subnets[*in.AssociationId])
}

func replaceTableAccess(r *request, a core.Access, in *ec2.ReplaceRouteTableAssociationInput) []core.Access {
	all := r.objects(a, aws.ToString(in.RouteTableId))
	if t, err := r.db().association(aws.ToString(in.AssociationId)); err == nil {
		all = append(all, r.object(a, t.Subnets[*in.AssociationId]))
	}
	return all
}
