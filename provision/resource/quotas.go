package resource

import (
	"fmt"

	"github.com/flowbed/flowbed/provision"
)

// The quotas of the parts of a network, by their codes in Service Quotas.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
const (
	quotaVPCs      = "L-F678F1CE"
	quotaAddresses = "L-0263D0A3"
)

// defaultQuota is how many VPCs, and how many Elastic IP addresses, an account has in a region
// unless somebody has requested more. Only Service Quotas knows the quota of an account.
const defaultQuota = 5

// raise is the command that requests a higher quota.
func raise(service, code string) string {
	return fmt.Sprintf("request an increase (aws service-quotas request-service-quota-increase --service-code %s --quota-code %s --desired-value …)", service, code)
}

// full warns if a region has its default quota of something, or will have more. An account that
// has more than that has a higher quota.
func full(what, remedy string, have, adds int) []provision.Note {
	if adds == 0 || have > defaultQuota || have+adds <= defaultQuota {
		return nil
	}
	return []provision.Note{{Severity: provision.Warn, Text: fmt.Sprintf(
		"the region has %d %s, up would create %d, and the quota is %d unless the account has requested more → %s", have, what, adds, defaultQuota, remedy)}}
}
