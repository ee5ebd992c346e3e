package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
)

// RouteTables are the route tables of an environment's own VPC, with their default routes and
// subnets. Other routes in them, such as to a peered VPC, are none of flowbed's business.
type RouteTables struct {
	API     *ec2.Client
	ID      Identity
	Name    string // that of each table begins with it
	VPC     provision.Ref[VPCState]
	Subnets provision.Ref[SubnetsState]
	Gateway provision.Ref[InternetGatewayState]
	NATs    provision.Ref[NATGatewaysState] // the way out of the private subnets
	OldNATs provision.Ref[NATGatewaysState] // the spec has them no more: they go after the routes have left them
	Private int                             // how many tables the private subnets have: one for each NAT gateway
	Closed  bool                            // the private subnets have one table, without a way out
	Made    *Launched                       // by this run; may be nil
}

// RouteTablesState is the actual state of the tables.
type RouteTablesState struct {
	Tables  []RouteTable           // one for each part
	Doubles []RouteTable           // with the tags of one of them
	Subnets map[string]association // by subnet, of all tables in the VPC
}

// RouteTable is a route table of the environment.
type RouteTable struct {
	ID, Part string
	Out      string // the target of the default route; may be empty
	Dead     bool   // the target does not exist any more
	Tags     Tags

	associations []string
}

// association is the association of a subnet with a table.
type association struct{ id, table string }

const (
	publicTable = "public"
	everywhere  = "0.0.0.0/0"
)

var (
	_ Kind[RouteTablesState]           = RouteTables{}
	_ Discoverer                       = RouteTables{}
	_ provision.Patient                = RouteTables{}
	_ provision.DeletedAfterDependents = RouteTables{}
	_ provision.Labelled               = RouteTablesState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:   `InvalidRouteTableID.NotFound InvalidRouteTableId.NotFound InvalidGatewayID.NotFound InvalidRoute.NotFound`,
		awserr.Conflict: `RouteAlreadyExists`,
		awserr.Quota:    `RouteTableLimitExceeded RouteLimitExceeded`,
	},
	Hints: map[string]string{
		"RouteTableLimitExceeded": "the VPC is at its quota of route tables, which is 200 by default: delete one, or " + raise("vpc", "L-589F43AA"),
		"RouteLimitExceeded":      "the route table is at its quota of routes: delete one, or " + raise("vpc", "L-93826ACB"),
	},
})

func (t RouteTable) tags() Tags    { return t.Tags }
func (t RouteTable) label() string { return t.ID }

// Owner implements provision.State.
func (s RouteTablesState) Owner() provision.Owner { return ownerOf(s.Tables) }

// Label has the ids of the tables.
func (s RouteTablesState) Label() string { return labelOf(s.Tables) }

// Patience implements provision.Patient.
func (RouteTables) Patience() time.Duration { return appears }

// DeletedAfterDependents implements provision.DeletedAfterDependents: what is still running may
// need its way out.
func (RouteTables) DeletedAfterDependents() {}

// wantTable is a desired table.
type wantTable struct {
	part    string
	out     provision.Value // the target of the default route
	subnets []string        // ids; none as long as they are not known
}

func (t RouteTables) want() []wantTable {
	w := wantTable{part: publicTable, out: provision.Of(t.Gateway, func(s InternetGatewayState) string { return s.ID })}
	subnets, _ := t.Subnets.Get()
	for _, o := range subnets.public() {
		w.subnets = append(w.subnets, o.ID)
	}
	list := []wantTable{w}
	count := t.Private
	if t.Closed {
		count = 1
	}
	for i := range count {
		p := wantTable{part: fmt.Sprintf("private-%d", i+1), out: provision.Text("")}
		if !t.Closed {
			p.out = t.nat(i)
		}
		for at, o := range subnets.private() {
			if at%count == i {
				p.subnets = append(p.subnets, o.ID)
			}
		}
		list = append(list, p)
	}
	return list
}

// nat is one of the NAT gateways, if it exists.
func (t RouteTables) nat(i int) provision.Value {
	if s, ok := t.NATs.Get(); ok {
		if o, ok := s.of(natPart(i)); ok {
			return provision.Text(o.ID)
		}
	}
	return provision.Unknown()
}

