package resource

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
)

// Endpoints are the VPC endpoints in an environment's own VPC, through which its subnets reach AWS's
// services without the internet. That of S3 is a gateway: it costs nothing, and is a route in our
// tables. All others are interfaces in the subnets, in a security group of ours, and take the
// place of the service's name in the VPC's DNS.
//
// EC2 does not say what it answers to the client token of an endpoint that is gone, so each call has
// a token of its own, which only the SDK's repetitions share. Besides, EC2 rejects a second endpoint
// for the same name or the same route, so none can come about by accident.
type Endpoints struct {
	API      *ec2.Client
	ID       Identity
	Name     string // that of each endpoint begins with it
	VPC      provision.Ref[VPCState]
	Subnets  provision.Ref[SubnetsState]
	Routes   provision.Ref[RouteTablesState]
	Group    provision.Ref[SecurityGroupState] // of the interfaces; unset if there are none
	Services []string                          // such as "s3" or "ecr.api"
	Private  bool                              // new interfaces are in the private subnets
	Zones    int                               // of the VPC: each interface endpoint has an interface in each
	Parts    Parts
	Reader   *PartReader[Endpoint] // may be nil
}

// EndpointsState is the actual state of the endpoints.
type EndpointsState struct {
	Own    []Endpoint
	Others []Endpoint // that somebody else created in the VPC
}

// Endpoint is a VPC endpoint.
type Endpoint struct {
	ID, Service, State, Failure string
	Gateway                     bool
	Tables                      []string // route tables of a gateway
	Subnets, Groups, Interfaces []string
	PrivateDNS                  bool
	Tags                        Tags
}

var (
	_ Kind[EndpointsState]                    = Endpoints{}
	_ Discoverer                              = Endpoints{}
	_ provision.Patient                       = Endpoints{}
	_ provision.DeletePatient                 = Endpoints{}
	_ provision.DependsUntilDeleted           = Endpoints{}
	_ provision.DeletedAfterDependents        = Endpoints{}
	_ provision.Validator[EndpointsState]     = Endpoints{}
	_ provision.DeleteChecker[EndpointsState] = Endpoints{}
	_ provision.Labelled                      = EndpointsState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:    `InvalidVpcEndpointId.NotFound InvalidVpcEndpoint.NotFound`,
		awserr.Transient: `InvalidVpcEndpoint.State`,
		awserr.Quota:     `VpcEndpointLimitExceeded`,
	},
	Hints: map[string]string{
		"VpcEndpointLimitExceeded": "the VPC is at its quota of interface endpoints, which is 50 by default, or the region at that of gateway endpoints, 20 (L-1B52E74A): delete some, or " + raise("vpc", "L-29B6F2EB"),
	},
	Rules: []awserr.Rule{{Operation: "CreateVpcEndpoint", Code: "InvalidParameter", Message: "conflicting DNS domain", Class: awserr.Conflict,
		Hint: "another endpoint in the VPC has the service's name: delete it, or run the same command again if it is being deleted"}},
})

const (
	// ServiceS3 is the one service with a gateway endpoint that environments use.
	ServiceS3 = "s3"

	endpointAvailable = "available"
	endpointDeleting  = "deleting"
	endpointDeleted   = "deleted"
)

func (o Endpoint) tags() Tags    { return o.Tags }
func (o Endpoint) label() string { return o.ID }

// lives reports whether an endpoint is neither gone nor about to go.
func (o Endpoint) lives() bool { return o.State != endpointDeleting && o.State != endpointDeleted }

// failed reports whether an endpoint will never be available.
func (o Endpoint) failed() bool {
	return slices.Contains([]string{"failed", "rejected", "expired"}, o.State)
}

// Owner implements provision.State.
func (s EndpointsState) Owner() provision.Owner { return ownerOf(s.Own) }

// Label has the ids of the endpoints.
func (s EndpointsState) Label() string { return labelOf(s.Own) }

