package ec2_test

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/test/try"
)

func (c client) group(name string) (string, error) {
	out, err := c.CreateSecurityGroup(bg, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("a group")})
	if err != nil {
		return "", err
	}
	return *out.GroupId, nil
}

func (c client) deleteGroup(id string) error {
	_, err := c.DeleteSecurityGroup(bg, &ec2.DeleteSecurityGroupInput{GroupId: &id})
	return err
}

func (c client) defaultGroup() string {
	return *try.Must(c.DescribeSecurityGroups(bg, &ec2.DescribeSecurityGroupsInput{Filters: by("group-name", "default")})).SecurityGroups[0].GroupId
}

func port(n int32, cidr string) []types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: &n, ToPort: &n}
	if strings.Contains(cidr, ":") {
		p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: &cidr}}
	} else {
		p.IpRanges = []types.IpRange{{CidrIp: &cidr}}
	}
	return []types.IpPermission{p}
}

func (c client) authorize(id string, p []types.IpPermission) error {
	_, err := c.AuthorizeSecurityGroupIngress(bg, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: p})
	return err
}

func (c client) revoke(id string, p []types.IpPermission) error {
	_, err := c.RevokeSecurityGroupIngress(bg, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: p})
	return err
}

func (c client) letOut(id string, p []types.IpPermission) error {
	_, err := c.AuthorizeSecurityGroupEgress(bg, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &id, IpPermissions: p})
	return err
}

func (c client) prefixList(name string) string {
	return *try.Must(c.DescribeManagedPrefixLists(bg, &ec2.DescribeManagedPrefixListsInput{Filters: by("prefix-list-name", name)})).PrefixLists[0].PrefixListId
}

func toList(id string, n int32) []types.IpPermission {
	return []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: &n, ToPort: &n, PrefixListIds: []types.PrefixListId{{PrefixListId: &id}}}}
}

