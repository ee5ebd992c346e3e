package ec2

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeAddresses, core.Anything)
	core.Register(service, allocateAddress, allocateAccess)
	core.Register(service, releaseAddress, addressAccess)
	core.Register(service, describeNatGateways, core.Anything)
	core.Register(service, createNatGateway, createNATAccess)
	core.Register(service, deleteNatGateway, natAccess)
}

// How long a NAT gateway takes to start and to end, its address to be free after that, how long it
// keeps its tags then, and how long EC2 shows it.
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
const (
	natStarts  = 90 * time.Second
	natEnds    = time.Minute
	natHolds   = 10 * time.Second
	natHasTags = 2 * time.Minute
	natIsShown = time.Hour
)

// natGateway is a NAT gateway. Only the time of its creation and of its deletion are stored.
type natGateway struct {
	ID      string    `json:"id"`
	VPC     string    `json:"vpc"`
	Subnet  string    `json:"subnet"`
	Address string    `json:"address"`
	Token   string    `json:"token"`
	Failure string    `json:"failure,omitempty"`
	Created time.Time `json:"created"`
	Deleted time.Time `json:"deleted,omitzero"`
	Tags    core.Tags `json:"tags"`
}

// address is an Elastic IP address.
type address struct {
	ID   string    `json:"id"`
	IP   string    `json:"ip"`
	Tags core.Tags `json:"tags"`
}

func noAddress(id string) error {
	return core.Fail("InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist", id)
}

func noNAT(id string) error {
	return core.Fail("NatGatewayNotFound", "The Nat Gateway %s was not found", id)
}

func (g *natGateway) state(now time.Time) types.NatGatewayState {
	switch {
	case !g.Deleted.IsZero() && !now.Before(g.Deleted.Add(natEnds)):
		return types.NatGatewayStateDeleted
	case !g.Deleted.IsZero():
		return types.NatGatewayStateDeleting
	case g.Failure != "":
		return types.NatGatewayStateFailed
	case now.Before(g.Created.Add(natStarts)):
		return types.NatGatewayStatePending
	}
	return types.NatGatewayStateAvailable
}

// exists reports whether the gateway has its interface.
func (g *natGateway) exists(now time.Time) bool {
	s := g.state(now)
	return s != types.NatGatewayStateDeleted && s != types.NatGatewayStateFailed
}

// holder is the NAT gateway that holds an address. It does so for some seconds after its end.
func (r *request) holder(address string) *natGateway {
	for _, g := range core.Sorted(r.db().NATs) {
		if g.Address == address && g.Failure == "" && (g.Deleted.IsZero() || r.Now.Before(g.Deleted.Add(natEnds+natHolds))) {
			return g
		}
	}
	return nil
}

func describeAddresses(r *request, in *ec2.DescribeAddressesInput) (*ec2.DescribeAddressesOutput, error) {
	list, err := chosen(r.db().Addresses, in.AllocationIds, noAddress)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeAddressesOutput{}
	for _, a := range list {
		ok, err := matches(in.Filters, a.Tags, map[string][]string{"allocation-id": {a.ID}, "public-ip": {a.IP}, "domain": {"vpc"}})
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		o := types.Address{AllocationId: &a.ID, PublicIp: &a.IP, Domain: types.DomainTypeVpc, Tags: tagList(a.Tags)}
		if g := r.holder(a.ID); g != nil && g.exists(r.Now) {
			o.AssociationId = aws.String("eipassoc-" + g.ID[len("nat-"):])
		}
		out.Addresses = append(out.Addresses, o)
	}
	return out, nil
}

// allocateAddress has neither a client token nor a unique name: each call allocates another
// address.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html
func allocateAddress(r *request, in *ec2.AllocateAddressInput) (*ec2.AllocateAddressOutput, error) {
	t, err := specified(in.TagSpecifications, types.ResourceTypeElasticIp)
	if err != nil {
		return nil, err
	}
	d := r.db()
	if len(d.Addresses) >= quota {
		return nil, core.Fail("AddressLimitExceeded", "The maximum number of addresses has been reached.")
	}
	if d.Addresses == nil {
		d.Addresses = map[string]*address{}
	}
	a := &address{ID: r.ID("eipalloc"), Tags: t}
	a.IP = hostAddress("198.51.100.0/24", 1+r.Serial()%250)
	d.Addresses[a.ID] = a
	return &ec2.AllocateAddressOutput{AllocationId: &a.ID, PublicIp: &a.IP, Domain: types.DomainTypeVpc}, nil
}

// releaseAddress fails with a misleading error while a NAT gateway holds the address.
func releaseAddress(r *request, in *ec2.ReleaseAddressInput) (*ec2.ReleaseAddressOutput, error) {
	d, id := r.db(), aws.ToString(in.AllocationId)
	switch {
	case d.Addresses[id] == nil:
		return nil, noAddress(id)
	case r.holder(id) != nil:
		return nil, core.Fail("AuthFailure", "You do not have permission to access the specified resource.")
	}
	delete(d.Addresses, id)
	return &ec2.ReleaseAddressOutput{}, nil
}

