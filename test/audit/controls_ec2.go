package audit

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

var machineControls = []Control{
	{"EC2.8, CIS 5.7, CKV_AWS_79, AWS-0028", "instance metadata requires a token (IMDSv2)", "MetadataOptions.HttpTokens", machines(func(_ *Account, i Instance) bool {
		return i.MetadataOptions != nil && i.MetadataOptions.HttpTokens == ec2types.HttpTokensStateRequired
	})},
	{"–", "instance metadata is reachable only from the instance itself", "MetadataOptions.HttpPutResponseHopLimit", machines(func(_ *Account, i Instance) bool {
		return i.MetadataOptions != nil && aws.ToInt32(i.MetadataOptions.HttpPutResponseHopLimit) == 1
	})},
	{"CIS 1.17, CKV2_AWS_41", "the instance has a role and no access keys", "IamInstanceProfile", machines(func(_ *Account, i Instance) bool {
		return i.IamInstanceProfile != nil && aws.ToString(i.IamInstanceProfile.Arn) != ""
	})},
	{"CKV_AWS_46, AWS-0029", "the user data contains no secret", "attribute userData: the API key itself, and what looks like a key", machines(func(a *Account, i Instance) bool {
		return i.UserData != "" && !strings.Contains(i.UserData, a.Secret) && !keylike.MatchString(i.UserData)
	})},
	{"SSM.1", "the instance is managed by Systems Manager", "the policies of the instance's role", machines(func(a *Account, i Instance) bool {
		arn := aws.ToString(i.IamInstanceProfile.Arn)
		name := arn[strings.LastIndex(arn, "/")+1:] // after the path
		return slices.ContainsFunc(a.Roles, func(r Role) bool {
			return r.Name == name && slices.ContainsFunc(r.Managed, managesInstances)
		})
	})},
	{"EC2.3, CIS 5.1.1, CKV_AWS_8, AWS-0131", "volumes are encrypted", "Volume.Encrypted", func(a *Account) []string {
		if a.onService() {
			return nil
		}
		return each(a.Volumes, "volume", func(v ec2types.Volume) string { return aws.ToString(v.VolumeId) },
			func(v ec2types.Volume) bool { return aws.ToBool(v.Encrypted) })
	}},
}

// keylike matches AWS keys, Prefect keys and private keys.
var keylike = regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bpn[ub]_[A-Za-z0-9]{8,}|PRIVATE KEY-----`)

func machine(i Instance) string { return aws.ToString(i.InstanceId) }

func machines(passes func(*Account, Instance) bool) func(*Account) []string {
	return func(a *Account) []string {
		if a.onService() {
			return nil
		}
		return each(a.Instances, "instance", machine, func(i Instance) bool { return passes(a, i) })
	}
}

var networkControls = []Control{
	{"EC2.13, EC2.19, CIS 5.3, CIS 5.4, CKV_AWS_24, AWS-0107", "no port is open to the internet", "inbound rules: no prefix shorter than /8 for IPv4, or /12 for IPv6", groups(func(g ec2types.SecurityGroup) bool {
		for _, p := range g.IpPermissions {
			for _, cidr := range ranges(p) {
				n, err := netip.ParsePrefix(cidr)
				if least := map[bool]int{true: 8, false: 12}[n.Addr().Is4()]; err != nil || n.Bits() < least {
					return false
				}
			}
		}
		return true
	})},
	{"CKV_AWS_23, AWS-0099, AWS-0124", "security groups and their inbound rules have descriptions", "descriptions of group and rule", groups(func(g ec2types.SecurityGroup) bool {
		for _, p := range g.IpPermissions {
			for _, r := range p.IpRanges {
				if aws.ToString(r.Description) == "" {
					return false
				}
			}
			for _, r := range p.UserIdGroupPairs {
				if aws.ToString(r.Description) == "" {
					return false
				}
			}
		}
		return aws.ToString(g.Description) != ""
	})},
	{"EC2.2, CIS 5.5, AWS-0173", "the VPC's default group is not used", "the groups of instances", machines(func(_ *Account, i Instance) bool {
		return len(i.SecurityGroups) > 0 && !slices.ContainsFunc(i.SecurityGroups, func(g ec2types.GroupIdentifier) bool {
			return aws.ToString(g.GroupName) == "default"
		})
	})},
}

func groups(passes func(ec2types.SecurityGroup) bool) func(*Account) []string {
	return func(a *Account) []string {
		return each(a.Groups, "security group", func(g ec2types.SecurityGroup) string { return aws.ToString(g.GroupName) }, passes)
	}
}

// ranges returns the address ranges in a rule.
func ranges(p ec2types.IpPermission) (list []string) {
	for _, r := range p.IpRanges {
		list = append(list, aws.ToString(r.CidrIp))
	}
	for _, r := range p.Ipv6Ranges {
		list = append(list, aws.ToString(r.CidrIpv6))
	}
	return list
}
