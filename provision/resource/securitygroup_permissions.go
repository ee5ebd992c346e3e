package resource

import (
	"cmp"
	"slices"

	"github.com/flowbed/flowbed/provision/cost"
)

const (
	exampleGroup = "security-group/sg-0123456789abcdef0"
	exampleVPC   = "vpc-0123456789abcdef0"
)

// Costs implements Kind.
func (SecurityGroup) Costs() []cost.Usage { return nil }

// Permissions are what the calls need. The ARN of a group has its id, not its name.
func (g SecurityGroup) Permissions() Permissions {
	vpc := on(g.ID.ec2("vpc/"+cmp.Or(g.VPC, "*")), "ec2:CreateSecurityGroup").like(g.ID.ec2("vpc/" + cmp.Or(g.VPC, exampleVPC)))
	interfaces := on("*", "ec2:DescribeNetworkInterfaces") // for Explain
	uses := []string{"ec2:DescribeNetworkInterfaces", "ec2:DescribeInstances"}
	if g.OfEndpoints {
		uses = append(uses, "ec2:DescribeVpcEndpoints")
	}
	return Permissions{
		Read:        []Permission{on("*", "ec2:DescribeSecurityGroups")},
		CheckDelete: []Permission{on("*", uses...)},
		Build: slices.Concat([]Permission{
			g.ID.requested(on(g.ID.ec2("security-group/*"), "ec2:CreateSecurityGroup")).like(g.ID.ec2(exampleGroup)),
			vpc, interfaces,
			g.ID.tagged(exampleGroup, "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress",
				"ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress", "ec2:UpdateSecurityGroupRuleDescriptionsIngress"),
		}, g.ID.tagging(exampleGroup, "CreateSecurityGroup")),
		Delete: []Permission{g.ID.tagged(exampleGroup, "ec2:DeleteSecurityGroup")},
	}
}
