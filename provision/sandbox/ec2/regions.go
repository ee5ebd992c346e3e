package ec2

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() { core.Register(service, describeRegions, core.Anything) }

// The regions that every account has, and those that an account must enable first:
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
var (
	everybodysRegions = []string{
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
		"eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	}
	optInRegions = []string{
		"af-south-1", "ap-east-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ca-west-1", "eu-central-2", "eu-south-1",
		"eu-south-2", "il-central-1", "me-central-1", "me-south-1",
	}
)

// describeRegions shows regions that are off only if the request asks for all.
func describeRegions(r *request, in *ec2.DescribeRegionsInput) (*ec2.DescribeRegionsOutput, error) {
	known := slices.Concat(everybodysRegions, optInRegions)
	for _, name := range in.RegionNames {
		if !slices.Contains(known, name) {
			return nil, core.Fail("InvalidParameterValue", "Invalid region: %s", name)
		}
	}
	out := &ec2.DescribeRegionsOutput{}
	for _, name := range known {
		status := "opt-in-not-required"
		switch {
		case slices.Contains(r.Account.Off, name):
			status = "not-opted-in"
		case slices.Contains(optInRegions, name):
			status = "opted-in"
		}
		if status == "not-opted-in" && !aws.ToBool(in.AllRegions) || len(in.RegionNames) > 0 && !slices.Contains(in.RegionNames, name) {
			continue
		}
		ok, err := matches(in.Filters, nil, map[string][]string{"region-name": {name}, "opt-in-status": {status}})
		if err != nil {
			return nil, err
		}
		if ok {
			out.Regions = append(out.Regions, types.Region{
				RegionName: aws.String(name), OptInStatus: aws.String(status), Endpoint: aws.String("ec2." + name + ".amazonaws.com"),
			})
		}
	}
	return out, nil
}
