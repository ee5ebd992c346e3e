package moto

import (
	"cmp"
	"encoding/xml"
	"net/url"
	"strconv"
)

// revokeEgress removes an egress rule with an IPv6 range by its id: in a VPC without IPv6, moto
// ignores such a range. AWS takes IPv6 rules in every VPC, and removes them.
func revokeEgress(f *Front, r request) (answer, error) {
	in, err := url.ParseQuery(string(r.body))
	if err != nil {
		return answer{}, err
	}
	const rule = "IpPermissions.1."
	cidr := in.Get(rule + "Ipv6Ranges.1.CidrIpv6")
	if cidr == "" {
		return f.pass(r)
	}
	a, err := f.query(r, url.Values{
		"Action": {"DescribeSecurityGroupRules"}, "Version": {"2016-11-15"}, "Filter.1.Name": {"group-id"}, "Filter.1.Value.1": {in.Get("GroupId")},
	})
	if err != nil {
		return answer{}, err
	}
	var found struct {
		Rules []struct {
			ID       string `xml:"securityGroupRuleId"`
			Egress   bool   `xml:"isEgress"`
			Protocol string `xml:"ipProtocol"`
			From     int    `xml:"fromPort"`
			To       int    `xml:"toPort"`
			CIDR     string `xml:"cidrIpv6"`
		} `xml:"securityGroupRuleSet>item"`
	}
	if err := xml.Unmarshal(a.body, &found); err != nil {
		return answer{}, err
	}
	for _, o := range found.Rules {
		ports := strconv.Itoa(o.From) == cmp.Or(in.Get(rule+"FromPort"), "-1") && strconv.Itoa(o.To) == cmp.Or(in.Get(rule+"ToPort"), "-1")
		if o.Egress && o.CIDR == cidr && o.Protocol == in.Get(rule+"IpProtocol") && ports {
			return f.query(r, url.Values{
				"Action": {"RevokeSecurityGroupEgress"}, "Version": {"2016-11-15"}, "GroupId": {in.Get("GroupId")}, "SecurityGroupRuleId.1": {o.ID},
			})
		}
	}
	return ec2Refusal("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
}
