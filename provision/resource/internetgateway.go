package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
)

// InternetGateway is the internet gateway of an environment's own VPC. CreateInternetGateway has
// neither a client token nor a unique name: see VPC. A second gateway is attached to nothing, and up
// deletes it.
type InternetGateway struct {
	API  *ec2.Client
	ID   Identity
	Name string
	VPC  provision.Ref[VPCState]
	Made *Launched // by this run; may be nil
}

// InternetGatewayState is the actual state of an internet gateway.
type InternetGatewayState struct {
	ID      string
	VPC     string   // to which it is attached; may be empty
	Doubles []string // the ids of others with the same tags, which are attached to nothing
	Tags    Tags

	doubt string // about the VPC
}

var (
	_ Kind[InternetGatewayState]                    = InternetGateway{}
	_ Discoverer                                    = InternetGateway{}
	_ provision.BlockerFinder[InternetGatewayState] = InternetGateway{}
	_ provision.Patient                             = InternetGateway{}
	_ provision.DeletePatient                       = InternetGateway{}
	_ provision.DeletedAfterDependents              = InternetGateway{}
	_ provision.Labelled                            = InternetGatewayState{}
	_ provision.Named                               = InternetGateway{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:   `InvalidInternetGatewayID.NotFound InvalidInternetGatewayId.NotFound Gateway.NotAttached`,
		awserr.Conflict: `Resource.AlreadyAssociated`,
		awserr.Quota:    `InternetGatewayLimitExceeded`,
	},
	Hints: map[string]string{
		"InternetGatewayLimitExceeded": "the account is at its quota of internet gateways in this region (L-A4707A72), which is that of VPCs, 5 by default: delete one, or " + raise("vpc", quotaVPCs),
	},
})

// Label is the id of the gateway.
func (s InternetGatewayState) Label() string { return s.ID }

// Owner implements provision.State.
func (s InternetGatewayState) Owner() provision.Owner {
	o := s.Tags.Owner()
	o.Doubt = s.doubt
	return o
}

// Patience implements provision.Patient.
func (InternetGateway) Patience() time.Duration { return appears }

// DeletePatience implements provision.DeletePatience: EC2 does not detach a gateway as long as a
// public address in the VPC is in use.
func (InternetGateway) DeletePatience() time.Duration { return leaves }

// DeletedAfterDependents implements provision.DeletedAfterDependents.
func (InternetGateway) DeletedAfterDependents() {}

// Read implements provision.Resource. Of several gateways with our tags, it is the attached one. A
// gateway outlasts its VPC, so it is looked for without it.
func (g InternetGateway) Read(ctx context.Context) (s InternetGatewayState, err error) {
	list, err := g.find(ctx, g.ID.ours()...)
	if err != nil {
		return s, fmt.Errorf("read internet gateway: %w", err)
	}
	vpc, err := g.VPC.Await(ctx)
	if err != nil && (!errors.Is(err, provision.ErrAbsent) || vpc.doubt != "") {
		s.doubt = vpc.doubt
		return s, err
	}
	list = slices.DeleteFunc(list, func(s InternetGatewayState) bool { return s.Tags.Owner().By != g.ID.Owner() })
	if len(list) == 0 {
		return s, fmt.Errorf("read internet gateway: %w", provision.ErrAbsent)
	}
	at := max(0, slices.IndexFunc(list, func(s InternetGatewayState) bool { return g.Made.has(s.ID) }))
	if i := slices.IndexFunc(list, func(s InternetGatewayState) bool { return s.VPC != "" }); i >= 0 {
		at = i
	}
	s = list[at]
	for i, o := range list {
		if i != at && o.VPC == "" {
			s.Doubles = append(s.Doubles, o.ID)
		}
	}
	return s, nil
}

func (g InternetGateway) find(ctx context.Context, filters ...types.Filter) (list []InternetGatewayState, err error) {
	pages := ec2.NewDescribeInternetGatewaysPaginator(g.API, &ec2.DescribeInternetGatewaysInput{Filters: filters})
	err = eachPage(ctx, pages, func(page *ec2.DescribeInternetGatewaysOutput) {
		for _, o := range page.InternetGateways {
			s := InternetGatewayState{ID: deref(o.InternetGatewayId), Tags: ec2Tags(o.Tags)}
			for _, a := range o.Attachments {
				s.VPC = deref(a.VpcId)
			}
			list = append(list, s)
		}
	})
	slices.SortFunc(list, func(a, b InternetGatewayState) int { return cmp.Compare(a.ID, b.ID) })
	return list, err
}

// Discover implements Discoverer.
func (g InternetGateway) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	found, err := g.find(ctx, hasOwnerTag())
	if err != nil {
		return nil, fmt.Errorf("list internet gateways in %s: %w", g.ID.Region, err)
	}
	for _, s := range found {
		list = append(list, Found{Kind: "internet gateway", Name: s.ID, Tags: s.Tags})
	}
	return list, nil
}

