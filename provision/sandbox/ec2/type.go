package ec2

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeOfferings, core.Anything)
	core.Register(service, describeInstanceTypes, core.Anything)
	core.Register(service, describeImages, core.Anything)
}

func describeOfferings(r *request, in *ec2.DescribeInstanceTypeOfferingsInput) (*ec2.DescribeInstanceTypeOfferingsOutput, error) {
	places := []string{r.Region}
	switch in.LocationType {
	case "", types.LocationTypeRegion:
	case types.LocationTypeAvailabilityZone:
		places = zones(r.Region)
	default:
		return nil, core.Fail("InvalidParameterValue", "the sandbox does not support the location type %s", in.LocationType)
	}
	out := &ec2.DescribeInstanceTypeOfferingsOutput{}
	for _, t := range instanceTypes {
		for _, place := range places {
			if !offered(t.name, r.Region, place) {
				continue
			}
			ok, err := matches(in.Filters, nil, map[string][]string{
				"instance-type": {t.name},
				"location":      {place},
			})
			if err != nil {
				return nil, err
			}
			if ok {
				out.InstanceTypeOfferings = append(out.InstanceTypeOfferings, types.InstanceTypeOffering{
					InstanceType: types.InstanceType(t.name), Location: aws.String(place), LocationType: in.LocationType,
				})
			}
		}
	}
	return out, nil
}

// describeInstanceTypes shows the types that the region offers.
func describeInstanceTypes(r *request, in *ec2.DescribeInstanceTypesInput) (*ec2.DescribeInstanceTypesOutput, error) {
	for _, name := range in.InstanceTypes {
		if _, ok := findType(string(name)); !ok || !offered(string(name), r.Region, r.Region) {
			return nil, core.Fail("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
		}
	}
	out := &ec2.DescribeInstanceTypesOutput{}
	for _, t := range instanceTypes {
		if !offered(t.name, r.Region, r.Region) || len(in.InstanceTypes) > 0 && !slices.Contains(in.InstanceTypes, types.InstanceType(t.name)) {
			continue
		}
		ok, err := matches(in.Filters, nil, map[string][]string{
			"instance-type":                         {t.name},
			"free-tier-eligible":                    {truth(t.free)},
			"current-generation":                    {truth(t.hypervisor == "nitro")},
			"processor-info.supported-architecture": {t.architecture},
		})
		if err != nil {
			return nil, err
		}
		if ok {
			out.InstanceTypes = append(out.InstanceTypes, types.InstanceTypeInfo{
				InstanceType: types.InstanceType(t.name), FreeTierEligible: aws.Bool(t.free),
				Hypervisor: types.InstanceTypeHypervisor(t.hypervisor), VCpuInfo: &types.VCpuInfo{DefaultVCpus: aws.Int32(t.cpus)},
				MemoryInfo:    &types.MemoryInfo{SizeInMiB: aws.Int64(t.mib)},
				ProcessorInfo: &types.ProcessorInfo{SupportedArchitectures: []types.ArchitectureType{types.ArchitectureType(t.architecture)}},
			})
		}
	}
	return out, nil
}

func describeImages(r *request, in *ec2.DescribeImagesInput) (*ec2.DescribeImagesOutput, error) {
	var list []*image
	for _, id := range in.ImageIds {
		i := r.image(id)
		if i == nil {
			return nil, core.Fail("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
		}
		list = append(list, i)
	}
	if len(in.ImageIds) == 0 {
		list = publicImages(r.Region, r.Account.ImageRelease)
	}
	out := &ec2.DescribeImagesOutput{}
	for _, i := range list {
		ok, err := matches(in.Filters, nil, map[string][]string{
			"architecture":     {i.Architecture},
			"name":             {i.Name},
			"image-id":         {i.ID},
			"root-device-type": {"ebs"},
			"state":            {"available"},
		})
		if err != nil {
			return nil, err
		}
		if ok {
			out.Images = append(out.Images, types.Image{
				ImageId: &i.ID, Name: &i.Name, Architecture: types.ArchitectureValues(i.Architecture),
				RootDeviceName: &i.RootDevice, RootDeviceType: types.DeviceTypeEbs, State: types.ImageStateAvailable,
				CreationDate: aws.String(i.Created.Format("2006-01-02T15:04:05.000Z")), OwnerId: aws.String("137112412989"),
				BlockDeviceMappings: []types.BlockDeviceMapping{{
					DeviceName: &i.RootDevice, Ebs: &types.EbsBlockDevice{VolumeSize: &i.RootGiB, VolumeType: types.VolumeTypeGp3, DeleteOnTermination: aws.Bool(true)},
				}},
			})
		}
	}
	return out, nil
}
