package resource

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
)

// VPC is an environment's own VPC.
//
// CreateVpc has neither a client token nor a unique name. So the SDK does not repeat it, up finds
// the VPC by its tags before it creates one, and nothing is created in a VPC before EC2 shows it. If
// a lost reply has nevertheless led to a second VPC, that one is empty, and up deletes it.
type VPC struct {
	API  *ec2.Client
	ID   Identity
	Name string
	CIDR netip.Prefix // not valid for a run that only deletes
	Made *Launched    // by this run; may be nil
}

// VPCState is the actual state of a VPC.
type VPCState struct {
	ID, CIDR   string
	DNSSupport bool
	DNSNames   bool     // host names for public addresses
	Doubles    []string // the ids of empty VPCs with the same tags
	Tags       Tags

	doubt  string // if several VPCs with our tags are in use
	shared bool   // another account shares it with this one
	all    int    // how many VPCs the account has in the region, as far as Read counts them
}

var (
	_ Kind[VPCState]                    = VPC{}
	_ Discoverer                        = VPC{}
	_ provision.Validator[VPCState]     = VPC{}
	_ provision.DeleteChecker[VPCState] = VPC{}
	_ provision.BlockerFinder[VPCState] = VPC{}
	_ provision.Patient                 = VPC{}
	_ provision.DeletePatient           = VPC{}
	_ provision.DeletedAfterDependents  = VPC{}
	_ provision.Labelled                = VPCState{}
	_ provision.Named                   = VPC{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{awserr.Quota: `VpcLimitExceeded`},
	Hints: map[string]string{
		"VpcLimitExceeded": "the account is at its quota of VPCs in this region, which is 5 by default: " + moreVPCs,
	},
})

// moreVPCs is what helps if there are too many.
var moreVPCs = "delete one, " + raise("vpc", quotaVPCs) + ", or use an existing VPC: set network.vpc, or network.vpc_from"

// Label is the id of the VPC.
func (s VPCState) Label() string { return s.ID }

// Owner implements provision.State.
func (s VPCState) Owner() provision.Owner {
	o := s.Tags.Owner()
	o.Doubt = s.doubt
	return o
}

// Patience implements provision.Patient: EC2 may take minutes to show what it has created.
func (VPC) Patience() time.Duration { return appears }

// DeletePatience implements provision.DeletePatience: the interfaces in a VPC take minutes to go.
func (VPC) DeletePatience() time.Duration { return leaves }

// DeletedAfterDependents implements provision.DeletedAfterDependents.
func (VPC) DeletedAfterDependents() {}

// appears is how long EC2 may take to show a new part of a network to all its calls.
// https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
const appears = 5 * time.Minute

// once keeps the SDK from repeating a call that creates another object each time.
func once(o *ec2.Options) { o.Retryer = aws.NopRetryer{} }

// ours are filters for the EC2 objects with the environment's tags.
func (i Identity) ours() []types.Filter {
	return []types.Filter{filter("tag:"+KeyEnvironment, i.Env), filter("tag:"+KeyRegion, i.Region)}
}

// Read implements provision.Resource.
func (v VPC) Read(ctx context.Context) (s VPCState, err error) {
	filters := v.ID.ours()
	if v.CIDR.IsValid() { // to create one, look how many there are
		filters = nil
	}
	list, err := v.find(ctx, filters...)
	if err != nil {
		return s, fmt.Errorf("read VPC: %w", err)
	}
	all := len(slices.DeleteFunc(slices.Clone(list), func(s VPCState) bool { return s.shared }))
	list = slices.DeleteFunc(list, func(s VPCState) bool { return s.Tags.Owner().By != v.ID.Owner() })
	if len(list) == 0 {
		return VPCState{all: all}, fmt.Errorf("read VPC: %w", provision.ErrAbsent)
	}
	if s, err = v.choose(ctx, list); err != nil {
		return s, fmt.Errorf("read VPC: %w", err)
	}
	if v.CIDR.IsValid() {
		err = v.readDNS(ctx, &s)
	}
	return s, err
}

