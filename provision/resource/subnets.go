package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
)

// Subnets are the subnets of an environment's own VPC: a public one in each of its zones, and perhaps
// a private one.
//
// A subnet is known by its range. CreateSubnet has no client token, but EC2 rejects a range that
// another subnet has.
type Subnets struct {
	API   *ec2.Client
	ID    Identity
	Name  string // that of each subnet begins with it
	VPC   provision.Ref[VPCState]
	CIDR  netip.Prefix              // of the VPC; not valid for a run that only deletes
	Zones provision.Ref[ZonesState] // on demand; unset for a run that only deletes
	Count int                       // of zones

	Private bool // there is a private subnet in each zone, too
}

// SubnetsState is the actual state of the subnets.
type SubnetsState struct {
	Own    []OwnSubnet // in the order of their ranges
	Others []Subnet    // that somebody else created in the VPC

	zones ZonesState // read only if a subnet is missing
}

// OwnSubnet is a subnet of the environment.
type OwnSubnet struct {
	Subnet
	AutoIP bool // gives an interface a public address that does not ask for one
	Tags   Tags
}

var (
	_ Kind[SubnetsState]                    = Subnets{}
	_ Discoverer                            = Subnets{}
	_ provision.Validator[SubnetsState]     = Subnets{}
	_ provision.BlockerFinder[SubnetsState] = Subnets{}
	_ provision.Patient                     = Subnets{}
	_ provision.DeletePatient               = Subnets{}
	_ provision.DeletedAfterDependents      = Subnets{}
	_ provision.Labelled                    = SubnetsState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Conflict: `InvalidSubnet.Conflict`,
		awserr.Quota:    `SubnetLimitExceeded`,
	},
	Hints: map[string]string{
		"SubnetLimitExceeded": "the VPC is at its quota of subnets, which is 200 by default: delete one, or " + raise("vpc", "L-407747CB"),
	},
})

func (o OwnSubnet) tags() Tags    { return o.Tags }
func (o OwnSubnet) label() string { return o.ID }

// Owner implements provision.State.
func (s SubnetsState) Owner() provision.Owner { return ownerOf(s.Own) }

// Label has the ids of the subnets.
func (s SubnetsState) Label() string { return labelOf(s.Own) }

// Patience implements provision.Patient.
func (Subnets) Patience() time.Duration { return appears }

// DeletePatience implements provision.DeletePatience: the interfaces in a subnet take minutes to go.
func (Subnets) DeletePatience() time.Duration { return leaves }

// DeletedAfterDependents implements provision.DeletedAfterDependents.
func (Subnets) DeletedAfterDependents() {}

// wantSubnet is a desired subnet.
type wantSubnet struct {
	part, cidr string
	zone       int // the number of its zone, from 0
}

// rangeBits are by how many bits a subnet's prefix is longer than that of the VPC: there are 16
// ranges. The first half of them is for public subnets.
const rangeBits = 4

func (n Subnets) want() (list []wantSubnet) {
	for i := range n.Count {
		list = append(list, wantSubnet{fmt.Sprintf("public-%d", i+1), n.block(i), i})
	}
	for i := range n.Count {
		if n.Private {
			list = append(list, wantSubnet{fmt.Sprintf("private-%d", i+1), n.block(firstPrivate + i), i})
		}
	}
	return list
}

// firstPrivate is the number of the first range of a private subnet.
const firstPrivate = 1 << rangeBits / 2

// isPublic reports whether a subnet with a range is a public one.
func (n Subnets) isPublic(cidr string) bool {
	a, err := netip.ParsePrefix(cidr)
	return err != nil || !n.CIDR.IsValid() || a.Addr().Less(netip.MustParsePrefix(n.block(firstPrivate)).Addr())
}

// public and private are the subnets of a kind, in the order of their zones' numbers.
func (s SubnetsState) public() []OwnSubnet  { return s.only(true) }
func (s SubnetsState) private() []OwnSubnet { return s.only(false) }

func (s SubnetsState) only(public bool) (list []OwnSubnet) {
	for _, o := range s.Own {
		if o.Public == public {
			list = append(list, o)
		}
	}
	return list
}

// block is one of the ranges of the VPC.
func (n Subnets) block(i int) string {
	bits := n.CIDR.Bits() + rangeBits
	a := n.CIDR.Masked().Addr().As4()
	at := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	at += uint32(i) << (32 - bits) //nolint:gosec // i is one of 16
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}), bits).String()
}

func (s SubnetsState) at(cidr string) (OwnSubnet, bool) {
	i := slices.IndexFunc(s.Own, func(o OwnSubnet) bool { return o.CIDR == cidr })
	if i < 0 {
		return OwnSubnet{}, false
	}
	return s.Own[i], true
}

