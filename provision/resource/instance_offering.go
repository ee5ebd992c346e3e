package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
)

// Offering reads what EC2 offers for a launch. It is read only if there is an instance to
// launch.
type Offering struct {
	API   *ec2.Client
	Type  string
	Image provision.Ref[ImageState]
}

// OfferingState tells which zones offer the instance type, and the root device of the
// image. Some regions do not offer a type, and others offer it only in some zones.
type OfferingState struct {
	known        bool // zones is complete
	zones        []string
	alternatives []string // types that are free for new accounts, if no zone offers the type

	device    string // the image's root device
	deviceErr error  // why device is unknown
}

// offers reports whether a zone offers the type. It returns true if that is unknown.
func (o OfferingState) offers(zone string) bool { return !o.known || slices.Contains(o.zones, zone) }

// Read implements provision.DataSource.
func (o Offering) Read(ctx context.Context) (s OfferingState, err error) {
	var device string
	var deviceErr error
	err = parallel(ctx, func(ctx context.Context) error {
		s = o.zones(ctx)
		return nil
	}, func(ctx context.Context) error {
		device, deviceErr = o.rootDevice(ctx)
		return nil
	})
	s.device, s.deviceErr = device, deviceErr
	return s, err
}

// Permissions are what the calls need.
func (Offering) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeImages", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes")}}
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
	if len(out.Images) == 0 || deref(out.Images[0].RootDeviceName) == "" {
		return "", fmt.Errorf("AMI %s does not exist in this region, or has no root device → correct agent.image", image.ID)
	}
	return *out.Images[0].RootDeviceName, nil
}

// zones returns the zones that offer the type. It ignores errors: without this answer,
// the launch itself fails if the type is not available.
func (o Offering) zones(ctx context.Context) (s OfferingState) {
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(o.API, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZone, Filters: []types.Filter{filter("instance-type", o.Type)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return OfferingState{}
		}
		for _, z := range page.InstanceTypeOfferings {
			s.zones = append(s.zones, deref(z.Location))
		}
	}
	slices.Sort(s.zones)
	s.known = true
	if len(s.zones) == 0 {
		s.alternatives = o.freeTypes(ctx)
	}
	return s
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
	}
	newest, ok := i.Image.Get()
	current, found := i.current(have)
	if ok && found && current.ImageID != newest.ID {
		notes = append(notes, provision.Note{Severity: provision.Info, Text: fmt.Sprintf(
			"runs AMI %s; the newest %s AMI is %s, which the next replacement will use", current.ImageID, i.ImageName, newest.ID)})
	}
	return notes
}

// unavailable tells that the type is not available, and what to use instead. It is empty
// if the type is available.
func (i Instance) unavailable(o OfferingState) string {
	switch n, ok := i.Network.Get(); {
	case !o.known:
		return ""
	case len(o.zones) == 0:
		s := fmt.Sprintf("%s is not available in %s → set agent.instance_type", i.Type, i.ID.Region)
		if len(o.alternatives) > 0 {
			s += ", for example to a type that is free for new accounts in this region: " + strings.Join(o.alternatives, ", ")
		}
		return s
	case ok && !slices.ContainsFunc(n.Subnets, func(s Subnet) bool { return o.offers(s.Zone) }):
		return fmt.Sprintf("%s is available in %s, but the subnets are in other zones → set network.subnets or agent.instance_type",
			i.Type, strings.Join(o.zones, ", "))
	}
	return ""
}
