package main

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
)

var (
	zoneName   = regexp.MustCompile(`^([a-z]{2}(?:-[a-z]+)+-\d+)[a-z]$`)
	regionName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)
)

// checkRegion checks the region, which becomes a part of host names. asked is that of the
// command or the file; if it is empty, region is from the environment or the profile.
func (a *app) checkRegion(asked, region string) error {
	from := a.regionSource(asked)
	zone := zoneName.FindStringSubmatch(region)
	switch trimmed := strings.TrimSpace(region); {
	case trimmed == "":
		return errNoRegion()
	case trimmed != region:
		return usage(&hinted{fmt.Errorf("the AWS region %q in %s has a space or a line break around it", region, from),
			"set it to " + trimmed})
	case zone != nil:
		return usage(&hinted{fmt.Errorf("%q in %s is an availability zone, not an AWS region", region, from), "set it to " + zone[1]})
	case !regionName.MatchString(region):
		return usage(&hinted{fmt.Errorf("%q in %s is not an AWS region", region, from), "set it to a region, such as us-east-1"})
	}
	return nil
}

// regionSource names the setting that the region is from.
func (a *app) regionSource(asked string) string {
	switch {
	case asked != "" && asked == a.region:
		return a.flagName("region")
	case asked != "":
		return a.config
	case os.Getenv("AWS_REGION") != "":
		return "AWS_REGION"
	case os.Getenv("AWS_DEFAULT_REGION") != "":
		return "AWS_DEFAULT_REGION"
	}
	return "the AWS profile " + cmp.Or(a.profileName(), "default")
}
