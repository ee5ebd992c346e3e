package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/resource"
)

// zoneTask is a task in the default subnet of a zone.
type zoneTask struct {
	zone, subnet string // the zone's id
	arn          string
	refused      error
}

// askZones runs a task in each zone that has a default subnet. Zones are compared by their ids: their
// names differ between accounts.
func askZones(ctx context.Context, r *run) (answer, error) {
	if err := r.makeCluster(ctx); err != nil {
		return answer{}, err
	}
	all, err := r.zoneTasks(ctx)
	if err != nil {
		return answer{}, err
	}
	cluster := r.object("probe")
	for i := range all {
		all[i].arn, all[i].refused = r.startIn(ctx, cluster, r.object("other"), []string{all[i].subnet})
	}
	as, said := true, []string{}
	for _, z := range all {
		ran, what := false, "RunTask "+codeOf(z.refused)
		if z.refused == nil {
			stopped, err := r.end(ctx, cluster, z.arn)
			if err != nil {
				return answer{}, fmt.Errorf("wait for the task in %s: %w", z.zone, err)
			}
			ran = len(stopped.Containers) > 0 && stopped.Containers[0].ExitCode != nil
			if what = "a task ran"; !ran {
				what = "its task stopped: " + aws.ToString(stopped.StoppedReason)
			}
		}
		as = as && ran == resource.HasFargate(r.Region, z.zone)
		said = append(said, z.zone+": "+what)
	}
	return judged(as, "%s", strings.Join(said, "; "))
}

// zoneTasks are the zones with a default subnet.
func (r *run) zoneTasks(ctx context.Context) (all []zoneTask, err error) {
	zones, err := r.ec2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	if err != nil {
		return nil, fmt.Errorf("read availability zones: %w", err)
	}
	subnets, err := r.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{{Name: aws.String("default-for-az"), Values: []string{"true"}}}})
	if err != nil {
		return nil, fmt.Errorf("find the default subnets: %w", err)
	}
	for _, s := range subnets.Subnets {
		i := slices.IndexFunc(zones.AvailabilityZones, func(z ec2types.AvailabilityZone) bool {
			return aws.ToString(z.ZoneName) == aws.ToString(s.AvailabilityZone)
		})
		if i >= 0 {
			all = append(all, zoneTask{zone: aws.ToString(zones.AvailabilityZones[i].ZoneId), subnet: aws.ToString(s.SubnetId)})
		}
	}
	slices.SortFunc(all, func(a, b zoneTask) int { return strings.Compare(a.zone, b.zone) })
	return all, nil
}
