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

// Zones reads in which zones of the region an environment can have subnets. It is read only if
// there is a subnet to create.
type Zones struct {
	API  *ec2.Client
	ID   Identity
	Type string // of the agent's instance; empty if there is none
}

// ZonesState is the answer.
type ZonesState struct {
	Names []string // in sorted order
}

var _ provision.DataSource[ZonesState] = Zones{}

// fargateZones are the ids of the zones with Fargate, in the regions where not all zones have it. The
// names of zones differ between accounts, their ids do not. As of November 2026:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html
var fargateZones = map[string][]string{
	"ap-northeast-1": {"apne1-az1", "apne1-az2", "apne1-az4"},
	"us-west-1":      {"usw1-az1", "usw1-az3"},
}

// Read implements provision.DataSource.
func (z Zones) Read(ctx context.Context) (s ZonesState, err error) {
	var list []types.AvailabilityZone
	var offered []string
	known := false
	err = parallel(ctx,
		func(ctx context.Context) error {
			out, err := z.API.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
			if err != nil {
				return fmt.Errorf("read availability zones: %w", err)
			}
			list = out.AvailabilityZones
			return nil
		},
		func(ctx context.Context) error {
			if z.Type != "" {
				offered, known = Offering{API: z.API, Type: z.Type}.zones(ctx)
			}
			return nil
		},
	)
	for _, a := range list {
		name := deref(a.ZoneName)
		if z.suits(a) && (!known || slices.Contains(offered, name)) {
			s.Names = append(s.Names, name)
		}
	}
	slices.Sort(s.Names)
	return s, err
}

// suits reports whether a zone is one of the region itself, is available, and has Fargate.
func (z Zones) suits(a types.AvailabilityZone) bool {
	return a.State == types.AvailabilityZoneStateAvailable && zoneOfRegion.MatchString(deref(a.ZoneName)) &&
		(a.OptInStatus == "" || a.OptInStatus == types.AvailabilityZoneOptInStatusOptInNotRequired) &&
		HasFargate(z.ID.Region, deref(a.ZoneId))
}

// HasFargate reports whether a zone of a region has Fargate, given the zone's id.
func HasFargate(region, zone string) bool {
	ids, some := fargateZones[region]
	return !some || slices.Contains(ids, zone)
}

// tooFew tells why there are not enough zones.
func (z ZonesState) tooFew(count int) string {
	return fmt.Sprintf("network.zones is %d, but only %d zones of the region have Fargate and the agent's instance type (%s) → "+
		"set network.zones to a smaller number, or set agent.instance_type", count, len(z.Names), strings.Join(z.Names, ", "))
}

// Permissions are what the calls need.
func (Zones) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeAvailabilityZones", "ec2:DescribeInstanceTypeOfferings")}}
}