// Patience implements provision.Patient: the interfaces of an endpoint take minutes.
func (Endpoints) Patience() time.Duration { return 10 * time.Minute }

// DeletePatience implements provision.DeletePatience.
func (Endpoints) DeletePatience() time.Duration { return leaves }

// DependsUntilDeleted implements provision.DependsUntilDeleted: the interfaces of an endpoint that is
// being deleted hold their subnets and their group.
func (Endpoints) DependsUntilDeleted() {}

// DeletedAfterDependents implements provision.DeletedAfterDependents: what is still running may
// need its way out.
func (Endpoints) DeletedAfterDependents() {}

// of returns the endpoint for a service.
func (s EndpointsState) of(service string) (Endpoint, bool) {
	i := slices.IndexFunc(s.Own, func(o Endpoint) bool { return o.Service == service && o.lives() })
	if i < 0 {
		return Endpoint{}, false
	}
	return s.Own[i], true
}

// Read implements provision.Resource.
func (e Endpoints) Read(ctx context.Context) (s EndpointsState, err error) {
	vpc, err := e.VPC.Await(ctx)
	if err != nil {
		return s, err
	}
	list, err := e.Reader.read(ctx, func(ctx context.Context) ([]Endpoint, error) { return e.find(ctx, filter("vpc-id", vpc.ID)) })
	if err != nil {
		return s, fmt.Errorf("read VPC endpoints: %w", err)
	}
	for _, o := range list {
		switch {
		case o.State == endpointDeleted:
		case o.Tags.Owner().By == e.ID.Owner():
			if e.Parts.include(slices.Contains(e.Services, o.Service)) {
				s.Own = append(s.Own, o)
			}
		default:
			s.Others = append(s.Others, o)
		}
	}
	if len(s.Own) == 0 {
		return s, fmt.Errorf("read VPC endpoints: %w", provision.ErrAbsent)
	}
	return s, nil
}

