package ec2

import (
	"strings"
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
	core.Register(service, associateAddress, associateAddressAccess)
	core.Register(service, disassociateAddress, disassociateAddressAccess)
	core.Register(service, describeNatGateways, core.Anything)
	core.Register(service, createNatGateway, createNATAccess)
	core.Register(service, deleteNatGateway, natAccess)
}

// How long a NAT gateway takes to start, to fail and to end, its address to be free after that, how long it
// keeps its tags then, and how long EC2 shows it.
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
const (
	natStarts  = 90 * time.Second
	natFails   = 20 * time.Second
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
	ID        string    `json:"id"`
	IP        string    `json:"ip"`
	Interface string    `json:"interface,omitempty"` // that has it; a NAT gateway's does not count
	Tags      core.Tags `json:"tags"`
}

func (a *address) association() string { return "eipassoc-" + strings.TrimPrefix(a.ID, "eipalloc-") }

// taken reports whether an interface has an address.
func (r *request) taken(a *address) bool {
	n := r.db().Interfaces[a.Interface]
	return n != nil && r.exists(n)
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
	case g.Failure != "" && !now.Before(g.Created.Add(natFails)):
		return types.NatGatewayStateFailed
	case g.Failure != "", now.Before(g.Created.Add(natStarts)):
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
		if r.taken(a) {
			o.AssociationId, o.NetworkInterfaceId = aws.String(a.association()), &a.Interface
		} else if g := r.holder(a.ID); g != nil && g.exists(r.Now) {
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
	case r.taken(d.Addresses[id]):
		return nil, core.Fail("InvalidIPAddress.InUse", "Address %s is in use.", d.Addresses[id].IP)
	}
	delete(d.Addresses, id)
	return &ec2.ReleaseAddressOutput{}, nil
}

// associateAddress gives an address to an interface. One in use must be taken away first.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateAddress.html
func associateAddress(r *request, in *ec2.AssociateAddressInput) (*ec2.AssociateAddressOutput, error) {
	d, id, to := r.db(), aws.ToString(in.AllocationId), aws.ToString(in.NetworkInterfaceId)
	a, n := d.Addresses[id], d.Interfaces[to]
	switch {
	case a == nil:
		return nil, noAddress(id)
	case n == nil || !r.exists(n):
		return nil, noInterface(to)
	case r.taken(a) && a.Interface != to || r.holder(id) != nil:
		return nil, core.Fail("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", id, a.association())
	}
	a.Interface, n.PublicIP = to, a.IP
	return &ec2.AssociateAddressOutput{AssociationId: aws.String(a.association())}, nil
}

func disassociateAddress(r *request, in *ec2.DisassociateAddressInput) (*ec2.DisassociateAddressOutput, error) {
	a := r.associatedAddress(in)
	if a == nil {
		return nil, noAssociation(aws.ToString(in.AssociationId))
	}
	r.db().Interfaces[a.Interface].PublicIP, a.Interface = "", ""
	return &ec2.DisassociateAddressOutput{}, nil
}

func (r *request) associatedAddress(in *ec2.DisassociateAddressInput) *address {
	for _, a := range r.db().Addresses {
		if r.taken(a) && a.association() == aws.ToString(in.AssociationId) {
			return a
		}
	}
	return nil
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
	switch {
	case o.State == types.NatGatewayStatePending:
	case g.Failure == notAttached:
		o.FailureCode, o.FailureMessage = &g.Failure, aws.String("Network "+g.VPC+" has no Internet gateway attached")
	case g.Failure == inUse:
		o.FailureCode, o.FailureMessage = &g.Failure, aws.String("Elastic IP address ["+g.Address+"] is already associated")
	}
	return o
}

// Why a gateway fails.
const (
	notAttached = "Gateway.NotAttached"
	inUse       = "Resource.AlreadyAssociated"
)

// createNatGateway looks for the client token first. A gateway in a VPC without an internet gateway
// fails later, without an error of this call, and so does one whose address something else has, such as a
// gateway that is being deleted.
// https://github.com/hashicorp/terraform-provider-aws/issues/709
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
	}
	t, err := specified(in.TagSpecifications, types.ResourceTypeNatgateway)
	if err != nil {
		return nil, err
	}
	g := &natGateway{ID: r.ID("nat"), VPC: s.VPC, Subnet: s.ID, Address: *in.AllocationId, Token: token, Created: r.Now, Tags: t, Failure: notAttached}
	for _, o := range r.gateways() {
		if o.VPC == s.VPC {
			g.Failure = ""
		}
	}
	if r.taken(d.Addresses[g.Address]) || r.holder(g.Address) != nil {
		g.Failure = inUse
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

func associateAddressAccess(r *request, a core.Access, in *ec2.AssociateAddressInput) []core.Access {
	return r.objects(a, aws.ToString(in.AllocationId), aws.ToString(in.NetworkInterfaceId))
}

// disassociateAddressAccess covers the address. AWS cannot name that of an association that does not
// exist.
func disassociateAddressAccess(r *request, a core.Access, in *ec2.DisassociateAddressInput) []core.Access {
	if of := r.associatedAddress(in); of != nil {
		return []core.Access{r.object(a, of.ID)}
	}
	return []core.Access{a}
}

func createNATAccess(r *request, a core.Access, in *ec2.CreateNatGatewayInput) []core.Access {
	return append(r.creation(a, types.ResourceTypeNatgateway, "*", in.TagSpecifications),
		r.objects(a, aws.ToString(in.SubnetId), aws.ToString(in.AllocationId))...)
}

func natAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return r.objects(a, core.Text(in, "NatGatewayId"))
}
