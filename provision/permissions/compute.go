package permissions

import (
	"slices"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

func (t *table) network() {
	if t.verb != Down { // which finds what is ours without knowing where it is
		t.add("network", borrowed, kind{read: []Need{on("*", "ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeRouteTables")}})
	}
	t.add("task security group", owned, t.group())
}

// tagged is for what carries the owner tag, whatever it is: an action is about
// its own kinds of objects only.
func (t *table) tagged(actions ...string) Need {
	return on(t.arn("ec2", "*"), actions...).when("StringEquals", "aws:ResourceTag/"+resource.KeyEnvironment, t.id.Env)
}

// requested narrows a need to calls that put the owner tag on what they make.
func (t *table) requested(n Need) Need {
	return n.when("StringEquals", "aws:RequestTag/"+resource.KeyEnvironment, t.id.Env)
}

// group is that of any security group of ours: they have no names in ARNs.
func (t *table) group() kind {
	vpc := t.arn("ec2", "vpc/*")
	if v := t.env.Network.VPC; v != "default" {
		vpc = t.arn("ec2", "vpc/"+v)
	}
	return kind{
		read: []Need{on("*", "ec2:DescribeSecurityGroups")},
		build: slices.Concat([]Need{
			t.requested(on(t.arn("ec2", "security-group/*"), "ec2:CreateSecurityGroup")),
			on(vpc, "ec2:CreateSecurityGroup"),
			on("*", "ec2:DescribeNetworkInterfaces"), // to explain what up waits for
			t.tagged("ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress",
				"ec2:RevokeSecurityGroupIngress", "ec2:UpdateSecurityGroupRuleDescriptionsIngress"),
		}, t.tagging()),
		remove: []Need{t.tagged("ec2:DeleteSecurityGroup"), on("*", "ec2:DescribeNetworkInterfaces")},
	}
}

// tagging is for the tags in a creating call, and for those of what is ours.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
func (t *table) tagging() []Need {
	return []Need{
		t.requested(on(t.arn("ec2", "*"), "ec2:CreateTags")).
			when("StringEquals", "ec2:CreateAction", "CreateSecurityGroup", "ImportKeyPair", "RunInstances").
			implied("EC2 asks for it where a creating call carries tags"),
		t.tagged("ec2:CreateTags", "ec2:DeleteTags"),
	}
}

// agent is what only the agent needs. Without one in the spec, up still removes
// that of an earlier spec.
func (t *table) agent() {
	a := t.env.Agent
	m := wanted(a != nil)
	if a == nil {
		a = &spec.Agent{}
	}
	t.key(a.SSH)
	t.add("agent security group", m, t.group())
	t.add("agent role", m, t.role(t.agentName(), []string{t.awsPolicy("AmazonSSMManagedInstanceCore")}, false))
	profile := t.id.ARN("iam", "", "instance-profile/"+t.agentName())
	t.add("agent instance profile", m, kind{
		read: []Need{on(profile, "iam:GetInstanceProfile")},
		build: []Need{
			on(profile, "iam:CreateInstanceProfile", "iam:TagInstanceProfile", "iam:UntagInstanceProfile", "iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile"),
			t.passRole(),
		},
		remove: []Need{on(profile, "iam:RemoveRoleFromInstanceProfile", "iam:DeleteInstanceProfile")},
	})
	if t.env.Agent != nil && t.verb != Down && (a.Image == "al2023" || a.Image == "al2") {
		// The public parameters belong to no account.
		public := "arn:" + t.id.Partition + ":ssm:" + t.id.Region + "::parameter/aws/service/ami-amazon-linux-latest/*"
		t.add("image", borrowed, kind{read: []Need{on(public, "ssm:GetParameter")}})
	}
	t.add("agent instance", m, t.instance())
	if t.env.Agent != nil && t.verb == Up {
		t.add("worker", borrowed, kind{read: []Need{t.tagged("ec2:GetConsoleOutput")}})
	}
}

// passRole lets the instance have the agent's role, and nothing else have it, nor
// the instance another. In China EC2 has a name of its own beside the usual one.
func (t *table) passRole() Need {
	services := []string{"ec2.amazonaws.com"}
	if t.id.Partition == "aws-cn" {
		services = append(services, "ec2.amazonaws.com.cn")
	}
	return on(t.roleARN(t.agentName()), "iam:PassRole").when("StringEquals", "iam:PassedToService", services...).
		implied("IAM asks for it where a role is put into an instance profile, EC2 where a profile is given to an instance")
}

func (t *table) key(ssh *spec.SSH) {
	if ssh != nil && ssh.KeyName != "" && t.verb != Down {
		t.add("existing key pair", borrowed, kind{read: []Need{on("*", "ec2:DescribeKeyPairs")}})
	}
	pair := t.arn("ec2", "key-pair/"+t.agentName())
	t.add("key pair", wanted(ssh != nil && ssh.PublicKey != ""), kind{
		read: []Need{on("*", "ec2:DescribeKeyPairs")},
		build: slices.Concat([]Need{
			t.requested(on(pair, "ec2:ImportKeyPair")),
			t.tagged("ec2:DeleteKeyPair"),
		}, t.tagging()),
		remove: []Need{t.tagged("ec2:DeleteKeyPair")},
	})
}

func (t *table) instance() kind {
	instances, volumes := t.arn("ec2", "instance/*"), t.arn("ec2", "volume/*")
	interfaces, groups := t.arn("ec2", "network-interface/*"), t.arn("ec2", "security-group/*")
	leave := []Need{
		t.tagged("ec2:ModifyNetworkInterfaceAttribute", "ec2:TerminateInstances"),
		// What is terminated moves to the VPC's default group, which is not ours.
		on(groups, "ec2:ModifyNetworkInterfaceAttribute"),
	}
	look := on("*", "ec2:DescribeInstances")
	if t.verb != Down { // for which it does not matter what could be had
		look = on("*", "ec2:DescribeInstances", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes")
	}
	return kind{
		read:      []Need{look},
		obstacles: []Need{t.tagged("ec2:DescribeInstanceAttribute")},
		build: slices.Concat([]Need{
			on("*", "ec2:DescribeImages", "ec2:DescribeIamInstanceProfileAssociations"),
			t.requested(on(instances, "ec2:RunInstances").and(volumes, interfaces)),
			on(t.launchedFrom()[0], "ec2:RunInstances").and(t.launchedFrom()[1:]...),
			t.passRole(),
			t.tagged("ec2:RunInstances", "ec2:StartInstances", "ec2:ModifyInstanceMetadataOptions",
				"ec2:AssociateIamInstanceProfile", "ec2:ReplaceIamInstanceProfileAssociation"),
		}, leave, t.tagging()),
		remove: slices.Concat([]Need{on("*", "ec2:DescribeSecurityGroups")}, leave),
	}
}

// launchedFrom is what an instance is launched from and into, none of it ours.
func (t *table) launchedFrom() []string {
	image := "*"
	if a := t.env.Agent; a != nil && a.Image != "al2023" && a.Image != "al2" {
		image = a.Image
	}
	// Images are named without their owner.
	list := []string{"arn:" + t.id.Partition + ":ec2:" + t.id.Region + "::image/" + image}
	for _, s := range t.env.Network.Subnets {
		list = append(list, t.arn("ec2", "subnet/"+s))
	}
	if len(t.env.Network.Subnets) == 0 {
		list = append(list, t.arn("ec2", "subnet/*"))
	}
	if a := t.env.Agent; a != nil && a.SSH != nil {
		key := a.SSH.KeyName
		if key == "" {
			key = t.agentName()
		}
		list = append(list, t.arn("ec2", "key-pair/"+key))
	}
	return list
}