var groupRules = []ruleTest{
	{"group name in another case", func(c client) error {
		try.Must(c.group("agent"))
		_, err := c.group("Agent")
		return err
	}, "InvalidGroup.Duplicate", ""},
	{"group name like an id", func(c client) error { _, err := c.group("SG-agent"); return err }, "InvalidParameterValue", "sg-"},
	{"apostrophe in a description", func(c client) error {
		_, err := c.CreateSecurityGroup(bg, &ec2.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("it's mine")})
		return err
	}, "InvalidParameterValue", "groupDescription"},
	{"group in an unknown VPC", func(c client) error {
		_, err := c.CreateSecurityGroup(bg, &ec2.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("d"), VpcId: aws.String("vpc-1")})
		return err
	}, "InvalidVpcID.NotFound", ""},
	{"delete the default group", func(c client) error { return c.deleteGroup(c.defaultGroup()) }, "CannotDelete", ""},
	{"delete an unknown group", func(c client) error { return c.deleteGroup("sg-1") }, "InvalidGroup.NotFound", ""},
	{"delete a group with an interface", func(c client) error {
		id := try.Must(c.group("g"))
		try.Must(c.run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{id} }))
		return c.deleteGroup(id)
	}, "DependencyViolation", ""},
	{"delete a group after its instance", func(c client) error {
		id := try.Must(c.group("g"))
		try.Must(0, c.terminate(try.Must(c.run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{id} }))))
		return c.deleteGroup(id)
	}, "", ""},
	{"delete a group that a rule refers to", func(c client) error {
		id, other := try.Must(c.group("g")), try.Must(c.group("other"))
		try.Must(0, c.authorize(other, []types.IpPermission{{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &id}}}}))
		return c.deleteGroup(id)
	}, "DependencyViolation", ""},
	{"delete a group that an egress rule refers to", func(c client) error {
		id, other := try.Must(c.group("g")), try.Must(c.group("other"))
		_ = try.Must(c.AuthorizeSecurityGroupEgress(bg, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &other, IpPermissions: []types.IpPermission{
			{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &id}}}}}))
		return c.deleteGroup(id)
	}, "DependencyViolation", ""},
	{"delete a group with an interface that is attached to nothing", func(c client) error {
		id := try.Must(c.group("g"))
		_ = try.Must(c.CreateNetworkInterface(bg, &ec2.CreateNetworkInterfaceInput{SubnetId: c.subnet("a"), Groups: []string{id}}))
		return c.deleteGroup(id)
	}, "DependencyViolation", ""},
	{"delete a group after its interface", func(c client) error {
		id := try.Must(c.group("g"))
		n := try.Must(c.CreateNetworkInterface(bg, &ec2.CreateNetworkInterfaceInput{SubnetId: c.subnet("a"), Groups: []string{id}})).NetworkInterface
		_ = try.Must(c.DeleteNetworkInterface(bg, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: n.NetworkInterfaceId}))
		return c.deleteGroup(id)
	}, "", ""},
	{"delete the interface of an instance", func(c client) error {
		try.Must(c.run(func(*ec2.RunInstancesInput) {}))
		n := try.Must(c.DescribeNetworkInterfaces(bg, &ec2.DescribeNetworkInterfacesInput{})).NetworkInterfaces[0]
		_, err := c.DeleteNetworkInterface(bg, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: n.NetworkInterfaceId})
		return err
	}, "InvalidNetworkInterface.InUse", ""},
	{"an interface in an unknown group", func(c client) error {
		_, err := c.CreateNetworkInterface(bg, &ec2.CreateNetworkInterfaceInput{SubnetId: c.subnet("a"), Groups: []string{"sg-1"}})
		return err
	}, "InvalidGroup.NotFound", ""},
	{"the same rule with another description", func(c client) error {
		id := try.Must(c.group("g"))
		try.Must(0, c.authorize(id, port(22, "203.0.113.9/24")))
		p := port(22, "203.0.113.0/24")
		p[0].IpRanges[0].Description = aws.String("another description")
		return c.authorize(id, p)
	}, "InvalidPermission.Duplicate", ""},
	{"the same IPv6 rule with another description", func(c client) error {
		id := try.Must(c.group("g"))
		try.Must(0, c.authorize(id, port(22, "2001:DB8::0:1/128")))
		return c.authorize(id, port(22, "2001:db8::1/128"))
	}, "InvalidPermission.Duplicate", ""},
	{"revoke a rule that does not exist", func(c client) error { return c.revoke(try.Must(c.group("g")), port(22, "10.0.0.0/8")) }, "InvalidPermission.NotFound", ""},
	{"bad CIDR", func(c client) error { return c.authorize(try.Must(c.group("g")), port(22, "10.0.0.0/33")) }, "InvalidParameterValue", "malformed"},
	{"bad port", func(c client) error { return c.authorize(try.Must(c.group("g")), port(65536, "10.0.0.0/8")) }, "InvalidParameterValue", "port"},
	{"rule description with an apostrophe", func(c client) error {
		p := port(22, "10.0.0.0/8")
		p[0].IpRanges[0].Description = aws.String("it's mine")
		return c.authorize(try.Must(c.group("g")), p)
	}, "InvalidParameterValue", "description"},
	{"61 rules", func(c client) error {
		id := try.Must(c.group("g"))
		for i := range int32(60) {
			try.Must(0, c.authorize(id, port(i+1, "10.0.0.0/8")))
		}
		return c.authorize(id, port(61, "10.0.0.0/8"))
	}, "RulesPerSecurityGroupLimitExceeded", ""},
	{"60 rules for IPv4 and 60 for IPv6", func(c client) error {
		id := try.Must(c.group("g"))
		for i := range int32(60) {
			try.Must(0, c.authorize(id, port(i+1, "10.0.0.0/8")))
		}
		for i := range int32(59) {
			try.Must(0, c.authorize(id, port(i+1, "fd00::/8")))
		}
		return c.authorize(id, port(60, "fd00::/8"))
	}, "", ""},
	{"the same rule twice in a request", func(c client) error {
		return c.authorize(try.Must(c.group("g")), append(port(22, "10.0.0.9/8"), port(22, "10.0.0.0/8")...))
	}, "InvalidParameterValue", "must not appear multiple times"},
	{"a prefix list that does not exist", func(c client) error {
		return c.letOut(try.Must(c.group("g")), toList("pl-1", 443))
	}, "InvalidPrefixListID.NotFound", ""},
	{"a prefix list twice", func(c client) error {
		id, list := try.Must(c.group("g")), c.prefixList("com.amazonaws.us-east-1.s3")
		try.Must(0, c.letOut(id, toList(list, 443)))
		return c.letOut(id, toList(list, 443))
	}, "InvalidPermission.Duplicate", ""},
	{"a prefix list counts as its weight", func(c client) error {
		id := try.Must(c.group("g"))
		for i := range int32(4) { // there is a rule for all traffic
			try.Must(0, c.letOut(id, port(i+1, "10.0.0.0/8")))
		}
		try.Must(0, c.letOut(id, toList(c.prefixList("com.amazonaws.global.cloudfront.origin-facing"), 443))) // 55
		return c.letOut(id, toList(c.prefixList("com.amazonaws.us-east-1.s3"), 443))
	}, "RulesPerSecurityGroupLimitExceeded", ""},
	{"revoke a rule with a prefix list", func(c client) error {
		id, list := try.Must(c.group("g")), c.prefixList("com.amazonaws.us-east-1.s3")
		try.Must(0, c.letOut(id, toList(list, 443)))
		_ = try.Must(c.RevokeSecurityGroupEgress(bg, &ec2.RevokeSecurityGroupEgressInput{GroupId: &id, IpPermissions: toList(list, 443)}))
		_, err := c.RevokeSecurityGroupEgress(bg, &ec2.RevokeSecurityGroupEgressInput{GroupId: &id, IpPermissions: toList(list, 443)})
		return err
	}, "InvalidPermission.NotFound", ""},
	{"an unknown prefix list", func(c client) error {
		_, err := c.DescribeManagedPrefixLists(bg, &ec2.DescribeManagedPrefixListsInput{PrefixListIds: []string{"pl-1"}})
		return err
	}, "InvalidPrefixListID.NotFound", ""},
	{"group of another VPC", func(c client) error {
		v := try.Must(c.CreateVpc(bg, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})).Vpc.VpcId
		g := try.Must(c.CreateSecurityGroup(bg, &ec2.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("d"), VpcId: v})).GroupId
		_, err := c.run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{*g} })
		return err
	}, "InvalidParameter", "different networks"},
}