func describeNatGateways(r *request, in *ec2.DescribeNatGatewaysInput) (*ec2.DescribeNatGatewaysOutput, error) {
	list, err := chosen(r.db().NATs, in.NatGatewayIds, noNAT)
	if err != nil {
		return nil, err
	}
	var all []types.NatGateway
	for _, g := range list {
		if !g.Deleted.IsZero() && r.Now.After(g.Deleted.Add(natIsShown)) {
			continue
		}
		ok, err := matches(in.Filter, r.natTags(g), map[string][]string{
			"nat-gateway-id": {g.ID}, "vpc-id": {g.VPC}, "subnet-id": {g.Subnet}, "state": {string(g.state(r.Now))}})
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, r.shownNAT(g))
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 1000)
	return &ec2.DescribeNatGatewaysOutput{NatGateways: some, NextToken: next}, err
}

// natTags are the tags of a gateway, which go some minutes after it.
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html
func (r *request) natTags(g *natGateway) core.Tags {
	if !g.Deleted.IsZero() && r.Now.After(g.Deleted.Add(natEnds+natHasTags)) {
		return nil
	}
	return g.Tags
}

func (r *request) shownNAT(g *natGateway) types.NatGateway {
	o := types.NatGateway{
		NatGatewayId: &g.ID, VpcId: &g.VPC, SubnetId: &g.Subnet, State: g.state(r.Now), Tags: tagList(r.natTags(g)), CreateTime: &g.Created,
		ConnectivityType: types.ConnectivityTypePublic, NatGatewayAddresses: []types.NatGatewayAddress{{AllocationId: &g.Address}},
	}
	if g.Failure != "" {
		o.FailureCode, o.FailureMessage = &g.Failure, aws.String("Network "+g.VPC+" has no Internet gateway attached")
	}
	return o
}

// createNatGateway looks for the client token first. A gateway in a VPC without an internet gateway
// fails later, without an error of this call.
func createNatGateway(r *request, in *ec2.CreateNatGatewayInput) (*ec2.CreateNatGatewayOutput, error) {
	d, token := r.db(), aws.ToString(in.ClientToken)
	for _, g := range core.Sorted(d.NATs) {
		if token != "" && g.Token == token {
			if g.Subnet != aws.ToString(in.SubnetId) || g.Address != aws.ToString(in.AllocationId) {
				return nil, core.Fail("IdempotentParameterMismatch", "The client token was used with other parameters.")
			}
			return &ec2.CreateNatGatewayOutput{ClientToken: &token, NatGateway: new(r.shownNAT(g))}, nil
		}
	}
	s := d.Subnets[aws.ToString(in.SubnetId)]
	switch {
	case s == nil:
		return nil, noSubnet(aws.ToString(in.SubnetId))
	case d.Addresses[aws.ToString(in.AllocationId)] == nil:
		return nil, noAddress(aws.ToString(in.AllocationId))
	case r.holder(*in.AllocationId) != nil:
		return nil, core.Fail("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", *in.AllocationId)
	}
	t, err := specified(in.TagSpecifications, types.ResourceTypeNatgateway)
	if err != nil {
		return nil, err
	}
	g := &natGateway{ID: r.ID("nat"), VPC: s.VPC, Subnet: s.ID, Address: *in.AllocationId, Token: token, Created: r.Now, Tags: t, Failure: "Gateway.NotAttached"}
	for _, o := range r.gateways() {
		if o.VPC == s.VPC {
			g.Failure = ""
		}
	}
	if d.NATs == nil {
		d.NATs = map[string]*natGateway{}
	}
	d.NATs[g.ID] = g
	return &ec2.CreateNatGatewayOutput{ClientToken: in.ClientToken, NatGateway: new(r.shownNAT(g))}, nil
}

func deleteNatGateway(r *request, in *ec2.DeleteNatGatewayInput) (*ec2.DeleteNatGatewayOutput, error) {
	id := aws.ToString(in.NatGatewayId)
	g := r.db().NATs[id]
	if g == nil || g.state(r.Now) == types.NatGatewayStateDeleted {
		return nil, noNAT(id)
	}
	if g.Deleted.IsZero() {
		g.Deleted = r.Now
	}
	return &ec2.DeleteNatGatewayOutput{NatGatewayId: &id}, nil
}

// natIn reports whether a NAT gateway has its interface in a subnet or a VPC.
func (r *request) natIn(is func(*natGateway) bool) bool {
	for _, g := range r.db().NATs {
		if is(g) && g.exists(r.Now) {
			return true
		}
	}
	return false
}

func allocateAccess(r *request, a core.Access, in *ec2.AllocateAddressInput) []core.Access {
	return r.creation(a, types.ResourceTypeElasticIp, "*", in.TagSpecifications)
}

func addressAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return r.objects(a, core.Text(in, "AllocationId"))
}

func createNATAccess(r *request, a core.Access, in *ec2.CreateNatGatewayInput) []core.Access {
	return append(r.creation(a, types.ResourceTypeNatgateway, "*", in.TagSpecifications),
		r.objects(a, aws.ToString(in.SubnetId), aws.ToString(in.AllocationId))...)
}

func natAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return r.objects(a, core.Text(in, "NatGatewayId"))
}
