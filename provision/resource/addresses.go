package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
)

// Addresses are the Elastic IP addresses of the NAT gateways in an environment's own VPC.
// AllocateAddress has neither a client token nor a unique name, and each address costs money: see
// VPC. Up releases a second one.
type Addresses struct {
	API   *ec2.Client
	ID    Identity
	Name  string                  // that of each address begins with it
	VPC   provision.Ref[VPCState] // an address belongs to none, but is of no use without one
	Count int                     // of the addresses that the spec has
	Parts Parts
	Made  *Launched // by this run; may be nil

	Reader *PartReader[ElasticIP] // may be nil
}

// AddressesState is the actual state of the addresses.
type AddressesState struct {
	Own     []ElasticIP // one for each part
	Doubles []ElasticIP // of the same parts

	all int // how many addresses of AWS the account has in the region, as far as Read counts them
}

// ElasticIP is an address of the environment.
type ElasticIP struct {
	ID, IP, Part string
	Association  string // with what uses it; empty if nothing does
	Tags         Tags

	brought bool // it is not AWS's, and does not count
}

var (
	_ Kind[AddressesState]                = Addresses{}
	_ Discoverer                          = Addresses{}
	_ provision.Validator[AddressesState] = Addresses{}
	_ provision.Patient                   = Addresses{}
	_ provision.DeletePatient             = Addresses{}
	_ provision.Labelled                  = AddressesState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:    `InvalidAllocationID.NotFound`,
		awserr.Transient: `InvalidIPAddress.InUse`,
		awserr.Quota:     `AddressLimitExceeded`,
	},
	// EC2 says so while a NAT gateway holds the address, and for some seconds after that.
	Rules: []awserr.Rule{{Operation: "ReleaseAddress", Code: "AuthFailure", Message: "permission to access the specified resource", Class: awserr.Transient,
		Hint: "EC2 does not release the address yet, because a NAT gateway held it: run the same command again"}},
	Hints: map[string]string{
		"AddressLimitExceeded": "the account is at its quota of Elastic IP addresses in this region, which is 5 by default: " + moreAddresses,
	},
})

// moreAddresses is what helps if there are too many.
var moreAddresses = "release one (aws ec2 describe-addresses lists them), " + raise("ec2", quotaAddresses) + ", or have fewer NAT gateways: set network.nat"

func (o ElasticIP) tags() Tags    { return o.Tags }
func (o ElasticIP) label() string { return o.IP }

// Owner implements provision.State.
func (s AddressesState) Owner() provision.Owner { return ownerOf(s.Own) }

// Label has the addresses.
func (s AddressesState) Label() string { return labelOf(s.Own) }

// Patience implements provision.Patient.
func (Addresses) Patience() time.Duration { return appears }

// DeletePatience implements provision.DeletePatience.
func (Addresses) DeletePatience() time.Duration { return leaves }

func natPart(i int) string { return fmt.Sprintf("nat-%d", i+1) }

// natNumber is the number of a part, from 1.
func natNumber(part string) (n int, ok bool) {
	digits, _ := strings.CutPrefix(part, "nat-")
	n, err := strconv.Atoi(digits)
	return n, err == nil && n > 0 && part == natPart(n-1)
}

func (s AddressesState) of(part string) (ElasticIP, bool) {
	i := slices.IndexFunc(s.Own, func(o ElasticIP) bool { return o.Part == part })
	if i < 0 {
		return ElasticIP{}, false
	}
	return s.Own[i], true
}

// Read implements provision.Resource. Of several addresses for one gateway, it is the one in use.
func (a Addresses) Read(ctx context.Context) (s AddressesState, err error) {
	filters := a.ID.ours()
	if a.Count > 0 { // to allocate some, look how many there are
		filters = nil
	}
	list, err := a.Reader.read(ctx, func(ctx context.Context) ([]ElasticIP, error) { return a.find(ctx, filters...) })
	if err != nil {
		return s, fmt.Errorf("read addresses: %w", err)
	}
	s.all = len(slices.DeleteFunc(slices.Clone(list), func(o ElasticIP) bool { return o.brought }))
	list = slices.DeleteFunc(list, func(o ElasticIP) bool {
		return o.Tags.Owner().By != a.ID.Owner() || !a.Parts.includeNAT(o.Part, a.Count)
	})
	slices.SortFunc(list, a.before)
	for _, o := range list {
		if n := len(s.Own); n > 0 && s.Own[n-1].Part == o.Part {
			s.Doubles = append(s.Doubles, o)
		} else {
			s.Own = append(s.Own, o)
		}
	}
	if len(s.Own) == 0 {
		return s, fmt.Errorf("read addresses: %w", provision.ErrAbsent)
	}
	return s, nil
}

