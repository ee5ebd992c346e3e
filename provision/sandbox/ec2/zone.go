package ec2

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() { core.Register(service, describeAvailabilityZones, core.Anything) }

// describeAvailabilityZones shows the zones of the region. Without AllAvailabilityZones, EC2 leaves
// out the zones at the edge to which the account has not opted in.
func describeAvailabilityZones(r *request, in *ec2.DescribeAvailabilityZonesInput) (*ec2.DescribeAvailabilityZonesOutput, error) {
	out := &ec2.DescribeAvailabilityZonesOutput{}
	for i, name := range zones(r.Region) {
		id := zoneID(r.Region, i)
		ok, err := matches(in.Filters, nil, map[string][]string{
			"zone-name": {name}, "zone-id": {id}, "region-name": {r.Region}, "state": {"available"},
			"zone-type": {"availability-zone"}, "opt-in-status": {"opt-in-not-required"},
		})
		if err != nil {
			return nil, err
		}
		if ok {
			out.AvailabilityZones = append(out.AvailabilityZones, types.AvailabilityZone{
				ZoneName: &name, ZoneId: &id, RegionName: &r.Region, State: types.AvailabilityZoneStateAvailable,
				ZoneType: aws.String("availability-zone"), OptInStatus: types.AvailabilityZoneOptInStatusOptInNotRequired,
			})
		}
	}
	return out, nil
}

// zoneID is the id of a region's zone, which is the same in all accounts. The names of the zones
// are those of this account.
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/az-ids.html
func zoneID(region string, i int) string {
	return shortRegion.Replace(region) + "-az" + string(rune('1'+i))
}

var shortRegion = strings.NewReplacer("northeast", "ne", "northwest", "nw", "southeast", "se", "southwest", "sw",
	"north", "n", "south", "s", "east", "e", "west", "w", "central", "c", "gov", "g", "-", "")
