package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Regions are those of AWS's commercial partition, as far as flowbed knows them. AWS opens new ones,
// so any other may be right, too.
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
func Regions() []string {
	return []string{
		"af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
		"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
		"ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2",
		"eu-west-3", "il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	}
}

// checkRegion refuses what cannot be a region, and warns of one that flowbed does not know.
func (d *decoder) checkRegion(region *string) {
	switch {
	case !d.has(region):
	case !regionName.matches(*region):
		d.bad(region, "Invalid region", `%s is not an AWS region. → use its code, for example "us-east-1" or "eu-central-1"`)
	case unknownRegion(*region) != "":
		d.warnAt(d.given[region].attr.Expr.Range(), "Unknown region", unknownRegion(*region))
	}
}

// unknownRegion is what to say of a region that flowbed does not know; empty if it does.
func unknownRegion(region string) string {
	if partition(region) != "aws" || slices.Contains(Regions(), region) {
		return ""
	}
	return fmt.Sprintf("flowbed does not know the region %q.%s", region, advice(didYouMean(region, Regions()), "correct it, unless AWS has opened it since"))
}

// regionWarning is about Options.Region.
func (f *File) regionWarning() hcl.Diagnostics {
	if r := f.o.Region; r != "" && unknownRegion(r) != "" {
		return hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Unknown region", Detail: "--region: " + unknownRegion(r)}}
	}
	return nil
}