func (a Addresses) before(x, y ElasticIP) int {
	rank := func(o ElasticIP) int {
		switch {
		case o.Association != "":
			return 0
		case a.Made.has(o.ID):
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(x.Part, y.Part), cmp.Compare(rank(x), rank(y)), cmp.Compare(x.ID, y.ID))
}

func (a Addresses) find(ctx context.Context, filters ...types.Filter) (list []ElasticIP, err error) {
	out, err := a.API.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: filters})
	if err != nil {
		return nil, err
	}
	for _, o := range out.Addresses {
		t := ec2Tags(o.Tags)
		list = append(list, ElasticIP{ID: deref(o.AllocationId), IP: deref(o.PublicIp), Part: partOf(t, a.Name), Association: deref(o.AssociationId), Tags: t,
			brought: o.PublicIpv4Pool != nil && deref(o.PublicIpv4Pool) != "amazon"})
	}
	return list, nil
}

// Discover implements Discoverer.
func (a Addresses) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	found, err := a.find(ctx, hasOwnerTag())
	if err != nil {
		return nil, fmt.Errorf("list addresses in %s: %w", a.ID.Region, err)
	}
	for _, o := range found {
		list = append(list, Found{Kind: "Elastic IP address", Name: o.ID, Tags: o.Tags, Costs: []cost.Usage{cost.Addresses(1)}})
	}
	return list, nil
}

func (a Addresses) tags(part string) Tags {
	t := a.ID.Tags(a.Name + "-" + part)
	t[KeyPart] = part
	return t
}

// Create implements provision.Resource. No gateway gets an address before EC2 shows it.
func (a Addresses) Create(ctx context.Context) (*AddressesState, error) {
	for i := range a.Count {
		if err := a.allocate(natPart(i))(ctx); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (a Addresses) allocate(part string) doFunc {
	return func(ctx context.Context) error {
		out, err := a.API.AllocateAddress(ctx, &ec2.AllocateAddressInput{
			Domain: types.DomainTypeVpc, TagSpecifications: ec2TagsFor(a.tags(part), types.ResourceTypeElasticIp),
		}, once)
		if err != nil {
			return fmt.Errorf("allocate address: %w", err)
		}
		a.Made.add(deref(out.AllocationId))
		return nil
	}
}

// Changes implements provision.Resource.
func (a Addresses) Changes(have AddressesState) (c []provision.Change) {
	for i := range a.Count {
		o, ok := have.of(natPart(i))
		if !ok {
			c = append(c, provision.Change{Field: "address", To: provision.Text("for NAT gateway " + fmt.Sprint(i+1)), Required: true, Do: a.allocate(natPart(i))})
			continue
		}
		c = append(c, tagChange(o.Tags, a.tags(o.Part), false, ec2Tagger(a.API, o.ID))...)
	}
	for _, o := range have.Doubles {
		c = append(c, provision.Change{Field: "double", From: provision.Text(o.IP), Why: "a second address for the same NAT gateway",
			Do: func(ctx context.Context) error { return a.release(ctx, o) }})
	}
	return c
}

// Validate implements provision.Validator.
func (a Addresses) Validate(have AddressesState, _ bool) []provision.Note {
	adds := 0
	for i := range a.Count {
		if _, ok := have.of(natPart(i)); !ok {
			adds++
		}
	}
	return full("Elastic IP addresses", moreAddresses, have.all, adds)
}

// Delete implements provision.Resource.
func (a Addresses) Delete(ctx context.Context, have AddressesState) error {
	var errs []error
	for _, o := range slices.Concat(have.Doubles, have.Own) {
		errs = append(errs, a.release(ctx, o))
	}
	return errors.Join(errs...)
}

func (a Addresses) release(ctx context.Context, o ElasticIP) error {
	_, err := a.API.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: &o.ID})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("release %s: %w", o.IP, err)
	}
	return nil
}

// Look is what a run needs to see whether there are addresses: they outlast their VPC.
func (Addresses) Look() Permissions { return looking("ec2:DescribeAddresses") }

// Costs are those of the addresses: AWS bills each public address, also one in use.
// https://aws.amazon.com/vpc/pricing/
func (a Addresses) Costs() []cost.Usage { return []cost.Usage{cost.Addresses(a.Count)} }

// Permissions are what the calls need.
func (a Addresses) Permissions() Permissions {
	const example = "elastic-ip/eipalloc-0123456789abcdef0"
	remove := []Permission{a.ID.tagged(example, "ec2:ReleaseAddress")}
	return Permissions{
		Read: []Permission{on("*", "ec2:DescribeAddresses")},
		Build: slices.Concat([]Permission{
			a.ID.requested(on(a.ID.ec2("elastic-ip/*"), "ec2:AllocateAddress")).like(a.ID.ec2(example)),
		}, remove, a.ID.tagging(example, "AllocateAddress")),
		Delete: remove,
	}
}