func (v VPC) find(ctx context.Context, filters ...types.Filter) (list []VPCState, err error) {
	pages := ec2.NewDescribeVpcsPaginator(v.API, &ec2.DescribeVpcsInput{Filters: filters})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Vpcs {
			owner := deref(o.OwnerId)
			list = append(list, VPCState{ID: deref(o.VpcId), CIDR: deref(o.CidrBlock), Tags: ec2Tags(o.Tags), shared: owner != "" && owner != v.ID.Account})
		}
	}
	slices.SortFunc(list, func(a, b VPCState) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// choose returns the VPC that is in use, with the empty ones beside it. If several are in use,
// none is certainly the environment's.
func (v VPC) choose(ctx context.Context, list []VPCState) (s VPCState, err error) {
	if len(list) == 1 {
		return list[0], nil
	}
	used := make([]bool, len(list))
	err = forEach(ctx, len(list), func(ctx context.Context, i int) error {
		c, err := v.content(ctx, list[i].ID)
		used[i] = !c.empty()
		return err
	})
	if err != nil {
		return s, err
	}
	at := max(0, slices.IndexFunc(list, func(s VPCState) bool { return v.Made.has(s.ID) }))
	if i := slices.Index(used, true); i >= 0 {
		at = i
		if slices.Contains(used[i+1:], true) {
			s.doubt = v.several(list)
			return s, provision.ErrAbsent
		}
	}
	s = list[at]
	for i, o := range list {
		if i != at {
			s.Doubles = append(s.Doubles, o.ID)
		}
	}
	return s, nil
}

func (v VPC) several(list []VPCState) string {
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.ID
	}
	return fmt.Sprintf("%s have the tags of this environment and something in them, so it is not certain which one it uses → "+
		"remove the tags of those that are not its own (%s)", strings.Join(ids, ", "),
		v.ID.cli("delete-tags", "--resources %s --tags Key=%s", ids[0], KeyEnvironment))
}

func (v VPC) readDNS(ctx context.Context, s *VPCState) error {
	read := func(name types.VpcAttributeName, into *bool) func(context.Context) error {
		return func(ctx context.Context) error {
			out, err := v.API.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: &s.ID, Attribute: name})
			if err != nil {
				return fmt.Errorf("read %s of %s: %w", name, s.ID, err)
			}
			for _, a := range []*types.AttributeBooleanValue{out.EnableDnsSupport, out.EnableDnsHostnames} {
				*into = *into || a != nil && deref(a.Value)
			}
			return nil
		}
	}
	return parallel(ctx,
		read(types.VpcAttributeNameEnableDnsSupport, &s.DNSSupport),
		read(types.VpcAttributeNameEnableDnsHostnames, &s.DNSNames),
	)
}

// Discover implements Discoverer.
func (v VPC) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	found, err := v.find(ctx, hasOwnerTag())
	if err != nil {
		return nil, fmt.Errorf("list VPCs in %s: %w", v.ID.Region, err)
	}
	for _, s := range found {
		list = append(list, Found{Kind: "VPC", Name: s.ID, Tags: s.Tags})
	}
	return list, nil
}

// Create implements provision.Resource. It does not return a state: other steps wait until EC2
// shows the VPC, so that a run that follows a killed one finds it if there is anything in it.
func (v VPC) Create(ctx context.Context) (*VPCState, error) {
	cidr := v.CIDR.String()
	out, err := v.API.CreateVpc(ctx, &ec2.CreateVpcInput{
		CidrBlock: &cidr, TagSpecifications: ec2TagsFor(marked(ctx, v.ID.Tags(v.Name)), types.ResourceTypeVpc),
	}, once)
	if err != nil {
		return nil, fmt.Errorf("create VPC: %w", err)
	}
	v.Made.add(deref(deref(out.Vpc).VpcId))
	return nil, nil
}

