package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/freetier"
)

// Offering reads what EC2 offers for a launch. It is read only if there is an instance to
// launch.
type Offering struct {
	API      *ec2.Client
	FreeTier *freetier.Client // nil where there is no such service
	Type     string
	Image    provision.Ref[ImageState]
	Key      DefaultVolumeKey // unset if the file names the key of the volume
}

// OfferingState tells which zones offer the instance type, and the root device of the
// image. Some regions do not offer a type, and others offer it only in some zones.
type OfferingState struct {
	known    bool // zones is complete
	zones    []string
	free     []string // types of the same architecture that the free plan includes
	freePlan bool     // the account is on the free plan, so EC2 launches no others

	device    string // the image's root device
	deviceErr error  // why device is unknown

	key      string // a customer's key that encrypts the volume although the file names none
	keyNotes []provision.Note
}

// offers reports whether a zone offers the type. It returns true if that is unknown.
func (o OfferingState) offers(zone string) bool { return !o.known || slices.Contains(o.zones, zone) }

// Read implements provision.DataSource.
func (o Offering) Read(ctx context.Context) (s OfferingState, err error) {
	_ = parallel(ctx, // none of them fails
		func(ctx context.Context) error { s.zones, s.known = o.zones(ctx); return nil },
		func(ctx context.Context) error { s.device, s.deviceErr = o.rootDevice(ctx); return nil },
		func(ctx context.Context) error { s.free = o.freeTypes(ctx); return nil },
		func(ctx context.Context) error { s.freePlan = o.onFreePlan(ctx); return nil },
		func(ctx context.Context) error { s.key, s.keyNotes = o.Key.Look(ctx); return nil },
	)
	return s, nil
}

// onFreePlan reports whether the account is on the free plan. It returns false if AWS does
// not say: an account may be older than the plans, and the caller may lack the permission.
func (o Offering) onFreePlan(ctx context.Context) bool {
	if o.FreeTier == nil {
		return false
	}
	out, err := o.FreeTier.GetAccountPlanState(ctx, &freetier.GetAccountPlanStateInput{})
	return err == nil && out.AccountPlanType == freetier.Free
}

// Permissions are what the calls need.
func (Offering) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeImages", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes",
		"ec2:GetEbsDefaultKmsKeyId", // also of a file with a key, which may go
		"freetier:GetAccountPlanState")}}
}

// rootDevice is the device from which the image boots. A block device mapping with any
// other name would create a second volume.
func (o Offering) rootDevice(ctx context.Context) (string, error) {
	image, err := o.Image.Await(ctx)
	if err != nil {
		return "", fmt.Errorf("launch: the AMI is not known: %w", err)
	}
	out, err := o.API.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{image.ID}})
	if err != nil {
		return "", fmt.Errorf("read image: %w", err)
	}
	var device string
	if len(out.Images) > 0 {
		device = deref(out.Images[0].RootDeviceName)
	}
	if device == "" {
		return "", fmt.Errorf("AMI %s does not exist in this region, or has no root device → correct agent.image", image.ID)
	}
	return device, nil
}

// zones returns the zones that offer the type. It ignores errors: without this answer,
// the launch itself fails if the type is not available.
func (o Offering) zones(ctx context.Context) (zones []string, known bool) {
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(o.API, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZone, Filters: []types.Filter{filter("instance-type", o.Type)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false
		}
		for _, z := range page.InstanceTypeOfferings {
			zones = append(zones, deref(z.Location))
		}
	}
	slices.Sort(zones)
	return zones, true
}

// freeTypes returns the types of the same architecture that are free for new accounts in
// this region. It returns none if the call fails.
func (o Offering) freeTypes(ctx context.Context) (names []string) {
	pages := ec2.NewDescribeInstanceTypesPaginator(o.API, &ec2.DescribeInstanceTypesInput{Filters: []types.Filter{
		filter("free-tier-eligible", "true"), filter("processor-info.supported-architecture", architecture(o.Type)),
	}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return names
		}
		for _, t := range page.InstanceTypes {
			names = append(names, string(t.InstanceType))
		}
	}
	slices.Sort(names)
	return names
}

// Validate implements provision.Validator.
func (i Instance) Validate(have InstanceState, _ bool) (notes []provision.Note) {
	if text := i.unavailable(have.offering); text != "" {
		notes = append(notes, provision.Note{Severity: provision.Error, Text: text})
	} else if o := have.offering; o.freePlan && len(o.free) > 0 && !slices.Contains(o.free, i.Type) {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(
			"this account is on AWS's free plan, which does not include %s, so EC2 will refuse to launch it → %s", i.Type, included(o.free))})
	}
	notes = append(notes, have.offering.keyNotes...)
	newest, ok := i.Image.Get()
	current, found := i.current(have)
	if live := have.live(); !found && len(live) > 0 {
		if text := i.mismatch(live[len(live)-1]); text != "" {
			notes = append(notes, provision.Note{Severity: provision.Error, Text: text})
		}
	}
	if ok && found && current.ImageID != newest.ID && !i.ignored.Has(fieldImage) {
		notes = append(notes, provision.Note{Severity: provision.Info, Text: fmt.Sprintf(
			"runs AMI %s; the newest %s AMI is %s, which the next replacement will use", current.ImageID, i.ImageName, newest.ID)})
	}
	n, _ := i.Network.Get()
	return append(append(notes, n.cutOff()...), have.beside()...)
}

// included is the line of the file that cures a type outside the free plan.
func included(free []string) string {
	example := free[0]
	if i := slices.IndexFunc(free, func(t string) bool { return strings.HasSuffix(t, ".micro") }); i >= 0 {
		example = free[i]
	}
	return fmt.Sprintf("set the type in the file: agent { instance_type = %q }; the free plan includes %s", example, strings.Join(free, ", "))
}

// unavailable tells that the type is not available, and what to use instead. It is empty
// if the type is available.
func (i Instance) unavailable(o OfferingState) string {
	switch n, ok := i.Network.Get(); {
	case !o.known:
		return ""
	case len(o.zones) == 0:
		s := fmt.Sprintf("%s is not available in %s → set agent.instance_type", i.Type, i.ID.Region)
		if len(o.free) > 0 {
			s += ", for example to a type that is free for new accounts in this region: " + strings.Join(o.free, ", ")
		}
		return s
	case ok && !slices.ContainsFunc(n.Subnets, func(s Subnet) bool { return o.offers(s.Zone) }):
		return fmt.Sprintf("%s is available in %s, but the subnets are in other zones → set network.subnets or agent.instance_type",
			i.Type, strings.Join(o.zones, ", "))
	}
	return ""
}
