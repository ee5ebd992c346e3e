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

// offer says where an instance type is sold. Not every type is sold in every
// region, nor in every zone of a region that has it.
type offer struct {
	known   bool
	zones   []string
	instead []string // what a new account may use for free, if no zone sells the type
}

// sells reports whether a zone has the type; true as long as nothing is known.
func (o offer) sells(zone string) bool { return !o.known || slices.Contains(o.zones, zone) }

// readOffer asks where the type is sold. It is advice: if the question is not
// allowed, the launch itself will tell.
func (i Instance) readOffer(ctx context.Context) (o offer) {
	if i.Type == "" {
		return o
	}
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(i.API, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZone, Filters: []types.Filter{filter("instance-type", i.Type)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return offer{}
		}
		for _, z := range page.InstanceTypeOfferings {
			o.zones = append(o.zones, deref(z.Location))
		}
	}
	slices.Sort(o.zones)
	o.known = true
	if len(o.zones) == 0 {
		o.instead = i.freeTypes(ctx)
	}
	return o
}

// freeTypes are the types of the same architecture that are free for a new
// account in this region; none if that cannot be told.
func (i Instance) freeTypes(ctx context.Context) (names []string) {
	pages := ec2.NewDescribeInstanceTypesPaginator(i.API, &ec2.DescribeInstanceTypesInput{Filters: []types.Filter{
		filter("free-tier-eligible", "true"), filter("processor-info.supported-architecture", architecture(i.Type)),
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
func (i Instance) unsold(o offer) string {
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