// Read implements provision.Resource.
func (t RouteTables) Read(ctx context.Context) (s RouteTablesState, err error) {
	vpc, err := t.VPC.Await(ctx)
	if err != nil {
		return s, err
	}
	var list []RouteTable
	s.Subnets = map[string]association{}
	pages := ec2.NewDescribeRouteTablesPaginator(t.API, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{filter("vpc-id", vpc.ID)}})
	err = eachPage(ctx, pages, func(page *ec2.DescribeRouteTablesOutput) {
		for _, o := range page.RouteTables {
			one := routeTableOf(o, s.Subnets)
			one.Part = partOf(one.Tags, t.Name)
			if one.Tags.Owner().By == t.ID.Owner() {
				list = append(list, one)
			}
		}
	})
	if err != nil {
		return s, fmt.Errorf("read route tables: %w", err)
	}
	slices.SortFunc(list, t.before)
	for _, one := range list {
		if n := len(s.Tables); n > 0 && s.Tables[n-1].Part == one.Part && one.Part != "" {
			s.Doubles = append(s.Doubles, one)
		} else {
			s.Tables = append(s.Tables, one)
		}
	}
	if len(s.Tables) == 0 {
		return s, fmt.Errorf("read route tables: %w", provision.ErrAbsent)
	}
	return s, nil
}

// before puts the table that is in use before others of the same part.
func (t RouteTables) before(a, b RouteTable) int {
	unused := func(r RouteTable) int {
		switch {
		case len(r.associations) > 0:
			return 0
		case t.Made.has(r.ID):
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(unused(a), unused(b)), cmp.Compare(a.ID, b.ID))
}

// routeTableOf also notes the table's subnets.
func routeTableOf(o types.RouteTable, subnets map[string]association) RouteTable {
	t := RouteTable{ID: deref(o.RouteTableId), Tags: ec2Tags(o.Tags)}
	for _, r := range o.Routes {
		if deref(r.DestinationCidrBlock) == everywhere {
			t.Out = cmp.Or(deref(r.NatGatewayId), deref(r.GatewayId), deref(r.NetworkInterfaceId), deref(r.TransitGatewayId), "something else")
			t.Dead = r.State == types.RouteStateBlackhole
		}
	}
	for _, a := range o.Associations {
		if id := deref(a.SubnetId); id != "" && !deref(a.Main) {
			subnets[id] = association{deref(a.RouteTableAssociationId), t.ID}
			t.associations = append(t.associations, deref(a.RouteTableAssociationId))
		}
	}
	return t
}

// Discover implements Discoverer.
func (t RouteTables) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	pages := ec2.NewDescribeRouteTablesPaginator(t.API, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{hasOwnerTag()}})
	err = eachPage(ctx, pages, func(page *ec2.DescribeRouteTablesOutput) {
		for _, o := range page.RouteTables {
			list = append(list, Found{Kind: "route table", Name: deref(o.RouteTableId), Tags: ec2Tags(o.Tags)})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list route tables in %s: %w", t.ID.Region, err)
	}
	return list, nil
}

// Create implements provision.Resource. Up adds the routes and the subnets when EC2 shows the table:
// a run that follows a killed one then finds a table that has any.
func (t RouteTables) Create(ctx context.Context) (*RouteTablesState, error) {
	for _, w := range t.want() {
		if err := t.create(w.part)(ctx); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (t RouteTables) tags(part string) Tags {
	tags := t.ID.Tags(t.Name + "-" + part)
	tags[KeyPart] = part
	return tags
}

func (t RouteTables) create(part string) doFunc {
	return func(ctx context.Context) error {
		vpc, ok := t.VPC.Get()
		if !ok {
			return errors.New("create route table: the VPC is not known")
		}
		out, err := t.API.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{
			VpcId: &vpc.ID, TagSpecifications: ec2TagsFor(marked(ctx, t.tags(part)), types.ResourceTypeRouteTable),
		})
		if err != nil {
			return fmt.Errorf("create route table: %w", err)
		}
		t.Made.add(deref(deref(out.RouteTable).RouteTableId))
		return nil
	}
}

// Changes implements provision.Resource.
func (t RouteTables) Changes(have RouteTablesState) (c []provision.Change) {
	moved := map[string]bool{} // associations that get another id
	for _, w := range t.want() {
		i := slices.IndexFunc(have.Tables, func(o RouteTable) bool { return o.Part == w.part })
		if i < 0 {
			c = append(c, provision.Change{Field: "route table", To: provision.Text(w.part), Required: true, Do: t.create(w.part)})
			if len(have.Tables) == 0 && w.out.String() != "" {
				c = append(c, provision.Change{Field: "default route", To: w.out})
			}
			continue
		}
		one := have.Tables[i]
		c = append(c, tagChange(one.Tags, t.tags(w.part), false, ec2Tagger(t.API, one.ID))...)
		c = append(c, t.route(one, w)...)
		for _, id := range w.subnets {
			if a := have.Subnets[id]; a.table != one.ID {
				moved[a.id] = true
				c = append(c, provision.Change{Field: "subnet of the route table", From: provision.Text(a.table), To: provision.Text(id + ": " + one.ID),
					Independent: true, Do: t.associate(a, one.ID, id)})
			}
		}
	}
	for _, o := range have.Doubles {
		o.associations = slices.DeleteFunc(slices.Clone(o.associations), func(id string) bool { return moved[id] })
		c = append(c, provision.Change{Field: "double", From: provision.Text(o.ID), Why: "a second route table for the same purpose",
			Do: func(ctx context.Context) error { return t.delete(ctx, o) }})
	}
	return c
}

// route is the change of the default route, if it differs. EC2 keeps a route whose target is gone.
func (t RouteTables) route(have RouteTable, w wantTable) []provision.Change {
	if have.Out == w.out.String() && !have.Dead {
		return nil
	}
	from := have.Out
	if have.Dead {
		from += " (does not exist)"
	}
	target := w.out.String()
	unfinished := have.Tags.Owner().Unfinished != "" // another table may be finished
	return []provision.Change{{Field: "default route", From: provision.Text(from), To: w.out, Required: unfinished, Do: func(ctx context.Context) (err error) {
		if target == "" {
			_, err = t.API.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: &have.ID, DestinationCidrBlock: new(everywhere)})
			return awserr.Gone(err)
		}
		gateway, nat := &target, (*string)(nil)
		if strings.HasPrefix(target, "nat-") {
			gateway, nat = nil, &target
		}
		if have.Out == "" {
			_, err = t.API.CreateRoute(ctx, &ec2.CreateRouteInput{
				RouteTableId: &have.ID, DestinationCidrBlock: new(everywhere), GatewayId: gateway, NatGatewayId: nat})
		} else {
			_, err = t.API.ReplaceRoute(ctx, &ec2.ReplaceRouteInput{
				RouteTableId: &have.ID, DestinationCidrBlock: new(everywhere), GatewayId: gateway, NatGatewayId: nat})
		}
		return err
	}}}
}