// Read implements provision.Resource.
func (n Subnets) Read(ctx context.Context) (s SubnetsState, err error) {
	vpc, err := n.VPC.Await(ctx)
	if errors.Is(err, provision.ErrAbsent) && n.Zones.Set() { // a plan says where the subnets will be
		var unread error
		if s.zones, unread = n.Zones.Await(ctx); unread != nil {
			return s, unread
		}
	}
	if err != nil {
		return s, err
	}
	err = eachPage(ctx, ec2.NewDescribeSubnetsPaginator(n.API, &ec2.DescribeSubnetsInput{Filters: []types.Filter{filter("vpc-id", vpc.ID)}}),
		func(page *ec2.DescribeSubnetsOutput) {
			for _, o := range page.Subnets {
				sub := Subnet{ID: deref(o.SubnetId), Zone: deref(o.AvailabilityZone), CIDR: deref(o.CidrBlock)}
				if t := ec2Tags(o.Tags); t.Owner().By == n.ID.Owner() {
					sub.Public = n.isPublic(sub.CIDR)
					s.Own = append(s.Own, OwnSubnet{sub, deref(o.MapPublicIpOnLaunch), t})
				} else {
					s.Others = append(s.Others, sub)
				}
			}
		})
	if err != nil {
		return s, fmt.Errorf("read subnets: %w", err)
	}
	slices.SortFunc(s.Own, byRange)
	slices.SortFunc(s.Others, func(a, b Subnet) int { return cmp.Compare(a.ID, b.ID) })
	if n.Zones.Set() && len(n.missing(s)) > 0 {
		if s.zones, err = n.Zones.Await(ctx); err != nil {
			return s, err
		}
	}
	if len(s.Own) == 0 {
		return s, fmt.Errorf("read subnets: %w", provision.ErrAbsent)
	}
	return s, nil
}

func byRange(a, b OwnSubnet) int {
	x, _ := netip.ParsePrefix(a.CIDR)
	y, _ := netip.ParsePrefix(b.CIDR)
	return x.Addr().Compare(y.Addr())
}

func (n Subnets) missing(have SubnetsState) (list []wantSubnet) {
	for _, w := range n.want() {
		if _, ok := have.at(w.cidr); !ok {
			list = append(list, w)
		}
	}
	return list
}

// zone is the zone for a subnet: that of the environment's other subnet with the same number, or
// the first that has none yet. It is empty if there is none.
func (n Subnets) zone(have SubnetsState, w wantSubnet) string {
	zones := make([]string, n.Count)
	for _, o := range n.want() {
		if s, ok := have.at(o.cidr); ok {
			zones[o.zone] = s.Zone
		}
	}
	available, _ := n.Zones.Get()
	for i := range zones {
		for _, z := range available.Names {
			if zones[i] == "" && !slices.Contains(zones, z) {
				zones[i] = z
			}
		}
	}
	return zones[w.zone]
}

// Discover implements Discoverer.
func (n Subnets) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	err = eachPage(ctx, ec2.NewDescribeSubnetsPaginator(n.API, &ec2.DescribeSubnetsInput{Filters: []types.Filter{hasOwnerTag()}}),
		func(page *ec2.DescribeSubnetsOutput) {
			for _, o := range page.Subnets {
				list = append(list, Found{Kind: "subnet", Name: deref(o.SubnetId), Tags: ec2Tags(o.Tags)})
			}
		})
	if err != nil {
		return nil, fmt.Errorf("list subnets in %s: %w", n.ID.Region, err)
	}
	return list, nil
}

