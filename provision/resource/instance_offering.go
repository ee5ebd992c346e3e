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

// Offer is what EC2 has to launch an instance from. It is asked for only where
// there is one to launch.
type Offer struct {
	API   *ec2.Client
	Type  string
	Image provision.Ref[ImageState]
}

// OfferState says where an instance type is sold, and what the image needs. Not
// every type is sold in every region, nor in every zone of a region that has it.
type OfferState struct {
	known   bool
	zones   []string
	instead []string // what a new account may use for free, if no zone sells the type

	device    string // the image's root device
	deviceErr error  // why it is not known
}

// sells reports whether a zone has the type; true as long as nothing is known.
func (o OfferState) sells(zone string) bool { return !o.known || slices.Contains(o.zones, zone) }

// Read implements provision.DataSource.
func (o Offer) Read(ctx context.Context) (s OfferState, err error) {
	var device string
	var deviceErr error
	err = atOnce(ctx, func(ctx context.Context) error {
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
func (Offer) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeImages", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes")}}
}

// rootDevice is the device that the image boots from: a mapping under any other
// name would be a second volume, which nobody ends.
func (o Offer) rootDevice(ctx context.Context) (string, error) {
	image, err := o.Image.Await(ctx)
	if err != nil {
		return "", fmt.Errorf("launch: the image is not known: %w", err)
	}
	out, err := o.API.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{image.ID}})
	if err != nil {
		return "", fmt.Errorf("read image: %w", err)
	}
	if len(out.Images) == 0 || deref(out.Images[0].RootDeviceName) == "" {
		return "", fmt.Errorf("the image %s does not exist in this region, or has no root device", image.ID)
	}
	return *out.Images[0].RootDeviceName, nil
}

// zones asks where the type is sold. It is advice: if the question is not allowed,
// the launch itself will tell.
func (o Offer) zones(ctx context.Context) (s OfferState) {
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(o.API, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZone, Filters: []types.Filter{filter("instance-type", o.Type)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return OfferState{}
		}
		for _, z := range page.InstanceTypeOfferings {
			s.zones = append(s.zones, deref(z.Location))
		}
	}
	slices.Sort(s.zones)
	s.known = true
	if len(s.zones) == 0 {
		s.instead = o.freeTypes(ctx)
	}
	return s
}

// freeTypes are the types of the same architecture that are free for a new
// account in this region; none if that cannot be told.
func (o Offer) freeTypes(ctx context.Context) (names []string) {
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
	if text := i.unsold(have.offer); text != "" {
		notes = append(notes, provision.Note{Severity: provision.Error, Text: text})
	}
	newest, ok := i.Image.Get()
	current, found := i.current(have)
	if ok && found && current.ImageID != newest.ID {
		notes = append(notes, provision.Note{Severity: provision.Info, Text: fmt.Sprintf(
			"runs %s; the newest %s image is %s, which the next replacement will use", current.ImageID, i.ImageName, newest.ID)})
	}
	return notes
}

// unsold says that the type cannot be had, and what can; empty if it can.
func (i Instance) unsold(o OfferState) string {
	switch n, ok := i.Network.Get(); {
	case !o.known:
		return ""
	case len(o.zones) == 0:
		s := fmt.Sprintf("%s is not offered in %s: set agent.instance_type to a type that is", i.Type, i.ID.Region)
		if len(o.instead) > 0 {
			s += "; free for new accounts there: " + strings.Join(o.instead, ", ")
		}
		return s
	case ok && !slices.ContainsFunc(n.Subnets, func(s Subnet) bool { return o.sells(s.Zone) }):
		return fmt.Sprintf("%s is offered in %s, but the environment's subnets are in other zones: set network.subnets or agent.instance_type",
			i.Type, strings.Join(o.zones, ", "))
	}
	return ""
}
