package resource

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// NATGateways are the NAT gateways in an environment's own VPC, through which its private subnets
// reach the internet.
type NATGateways struct {
	API       *ec2.Client
	ID        Identity
	Name      string // that of each gateway begins with it
	VPC       provision.Ref[VPCState]
	Subnets   provision.Ref[SubnetsState]
	Addresses provision.Ref[AddressesState]
	Gateway   provision.Ref[InternetGatewayState]
	Count     int // of the gateways that the spec has
	Parts     Parts
	Reader    *PartReader[NATGateway] // may be nil
	Replaced  *Launched               // the ids and the parts of those that this run has replaced; nil remembers none
}

// NATGatewaysState is the actual state of the gateways.
type NATGatewaysState struct {
	Own   []NATGateway // without deleted ones
	Ended []string     // the ids of those that are gone: EC2 shows them for an hour
}

// NATGateway is a NAT gateway of the environment.
type NATGateway struct {
	ID, Part, State, Failure string
	Tags                     Tags
}

var (
	_ Kind[NATGatewaysState]                    = NATGateways{}
	_ Discoverer                                = NATGateways{}
	_ provision.Patient                         = NATGateways{}
	_ provision.DeletePatient                   = NATGateways{}
	_ provision.DependsUntilDeleted             = NATGateways{}
	_ provision.DeleteChecker[NATGatewaysState] = NATGateways{}
	_ provision.Validator[NATGatewaysState]     = NATGateways{}
	_ provision.Quitter[NATGatewaysState]       = NATGateways{}
	_ provision.Labelled                        = NATGatewaysState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent: `NatGatewayNotFound InvalidNatGatewayID.NotFound`,
		awserr.Quota:  `NatGatewayLimitExceeded`,
	},
	Hints: map[string]string{
		"NatGatewayLimitExceeded": "the account is at its quota of NAT gateways in a zone, which is 5 by default and counts those that are being deleted: delete one, or " + raise("vpc", "L-FE5A380F"),
	},
})

func (o NATGateway) tags() Tags    { return o.Tags }
func (o NATGateway) label() string { return o.ID }

// Owner implements provision.State.
func (s NATGatewaysState) Owner() provision.Owner { return ownerOf(s.Own) }

// Label has the ids of the gateways.
func (s NATGatewaysState) Label() string { return labelOf(s.Own) }

// Patience implements provision.Patient: a gateway takes minutes to start.
func (NATGateways) Patience() time.Duration { return 10 * time.Minute }

// DeletePatience implements provision.DeletePatience: it may take half an hour to go.
func (NATGateways) DeletePatience() time.Duration { return 30 * time.Minute }

// DependsUntilDeleted implements provision.DependsUntilDeleted: a gateway that is being deleted holds
// its address and its subnet.
func (NATGateways) DependsUntilDeleted() {}

func (s NATGatewaysState) of(part string) (NATGateway, bool) {
	i := slices.IndexFunc(s.Own, func(o NATGateway) bool { return o.Part == part && o.State != "deleting" })
	if i < 0 {
		return NATGateway{}, false
	}
	return s.Own[i], true
}

// holds reports whether a gateway of a part that is being deleted holds its address: another one would
// fail. One that has failed holds none.
func (s NATGatewaysState) holds(part string) bool {
	return slices.ContainsFunc(s.Own, func(o NATGateway) bool {
		return o.Part == part && o.State == string(types.NatGatewayStateDeleting) && o.Failure == ""
	})
}

// gone has the ids of the gateways that have been deleted or are being deleted.
func (s NATGatewaysState) gone() []string {
	gone := slices.Clone(s.Ended)
	for _, o := range s.Own {
		if o.State == string(types.NatGatewayStateDeleting) {
			gone = append(gone, o.ID)
		}
	}
	slices.Sort(gone)
	return gone
}

// Read implements provision.Resource.
func (n NATGateways) Read(ctx context.Context) (s NATGatewaysState, err error) {
	vpc, err := n.VPC.Await(ctx)
	if err != nil {
		return s, err
	}
	list, err := n.Reader.read(ctx, func(ctx context.Context) ([]NATGateway, error) { return n.find(ctx, filter("vpc-id", vpc.ID)) })
	if err != nil {
		return s, fmt.Errorf("read NAT gateways: %w", err)
	}
	for _, o := range list {
		switch {
		case o.State == string(types.NatGatewayStateDeleted): // it loses its tags within minutes
			s.Ended = append(s.Ended, o.ID)
		case o.Tags.Owner().By != n.ID.Owner(), !n.Parts.includeNAT(o.Part, n.Count):
		default:
			s.Own = append(s.Own, o)
		}
	}
	slices.Sort(s.Ended)
	if len(s.Own) == 0 {
		return s, fmt.Errorf("read NAT gateways: %w", provision.ErrAbsent)
	}
	return s, nil
}