// Create implements provision.Resource.
func (n Subnets) Create(ctx context.Context) (*SubnetsState, error) {
	if _, err := n.Zones.Await(ctx); err != nil {
		return nil, err
	}
	want := n.want()
	made := SubnetsState{Own: make([]OwnSubnet, len(want))}
	err := forEach(ctx, len(want), func(ctx context.Context, i int) (err error) {
		made.Own[i], err = n.create(ctx, want[i], n.zone(SubnetsState{}, want[i]))
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(made.Own, byRange)
	return &made, nil
}

func (n Subnets) create(ctx context.Context, w wantSubnet, zone string) (s OwnSubnet, err error) {
	vpc, ok := n.VPC.Get()
	if !ok || zone == "" {
		return s, errors.New("create subnet: the VPC or the zone is not known")
	}
	tags := n.ID.Tags(n.Name + "-" + w.part)
	out, err := n.API.CreateSubnet(ctx, &ec2.CreateSubnetInput{
		VpcId: &vpc.ID, CidrBlock: &w.cidr, AvailabilityZone: &zone, TagSpecifications: ec2TagsFor(tags, types.ResourceTypeSubnet),
	}, once)
	if err != nil {
		return s, fmt.Errorf("create subnet %s in %s: %w", w.cidr, zone, err)
	}
	return OwnSubnet{Subnet: Subnet{ID: deref(deref(out.Subnet).SubnetId), Zone: zone, CIDR: w.cidr, Public: n.isPublic(w.cidr)}, Tags: tags}, nil
}

// Changes implements provision.Resource. A subnet gives out no public addresses by itself: what
// needs one asks for it.
func (n Subnets) Changes(have SubnetsState) (c []provision.Change) {
	for _, w := range n.want() {
		s, ok := have.at(w.cidr)
		if !ok {
			zone := n.zone(have, w)
			c = append(c, provision.Change{Field: "subnet", To: provision.Text(strings.TrimSuffix(w.cidr+" in "+zone, " in ") + ", " + w.kind()), Independent: true, Required: true,
				Do: func(ctx context.Context) error {
					_, err := n.create(ctx, w, zone)
					return err
				}})
			continue
		}
		c = append(c, n.tagChange(s, w)...)
		c = append(c, diffText("public addresses by default", onOff(s.AutoIP), "off", func(ctx context.Context) error {
			_, err := n.API.ModifySubnetAttribute(ctx, &ec2.ModifySubnetAttributeInput{
				SubnetId: &s.ID, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: new(false)}})
			return err
		})...)
	}
	if n.Private {
		return c
	}
	all := n
	all.Count, all.Private = firstPrivate, true
	for _, w := range all.want() { // others who use the VPC must see that they are from an earlier file
		if s, ok := have.at(w.cidr); ok && w.private() {
			c = append(c, n.tagChange(s, w)...)
		}
	}
	return c
}

func (n Subnets) tagChange(have OwnSubnet, w wantSubnet) []provision.Change {
	tags := n.ID.Tags(n.Name + "-" + w.part)
	if w.private() && !n.Private {
		tags[KeyUnused] = "on"
	}
	return tagChange(have.Tags, tags, false, ec2Tagger(n.API, have.ID))
}

// kind is "public" or "private".
func (w wantSubnet) kind() string {
	kind, _, _ := strings.Cut(w.part, "-")
	return kind
}

func (w wantSubnet) private() bool { return w.kind() == "private" }

// Validate implements provision.Validator.
func (n Subnets) Validate(have SubnetsState, _ bool) (notes []provision.Note) {
	missing := n.missing(have)
	for _, w := range missing {
		for _, o := range have.Others {
			if p, err := netip.ParsePrefix(o.CIDR); err == nil && p.Overlaps(netip.MustParsePrefix(w.cidr)) {
				notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
					"the subnet %s (%s), which was created outside flowbed, has a part of the range %s → delete it (%s)",
					o.ID, o.CIDR, w.cidr, n.ID.cli("delete-subnet", "--subnet-id %s", o.ID))})
			}
		}
	}
	if zones, ok := n.Zones.Get(); ok && slices.ContainsFunc(missing, func(w wantSubnet) bool { return n.zone(have, w) == "" }) {
		notes = append(notes, provision.Note{Severity: provision.Error, Text: zones.tooFew(n.Count)})
	}
	for _, s := range have.Own {
		if !slices.ContainsFunc(n.want(), func(w wantSubnet) bool { return w.cidr == s.CIDR }) {
			notes = append(notes, provision.Note{Text: fmt.Sprintf("%s (%s) is from an earlier config file, and stays until down deletes it", s.ID, s.CIDR)})
		}
	}
	return notes
}

// Delete implements provision.Resource.
func (n Subnets) Delete(ctx context.Context, have SubnetsState) error {
	var errs []error
	for _, s := range have.Own {
		if _, err := n.API.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &s.ID}); awserr.Gone(err) != nil {
			errs = append(errs, fmt.Errorf("delete %s: %w", s.ID, err))
		}
	}
	return errors.Join(errs...)
}

// Blockers implements provision.BlockerFinder: the interfaces in the subnets.
func (n Subnets) Blockers(ctx context.Context, have SubnetsState) []provision.Blocker {
	ids := make([]string, len(have.Own))
	for i, s := range have.Own {
		ids[i] = s.ID
	}
	list, err := interfacesIn(ctx, n.API, filter("subnet-id", ids...))
	if err != nil {
		return nil // EC2's own error must do
	}
	return interfaceBlockers(n.ID, list)
}

// Costs implements Kind.
func (Subnets) Costs() []cost.Usage { return nil }

// Permissions are what the calls need.
func (n Subnets) Permissions() Permissions {
	const example = "subnet/subnet-0123456789abcdef0"
	return Permissions{
		Read: []Permission{on("*", "ec2:DescribeSubnets")},
		Build: slices.Concat([]Permission{
			n.ID.requested(on(n.ID.ec2("subnet/*"), "ec2:CreateSubnet")).like(n.ID.ec2(example)),
			n.ID.tagged("vpc/"+exampleVPC, "ec2:CreateSubnet").composite(),
			n.ID.tagged(example, "ec2:ModifySubnetAttribute"),
		}, n.ID.tagging(example, "CreateSubnet")),
		Delete: []Permission{n.ID.tagged(example, "ec2:DeleteSubnet"), on("*", "ec2:DescribeNetworkInterfaces")},
	}
}