const (
	ed25519Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUIYn1YGdJy3fjdeBmGYe5DfMoKVmiOnIoA96BiQV+3 a@b"
	ecdsaKey   = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGXm47tgyYs/I6FTwU7Yc7Jm6dF+4xK6gmnkqjEmcPpcbHjs35f12Yh9kz3y1D9t1eIhUoZpqCPh6Sa2kbiDKJQ= a@b"
)

// key imports a key pair named k.
func (c client) key(text string) error {
	_, err := c.ImportKeyPair(bg, &ec2.ImportKeyPairInput{KeyName: aws.String("k"), PublicKeyMaterial: []byte(text)})
	return err
}

var keyRules = []ruleTest{
	{"key pair twice", func(c client) error {
		try.Must(0, c.key(ed25519Key))
		return c.key(ed25519Key)
	}, "InvalidKeyPair.Duplicate", ""},
	{"invalid key", func(c client) error { return c.key("ssh-rsa nonsense") }, "InvalidKey.Format", ""},
	{"ECDSA key", func(c client) error { return c.key(ecdsaKey) }, "InvalidKey.Format", ""},
	{"unknown key pair", func(c client) error {
		_, err := c.DescribeKeyPairs(bg, &ec2.DescribeKeyPairsInput{KeyNames: []string{"none"}})
		return err
	}, "InvalidKeyPair.NotFound", ""},
	{"delete an unknown key pair", func(c client) error {
		_, err := c.DeleteKeyPair(bg, &ec2.DeleteKeyPairInput{KeyName: aws.String("none")})
		return err
	}, "", ""},
	{"unknown type described", func(c client) error {
		_, err := c.DescribeInstanceTypes(bg, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t9.micro"}})
		return err
	}, "InvalidInstanceType", ""},
}