func (n NATGateways) find(ctx context.Context, filters ...types.Filter) (list []NATGateway, err error) {
	err = eachPage(ctx, ec2.NewDescribeNatGatewaysPaginator(n.API, &ec2.DescribeNatGatewaysInput{Filter: filters}), func(page *ec2.DescribeNatGatewaysOutput) {
		for _, o := range page.NatGateways {
			t := ec2Tags(o.Tags)
			list = append(list, NATGateway{ID: deref(o.NatGatewayId), Part: partOf(t, n.Name), State: string(o.State),
				Failure: strings.TrimSpace(deref(o.FailureCode) + " " + deref(o.FailureMessage)), Tags: t})
		}
	})
	slices.SortFunc(list, func(a, b NATGateway) int { return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// Discover implements Discoverer.
func (n NATGateways) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	found, err := n.find(ctx, hasOwnerTag())
	if err != nil {
		return nil, fmt.Errorf("list NAT gateways in %s: %w", n.ID.Region, err)
	}
	for _, o := range found {
		if o.State != string(types.NatGatewayStateDeleted) && o.State != string(types.NatGatewayStateDeleting) {
			list = append(list, Found{Kind: "NAT gateway", Name: o.ID, Tags: o.Tags, Costs: []cost.Usage{cost.NATGateways(1)}})
		}
	}
	return list, nil
}

func (n NATGateways) tags(part string) Tags {
	t := n.ID.Tags(n.Name + "-" + part)
	t[KeyPart] = part
	return t
}

// Create implements provision.Resource.
func (n NATGateways) Create(ctx context.Context) (*NATGatewaysState, error) {
	have, err := n.Read(ctx) // for the gateways that are gone
	if err != nil && !errors.Is(err, provision.ErrAbsent) {
		return nil, err
	}
	for i := range n.Count {
		if err := n.create(i, have)(ctx); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// create sends a client token that follows from the request, so that a run that follows a killed one
// sends the same. After a gateway is gone, or while it goes, the token is another one: with the
// old one, AWS would return that gateway.
func (n NATGateways) create(i int, have NATGatewaysState) doFunc {
	return func(ctx context.Context) error {
		subnets, ok := n.Subnets.Get()
		addresses, some := n.Addresses.Get()
		address, has := addresses.of(natPart(i))
		public := subnets.public()
		if !ok || !some || !has || i >= len(public) {
			return errors.New("create NAT gateway: the subnet or the address is not known")
		}
		sum := sha256.Sum256([]byte(strings.Join(append([]string{public[i].ID, address.ID}, have.gone()...), " ")))
		_, err := n.API.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{
			SubnetId: &public[i].ID, AllocationId: &address.ID, ConnectivityType: types.ConnectivityTypePublic,
			ClientToken: new(hex.EncodeToString(sum[:])), TagSpecifications: ec2TagsFor(n.tags(natPart(i)), types.ResourceTypeNatgateway),
		})
		if err != nil {
			return fmt.Errorf("create NAT gateway in %s: %w", public[i].ID, err)
		}
		return nil
	}
}

// lost names the gateways that are gone: the reason for another one.
func (s NATGatewaysState) lost() (v provision.Value) {
	if gone := s.gone(); len(gone) > 0 {
		return provision.Text(strings.Join(gone, ", ") + " deleted")
	}
	return v
}

// Changes implements provision.Resource. A gateway can be used when it is available. One that has
// failed is replaced, once in a run: see Quit. None is created while another one holds its address. The values name the gateways, because the next one may fail as well: the
// engine makes each change once.
func (n NATGateways) Changes(have NATGatewaysState) (c []provision.Change) {
	for i := range n.Count {
		o, ok := have.of(natPart(i))
		switch available := provision.Text(string(types.NatGatewayStateAvailable)); {
		case !ok:
			missing := provision.Change{Field: "NAT gateway", From: have.lost(), To: provision.Text(n.Name + "-" + natPart(i)), Required: true}
			if !have.holds(natPart(i)) {
				missing.Do = n.create(i, have)
			}
			c = append(c, missing)
			continue
		case o.State == string(types.NatGatewayStateFailed):
			c = append(c, provision.Change{Field: "state", From: provision.Text(o.ID + " " + o.State + ": " + o.Failure), To: available, Do: n.replace(o)})
		case o.State != string(types.NatGatewayStateAvailable):
			c = append(c, provision.Change{Field: "state", From: provision.Text(o.State), To: available})
		}
		c = append(c, tagChange(o.Tags, n.tags(o.Part), false, ec2Tagger(n.API, o.ID))...)
	}
	return c
}

// replace deletes a gateway that has failed, so that another one takes its place.
func (n NATGateways) replace(o NATGateway) doFunc {
	if n.Replaced.has(o.Part) {
		return nil
	}
	return func(ctx context.Context) error {
		err := n.delete(ctx, o)
		if err == nil {
			n.Replaced.add(o.Part)
			n.Replaced.add(o.ID)
		}
		return err
	}
}

// Quit implements provision.Quitter: the gateway in the place of one that has failed has failed, too. An
// old reading may still have the first one.
func (n NATGateways) Quit(_ context.Context, have NATGatewaysState) error {
	for _, o := range have.Own {
		if o.State == string(types.NatGatewayStateFailed) && n.Replaced.has(o.Part) && !n.Replaced.has(o.ID) {
			addresses, _ := n.Addresses.Get()
			address, _ := addresses.of(o.Part)
			return &NATFailed{o.ID, o.Failure, n.remedy(o, address)}
		}
	}
	return nil
}

// remedy is what helps against a failure.
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
func (n NATGateways) remedy(o NATGateway, address ElasticIP) string {
	switch code, _, _ := strings.Cut(o.Failure, " "); {
	case code == "Resource.AlreadyAssociated" && address.Association != "":
		return fmt.Sprintf("take the address %s away from what uses it (%s, or of a NAT gateway: delete it), and run `flowbed up` again",
			address.IP, n.ID.cli("disassociate-address", "--association-id %s", address.Association))
	case code == "InsufficientFreeAddressesInSubnet":
		return "end something in its subnet, which has no free address, and run `flowbed up` again"
	}
	return "run `flowbed up` again; https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html tells more"
}

// NATFailed is the error of a wait for a NAT gateway that will not start.
type NATFailed struct{ ID, Why, Remedy string }

func (e *NATFailed) Error() string {
	return fmt.Sprintf("NAT gateway %s failed, as the one before it: %s → %s", e.ID, e.Why, e.Remedy)
}

// Hint is what to do about it.
func (e *NATFailed) Hint() string { return e.Remedy }

// Validate implements provision.Validator: it says what the gateways will cost.
// https://aws.amazon.com/vpc/pricing/ and https://aws.amazon.com/vpc/pricing/#Public_IPv4_Address
func (n NATGateways) Validate(_ NATGatewaysState, found bool) []provision.Note {
	if found {
		return nil
	}
	e := cost.Of(n.ID.Region, []cost.Usage{cost.NATGateways(n.Count), cost.Addresses(n.Count)})
	return []provision.Note{{Text: fmt.Sprintf("%d NAT gateway(s) with an address cost about %s a month (in %s), and each GB costs: https://aws.amazon.com/vpc/pricing/",
		n.Count, e.Total.Round(), e.Region)}}
}

// Delete implements provision.Resource.
func (n NATGateways) Delete(ctx context.Context, have NATGatewaysState) error {
	var errs []error
	for _, o := range have.Own {
		if o.State != string(types.NatGatewayStateDeleting) {
			errs = append(errs, n.delete(ctx, o))
		}
	}
	return errors.Join(errs...)
}

func (n NATGateways) delete(ctx context.Context, o NATGateway) error {
	_, err := n.API.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: &o.ID})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete %s: %w", o.ID, err)
	}
	return nil
}

