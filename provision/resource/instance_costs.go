package resource

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/cost"
)

// Costs implements Kind: AWS bills the instance, its volume and its public address.
func (i Instance) Costs() []cost.Usage {
	list := []cost.Usage{cost.Instance(i.Type), cost.Volume(i.VolumeGiB)}
	if i.Public != nil && i.Public() {
		list = append(list, cost.Addresses(1))
	}
	return list
}

// costs are those of an instance as it is. While it is stopped, AWS bills its volumes only.
func (m EC2Instance) costs(sizes map[string]int) (list []cost.Usage) {
	if m.State == "pending" || m.State == "running" {
		list = append(list, cost.Instance(m.Type))
	}
	for _, v := range m.Volumes {
		if size, ok := sizes[v]; ok {
			list = append(list, cost.Volume(size))
		} else {
			list = append(list, cost.Unpriced("volume "+v))
		}
	}
	if m.PublicIP != "" {
		list = append(list, cost.Addresses(1))
	}
	return list
}

// maxFilterValues is how many values a filter of EC2 may have:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
const maxFilterValues = 200

// volumeSizes returns the sizes in GiB of the volumes of instances. It leaves out those that it
// cannot read: that a caller may not read volumes must not hide the instances.
func (i Instance) volumeSizes(ctx context.Context, list []EC2Instance) map[string]int {
	var ids []string
	for _, m := range list {
		ids = append(ids, m.Volumes...)
	}
	sizes := map[string]int{}
	for part := range slices.Chunk(ids, maxFilterValues) {
		_ = eachPage(ctx, ec2.NewDescribeVolumesPaginator(i.API, &ec2.DescribeVolumesInput{Filters: []types.Filter{filter("volume-id", part...)}}),
			func(page *ec2.DescribeVolumesOutput) {
				for _, v := range page.Volumes {
					sizes[deref(v.VolumeId)] = int(deref(v.Size))
				}
			})
	}
	return sizes
}