// find returns endpoints in a fixed order. EC2 and the SDK write the states in different cases.
func (e Endpoints) find(ctx context.Context, filters ...types.Filter) (list []Endpoint, err error) {
	err = eachPage(ctx, ec2.NewDescribeVpcEndpointsPaginator(e.API, &ec2.DescribeVpcEndpointsInput{Filters: filters}), func(page *ec2.DescribeVpcEndpointsOutput) {
		for _, o := range page.VpcEndpoints {
			one := Endpoint{
				ID: deref(o.VpcEndpointId), Service: shortService(deref(o.ServiceName)), State: strings.ToLower(string(o.State)),
				Failure: strings.TrimSpace(deref(deref(o.LastError).Code) + " " + deref(deref(o.LastError).Message)),
				Gateway: o.VpcEndpointType == types.VpcEndpointTypeGateway, PrivateDNS: deref(o.PrivateDnsEnabled),
				Tables: o.RouteTableIds, Subnets: o.SubnetIds, Interfaces: o.NetworkInterfaceIds, Tags: ec2Tags(o.Tags),
			}
			for _, g := range o.Groups {
				one.Groups = append(one.Groups, deref(g.GroupId))
			}
			for _, ids := range [][]string{one.Tables, one.Subnets, one.Groups} {
				slices.Sort(ids)
			}
			list = append(list, one)
		}
	})
	slices.SortFunc(list, func(a, b Endpoint) int { return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// shortService is the short name of a service: com.amazonaws.us-east-1.ecr.api is ecr.api. It is the
// whole name of a service that is not AWS's.
func shortService(name string) string {
	if rest, ok := strings.CutPrefix(name, "com.amazonaws."); ok && !strings.HasPrefix(rest, "vpce.") {
		if _, service, ok := strings.Cut(rest, "."); ok {
			return service
		}
	}
	return name
}

func (e Endpoints) serviceName(service string) string {
	return "com.amazonaws." + e.ID.Region + "." + service
}

// Discover implements Discoverer.
func (e Endpoints) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	found, err := e.find(ctx, hasOwnerTag())
	if err != nil {
		return nil, fmt.Errorf("list VPC endpoints in %s: %w", e.ID.Region, err)
	}
	for _, o := range found {
		if o.lives() {
			found := Found{Kind: "VPC endpoint", Name: o.ID, Tags: o.Tags}
			if n := len(o.Subnets); !o.Gateway && n > 0 {
				found.Costs = []cost.Usage{cost.InterfaceEndpoints(n)}
			}
			list = append(list, found)
		}
	}
	return list, nil
}

func (e Endpoints) tags(service string) Tags {
	t := e.ID.Tags(e.Name + "-" + service)
	t[KeyPart] = service
	return t
}

// Create implements provision.Resource. An endpoint can be used when it is available.
func (e Endpoints) Create(ctx context.Context) (*EndpointsState, error) {
	return nil, forEach(ctx, len(e.Services), func(ctx context.Context, i int) error { return e.create(e.Services[i])(ctx) })
}

func (e Endpoints) create(service string) doFunc {
	return func(ctx context.Context) error {
		vpc, ok := e.VPC.Get()
		in := &ec2.CreateVpcEndpointInput{
			VpcId: &vpc.ID, ServiceName: new(e.serviceName(service)), ClientToken: new(rand.Text()),
			TagSpecifications: ec2TagsFor(e.tags(service), types.ResourceTypeVpcEndpoint),
		}
		if service == ServiceS3 {
			in.VpcEndpointType, in.RouteTableIds = types.VpcEndpointTypeGateway, e.tables()
			ok = ok && len(in.RouteTableIds) > 0
		} else {
			group, known := e.Group.Get()
			in.VpcEndpointType, in.SubnetIds = types.VpcEndpointTypeInterface, e.missing(nil)
			in.SecurityGroupIds, in.PrivateDnsEnabled = []string{group.ID}, new(true)
			ok = ok && known && len(in.SubnetIds) > 0
		}
		if !ok {
			return fmt.Errorf("create VPC endpoint for %s: its network is not known", service)
		}
		if _, err := e.API.CreateVpcEndpoint(ctx, in); err != nil {
			return fmt.Errorf("create VPC endpoint for %s: %w", service, err)
		}
		return nil
	}
}

// tables are the ids of our route tables.
func (e Endpoints) tables() (ids []string) {
	routes, _ := e.Routes.Get()
	for _, t := range routes.Tables {
		ids = append(ids, t.ID)
	}
	slices.Sort(ids)
	return ids
}

// missing returns a subnet in each zone of the tasks in which an endpoint with these subnets has
// none of ours. EC2 accepts one in each zone, and which one makes no difference to who can reach it.
func (e Endpoints) missing(have []string) (ids []string) {
	subnets, _ := e.Subnets.Get()
	var zones []string
	for _, s := range subnets.Own {
		if slices.Contains(have, s.ID) {
			zones = append(zones, s.Zone)
		}
	}
	for _, s := range subnets.only(!e.Private) {
		if !slices.Contains(zones, s.Zone) {
			zones, ids = append(zones, s.Zone), append(ids, s.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Changes implements provision.Resource. An endpoint that has failed is replaced, and a second one for
// a service is deleted, because it costs money. The policy of an endpoint is none of flowbed's
// business.
func (e Endpoints) Changes(have EndpointsState) (c []provision.Change) {
	kept := map[string]bool{}
	for _, service := range e.Services {
		o, ok := have.of(service)
		switch available := provision.Text(endpointAvailable); {
		case !ok:
			c = append(c, provision.Change{Field: "endpoint", To: provision.Text(service), Independent: true, Required: true, Do: e.create(service)})
			continue
		case o.failed():
			c = append(c, provision.Change{Field: "state", From: provision.Text(o.State + ": " + o.Failure), To: available, Do: e.deleting(o.ID)})
		case o.State != endpointAvailable:
			c = append(c, provision.Change{Field: "state", From: provision.Text(o.State), To: available})
		}
		kept[o.ID] = true
		c = append(c, tagChange(o.Tags, e.tags(service), false, ec2Tagger(e.API, o.ID))...)
		c = append(c, e.differences(o)...)
	}
	for _, o := range have.Own {
		if o.lives() && !kept[o.ID] {
			c = append(c, provision.Change{Field: "endpoint", From: provision.Text(o.Service + ": " + o.ID), Do: e.deleting(o.ID)})
		}
	}
	return c
}

// differences are those of one endpoint, which one call removes: it leaves alone what the request
// leaves out. What others have added to a gateway, or to the subnets of an interface, stays.
func (e Endpoints) differences(o Endpoint) (c []provision.Change) {
	var tables, subnets, groups, others []string
	differ := func(field string, have []string, to provision.Value) {
		c = append(c, provision.Change{Field: field, From: provision.Text(strings.Join(have, ", ")), To: to, Of: o.ID})
	}
	if o.Gateway {
		tables = without(e.tables(), o.Tables)
		if all := slices.Concat(o.Tables, tables); len(tables) > 0 {
			differ("route tables", o.Tables, provision.Text(strings.Join(all, ", ")))
		}
	} else {
		if subnets = e.missing(o.Subnets); len(subnets) > 0 {
			differ("subnets", o.Subnets, provision.Text(strings.Join(slices.Concat(o.Subnets, subnets), ", ")))
		}
		if group, known := e.Group.Get(); !known || !slices.Equal(o.Groups, []string{group.ID}) {
			want := []string{group.ID}
			groups, others = without(want, o.Groups), without(o.Groups, want)
			differ("security groups", o.Groups, provision.Of(e.Group, func(s SecurityGroupState) string { return s.ID }))
		}
		if !o.PrivateDNS {
			differ("private DNS", []string{onOff(false)}, provision.Text(onOff(true)))
		}
	}
	return provision.Together(c, func(ctx context.Context, fields provision.Fields) error {
		in := &ec2.ModifyVpcEndpointInput{VpcEndpointId: &o.ID}
		if fields.Has("route tables") {
			in.AddRouteTableIds = tables
		}
		if fields.Has("subnets") {
			in.AddSubnetIds = subnets
		}
		if fields.Has("security groups") {
			in.AddSecurityGroupIds, in.RemoveSecurityGroupIds = groups, others
		}
		if fields.Has("private DNS") {
			in.PrivateDnsEnabled = new(true)
		}
		if _, err := e.API.ModifyVpcEndpoint(ctx, in); err != nil {
			return fmt.Errorf("modify %s: %w", o.ID, err)
		}
		return nil
	})
}

// without returns the elements of a list that another lacks.
func without(list, other []string) (rest []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

// Validate implements provision.Validator. It says what the endpoints will cost, and names those of
// somebody else that are in the way.
// https://aws.amazon.com/privatelink/pricing/
func (e Endpoints) Validate(have EndpointsState, found bool) (notes []provision.Note) {
	for _, o := range have.Others {
		_, ours := have.of(o.Service)
		if !ours && slices.Contains(e.Services, o.Service) && o.lives() && (o.PrivateDNS || o.Gateway) {
			notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
				"%s, which was created outside flowbed, is an endpoint for %s, and a VPC can have only one → delete it (%s), or leave %s out of network.endpoints",
				o.ID, o.Service, e.ID.cli("delete-vpc-endpoints", "--vpc-endpoint-ids %s", o.ID), o.Service)})
		}
	}
	if e.interfaces() > 0 && e.ID.Partition == "aws-cn" {
		notes = append(notes, provision.Note{Severity: provision.Error,
			Text: "flowbed does not know the names of AWS's services in China for endpoints → leave only s3 in network.endpoints"})
	}
	if n := e.interfaces(); !found && n > 0 {
		c := cost.Of(e.ID.Region, e.Costs())
		notes = append(notes, provision.Note{Text: fmt.Sprintf(
			"%d VPC endpoint(s) with interfaces in %d zone(s) cost about %s a month (in %s), and each GB costs: https://aws.amazon.com/privatelink/pricing/",
			n, e.Zones, c.Total.Round(), c.Region)})
	}
	return notes
}

// Costs are those of the interfaces: the endpoint of S3 is free.
func (e Endpoints) Costs() []cost.Usage {
	if e.interfaces() == 0 {
		return nil
	}
	return []cost.Usage{cost.InterfaceEndpoints(e.interfaces() * e.Zones)}
}

// interfaces is how many of the services have an interface endpoint.
func (e Endpoints) interfaces() int {
	return len(without(e.Services, []string{ServiceS3}))
}

// CheckDelete implements provision.DeleteChecker: it warns of the other environments in the VPC, who may
// need the old endpoints.
func (e Endpoints) CheckDelete(ctx context.Context, have EndpointsState) ([]provision.Note, error) {
	return VPC{API: e.API, ID: e.ID}.borrowers(ctx, e.Parts, e.VPC, have.Label())
}

// Delete implements provision.Resource.
func (e Endpoints) Delete(ctx context.Context, have EndpointsState) error {
	var ids []string
	for _, o := range have.Own {
		if o.lives() {
			ids = append(ids, o.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return e.deleting(ids...)(ctx)
}

// deleting deletes endpoints. The call succeeds even if EC2 has deleted none of them.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpcEndpoints.html
func (e Endpoints) deleting(ids ...string) doFunc {
	return func(ctx context.Context) error {
		out, err := e.API.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: ids})
		if err := awserr.Gone(err); err != nil {
			return fmt.Errorf("delete VPC endpoints: %w", err)
		}
		if out == nil {
			return nil
		}
		var errs []error
		for _, o := range out.Unsuccessful {
			err := awserr.Gone(&smithy.OperationError{ServiceID: ec2.ServiceID, OperationName: "DeleteVpcEndpoints", Err: &smithy.GenericAPIError{
				Code: deref(deref(o.Error).Code), Message: deref(deref(o.Error).Message),
			}})
			if err != nil {
				errs = append(errs, fmt.Errorf("delete %s: %w", deref(o.ResourceId), err))
			}
		}
		return errors.Join(errs...)
	}
}

// Permissions are what the calls need. A tagged VPC, subnet, group or route table is ours. EC2 puts
// the service's name into a hosted zone of AWS's own.
func (e Endpoints) Permissions() Permissions {
	const example = "vpc-endpoint/vpce-0123456789abcdef0"
	remove := []Permission{e.ID.tagged(example, "ec2:DeleteVpcEndpoints")}
	build := []Permission{
		e.ID.requested(on(e.ID.ec2("vpc-endpoint/*"), "ec2:CreateVpcEndpoint")).like(e.ID.ec2(example)),
		e.ID.tagged("vpc/"+exampleVPC, "ec2:CreateVpcEndpoint").composite(),
		e.ID.tagged(example, "ec2:ModifyVpcEndpoint").composite(),
	}
	if e.interfaces() > 0 {
		// A group that somebody else has added has no tags; that the endpoint must be ours is enough.
		build = append(build, on(e.ID.ec2("security-group/*"), "ec2:ModifyVpcEndpoint").composite())
		build = append(build, on("*", "route53:AssociateVPCWithHostedZone").
			implied("EC2 checks it if an endpoint takes the place of a service's name"))
	}
	return Permissions{
		Read:   []Permission{on("*", "ec2:DescribeVpcEndpoints")},
		Build:  slices.Concat(build, remove, e.ID.tagging(example, "CreateVpcEndpoint")),
		Delete: remove, CheckDelete: e.Parts.checked(),
	}
}