// CheckDelete implements provision.DeleteChecker: it warns for the running flow runs, and of the other
// environments in the VPC, whose way out the old gateways may be.
func (n NATGateways) CheckDelete(ctx context.Context, have NATGatewaysState) ([]provision.Note, error) {
	notes, err := VPC{API: n.API, ID: n.ID}.borrowers(ctx, n.Parts, n.VPC, have.Label())
	if n.Parts == OldParts {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(
			"flow runs that are running lose their connections through %s, and perhaps their way out → run `flowbed up` when none is running", have.Label())})
	}
	return notes, err
}

// Costs are those of the gateways. Their addresses are a step of their own.
func (n NATGateways) Costs() []cost.Usage { return []cost.Usage{cost.NATGateways(n.Count)} }

// Permissions are what the calls need.
func (n NATGateways) Permissions() Permissions {
	const example = "natgateway/nat-0123456789abcdef0"
	remove := []Permission{n.ID.tagged(example, "ec2:DeleteNatGateway")}
	return Permissions{
		Read: []Permission{on("*", "ec2:DescribeNatGateways")},
		Build: slices.Concat([]Permission{
			n.ID.requested(on(n.ID.ec2("natgateway/*"), "ec2:CreateNatGateway")).like(n.ID.ec2(example)),
			n.ID.tagged("subnet/subnet-0123456789abcdef0", "ec2:CreateNatGateway").composite(),
		}, remove, n.ID.tagging(example, "CreateNatGateway")),
		Delete: remove, CheckDelete: n.Parts.checked(),
	}
}