// Changes implements provision.Resource. The endpoints of AWS's services need both DNS settings.
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html
func (v VPC) Changes(have VPCState) []provision.Change {
	c := tagChange(have.Tags, v.ID.Tags(v.Name), false, ec2Tagger(v.API, have.ID))
	if have.ID == "" {
		return append(c, provision.Change{Field: "cidr", To: provision.Text(v.CIDR.String())},
			provision.Change{Field: "dns hostnames", To: provision.Text("on")})
	}
	c = append(c, diffText("dns support", onOff(have.DNSSupport), "on", v.modify(have.ID, &ec2.ModifyVpcAttributeInput{
		EnableDnsSupport: &types.AttributeBooleanValue{Value: new(true)}}))...)
	c = append(c, diffText("dns hostnames", onOff(have.DNSNames), "on", v.modify(have.ID, &ec2.ModifyVpcAttributeInput{
		EnableDnsHostnames: &types.AttributeBooleanValue{Value: new(true)}}))...)
	for _, id := range have.Doubles {
		c = append(c, provision.Change{Field: "double", From: provision.Text(id), Why: "a second, empty VPC of this environment",
			Do: func(ctx context.Context) error { return v.delete(ctx, id) }})
	}
	return c
}

// modify sets one attribute: EC2 accepts only one a call.
func (v VPC) modify(id string, in *ec2.ModifyVpcAttributeInput) doFunc {
	in.VpcId = &id
	return func(ctx context.Context) error {
		_, err := v.API.ModifyVpcAttribute(ctx, in)
		return err
	}
}

// Validate implements provision.Validator. EC2 cannot change the range of a VPC.
func (v VPC) Validate(have VPCState, found bool) []provision.Note {
	switch {
	case !found && have.doubt == "":
		return full("VPCs", moreVPCs, have.all, 1)
	case !found, have.CIDR == v.CIDR.String():
		return nil
	}
	return []provision.Note{{Severity: provision.Error, Text: fmt.Sprintf(
		"%s has the range %s, which EC2 cannot change, but the config file has %s → set network.cidr to %s, or run `flowbed down` first",
		have.ID, have.CIDR, v.CIDR, have.CIDR)}}
}

// Delete implements provision.Resource.
func (v VPC) Delete(ctx context.Context, have VPCState) error {
	for _, id := range append(slices.Clone(have.Doubles), have.ID) {
		if err := v.delete(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (v VPC) delete(ctx context.Context, id string) error {
	_, err := v.API.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &id})
	return awserr.Gone(err)
}

// ec2Tagger changes the tags of an EC2 object.
func ec2Tagger(api *ec2.Client, id string) tagger {
	return tagger{
		set: func(ctx context.Context, t Tags) error {
			_, err := api.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: tagList(t, ec2Tag)})
			return err
		},
		drop: func(ctx context.Context, keys []string) error { return dropEC2Tags(ctx, api, []string{id}, keys) },
	}
}

// Look is what a run needs to see whether there is a VPC.
func (VPC) Look() Permissions { return looking("ec2:DescribeVpcs") }

// looking are the permissions to see whether there is something.
func looking(action string) Permissions {
	return Permissions{Read: []Permission{on("*", action)}}
}

// Costs implements Kind.
func (VPC) Costs() []cost.Usage { return nil }

// Permissions are what the calls need.
func (v VPC) Permissions() Permissions {
	const example = "vpc/" + exampleVPC
	remove := []Permission{v.ID.tagged(example, "ec2:DeleteVpc")}
	read := []Permission{on("*", "ec2:DescribeVpcs"), readContent()}
	if v.CIDR.IsValid() { // not for down
		read = append(read, v.ID.tagged(example, "ec2:DescribeVpcAttribute"))
	}
	return Permissions{
		Read: read,
		Build: slices.Concat([]Permission{
			v.ID.requested(on(v.ID.ec2("vpc/*"), "ec2:CreateVpc")).like(v.ID.ec2(example)),
			v.ID.tagged(example, "ec2:ModifyVpcAttribute"),
		}, remove, v.ID.tagging(example, "CreateVpc")),
		Delete: remove,
	}
}