// associate gives a subnet its table. A subnet has one.
func (t RouteTables) associate(have association, table, subnet string) doFunc {
	return func(ctx context.Context) (err error) {
		if have.id == "" {
			_, err = t.API.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: &table, SubnetId: &subnet})
		} else {
			_, err = t.API.ReplaceRouteTableAssociation(ctx, &ec2.ReplaceRouteTableAssociationInput{AssociationId: &have.id, RouteTableId: &table})
		}
		return err
	}
}

// Delete implements provision.Resource.
func (t RouteTables) Delete(ctx context.Context, have RouteTablesState) error {
	var errs []error
	for _, o := range slices.Concat(have.Doubles, have.Tables) {
		errs = append(errs, t.delete(ctx, o))
	}
	return errors.Join(errs...)
}

// delete takes the table from its subnets first: EC2 deletes no table with subnets.
func (t RouteTables) delete(ctx context.Context, o RouteTable) error {
	for _, id := range o.associations {
		_, err := t.API.DisassociateRouteTable(ctx, &ec2.DisassociateRouteTableInput{AssociationId: &id})
		if err := awserr.Gone(err); err != nil {
			return fmt.Errorf("disassociate %s: %w", o.ID, err)
		}
	}
	_, err := t.API.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: &o.ID})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete %s: %w", o.ID, err)
	}
	return nil
}

// Costs implements Kind.
func (RouteTables) Costs() []cost.Usage { return nil }

// Permissions are what the calls need.
func (t RouteTables) Permissions() Permissions {
	const example = "route-table/rtb-0123456789abcdef0"
	remove := []Permission{t.ID.tagged(example, "ec2:DisassociateRouteTable", "ec2:DeleteRouteTable")}
	routes := []string{"ec2:CreateRoute", "ec2:ReplaceRoute"}
	if t.Closed {
		routes = append(routes, "ec2:DeleteRoute")
	}
	return Permissions{
		Read: []Permission{on("*", "ec2:DescribeRouteTables")},
		Build: slices.Concat([]Permission{
			t.ID.requested(on(t.ID.ec2("route-table/*"), "ec2:CreateRouteTable")).like(t.ID.ec2(example)),
			t.ID.tagged("vpc/"+exampleVPC, "ec2:CreateRouteTable").composite(),
			t.ID.tagged(example, routes...),
			t.ID.tagged(example, "ec2:AssociateRouteTable", "ec2:ReplaceRouteTableAssociation").like(t.ID.ec2(example), t.ID.ec2("subnet/subnet-0123456789abcdef0")),
		}, remove, t.ID.tagging(example, "CreateRouteTable")),
		Delete: remove,
	}
}