// Create implements provision.Resource. Up attaches the gateway when EC2 shows it.
func (g InternetGateway) Create(ctx context.Context) (*InternetGatewayState, error) {
	out, err := g.API.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{
		TagSpecifications: ec2TagsFor(g.ID.Tags(g.Name), types.ResourceTypeInternetGateway),
	}, once)
	if err != nil {
		return nil, fmt.Errorf("create internet gateway: %w", err)
	}
	g.Made.add(deref(deref(out.InternetGateway).InternetGatewayId))
	return nil, nil
}

// Changes implements provision.Resource.
func (g InternetGateway) Changes(have InternetGatewayState) []provision.Change {
	c := tagChange(have.Tags, g.ID.Tags(g.Name), false, ec2Tagger(g.API, have.ID))
	want, known := g.VPC.Get()
	if !known || have.VPC != want.ID {
		c = append(c, provision.Change{Field: "vpc", From: provision.Text(have.VPC), Required: true,
			To: provision.Of(g.VPC, func(s VPCState) string { return s.ID }), Do: g.move(have, want.ID)})
	}
	for _, id := range have.Doubles {
		c = append(c, provision.Change{Field: "double", From: provision.Text(id), Why: "a second gateway of this environment, which is attached to nothing",
			Do: func(ctx context.Context) error { return g.delete(ctx, id) }})
	}
	return c
}

// move attaches the gateway to a VPC.
func (g InternetGateway) move(have InternetGatewayState, vpc string) doFunc {
	return func(ctx context.Context) error {
		if have.VPC != "" {
			if err := g.detach(ctx, have); err != nil {
				return err
			}
		}
		_, err := g.API.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: &have.ID, VpcId: &vpc})
		if err != nil {
			return fmt.Errorf("attach %s to %s: %w", have.ID, vpc, err)
		}
		return nil
	}
}

func (g InternetGateway) detach(ctx context.Context, have InternetGatewayState) error {
	_, err := g.API.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &have.ID, VpcId: &have.VPC})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("detach %s from %s: %w", have.ID, have.VPC, err)
	}
	return nil
}

// Delete implements provision.Resource.
func (g InternetGateway) Delete(ctx context.Context, have InternetGatewayState) error {
	for _, id := range have.Doubles {
		if err := g.delete(ctx, id); err != nil {
			return err
		}
	}
	if have.VPC != "" {
		if err := g.detach(ctx, have); err != nil {
			return err
		}
	}
	return g.delete(ctx, have.ID)
}

func (g InternetGateway) delete(ctx context.Context, id string) error {
	_, err := g.API.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &id})
	return awserr.Gone(err)
}

// Blockers implements provision.BlockerFinder: the interfaces with public addresses.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachInternetGateway.html
func (g InternetGateway) Blockers(ctx context.Context, have InternetGatewayState) []provision.Blocker {
	if have.VPC == "" {
		return nil
	}
	list, err := interfacesIn(ctx, g.API, filter("vpc-id", have.VPC))
	if err != nil {
		return nil // EC2's own error must do
	}
	return interfaceBlockers(g.ID, slices.DeleteFunc(list, func(n types.NetworkInterface) bool {
		return deref(deref(n.Association).PublicIp) == ""
	}))
}

// Look is what a run needs to see whether there is a gateway: it outlasts its VPC.
func (InternetGateway) Look() Permissions { return looking("ec2:DescribeInternetGateways") }

// Costs implements Kind: AWS bills what goes through it.
func (InternetGateway) Costs() []cost.Usage { return nil }

// Permissions are what the calls need.
func (g InternetGateway) Permissions() Permissions {
	const example = "internet-gateway/igw-0123456789abcdef0"
	remove := []Permission{
		g.ID.tagged(example, "ec2:DetachInternetGateway").like(g.ID.ec2(example), g.ID.ec2("vpc/"+exampleVPC)),
		g.ID.tagged(example, "ec2:DeleteInternetGateway"),
	}
	return Permissions{
		Read: []Permission{on("*", "ec2:DescribeInternetGateways")},
		Build: slices.Concat([]Permission{
			// From whatever VPC somebody has attached it to. The gateway itself must be ours.
			on(g.ID.ec2("vpc/*"), "ec2:DetachInternetGateway").like(g.ID.ec2("vpc/" + exampleVPC)).composite(),
			g.ID.requested(on(g.ID.ec2("internet-gateway/*"), "ec2:CreateInternetGateway")).like(g.ID.ec2(example)),
			g.ID.tagged(example, "ec2:AttachInternetGateway").like(g.ID.ec2(example), g.ID.ec2("vpc/"+exampleVPC)),
		}, remove, g.ID.tagging(example, "CreateInternetGateway")),
		Delete: slices.Concat(remove, []Permission{on("*", "ec2:DescribeNetworkInterfaces")}),
	}
}
