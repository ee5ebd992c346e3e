package resource

import (
	"cmp"
	"slices"
)

const (
	exampleInstance  = "instance/i-0123456789abcdef0"
	exampleInterface = "network-interface/eni-0123456789abcdef0"
)

// Permissions are what the calls need.
func (i Instance) Permissions() Permissions {
	remove := []Permission{i.ID.tagged(exampleInstance, "ec2:TerminateInstances")}
	attributes := i.ID.tagged(exampleInstance, "ec2:DescribeInstanceAttribute")
	groups := []Permission{
		i.ID.tagged(exampleInterface, "ec2:ModifyNetworkInterfaceAttribute"),
		// An interface moves between groups, of which not all are ours.
		on(i.ID.ec2("security-group/*"), "ec2:ModifyNetworkInterfaceAttribute").like(i.ID.ec2(exampleGroup)),
	}
	return Permissions{
		Read: []Permission{
			on("*", "ec2:DescribeInstances", "ec2:DescribeIamInstanceProfileAssociations"),
			attributes, // the user data, for Detail
		},
		CheckDelete: []Permission{attributes},
		Build: slices.Concat(i.launching(), i.encrypting(), []Permission{
			i.ID.tagged(exampleInstance, "ec2:StartInstances", "ec2:ModifyInstanceMetadataOptions",
				"ec2:AssociateIamInstanceProfile", "ec2:ReplaceIamInstanceProfileAssociation"),
		}, remove, groups, i.ID.tagging(exampleInstance, "RunInstances")),
		Delete: remove,
	}
}

// encrypting is what EC2 needs of the key of the volume, if the file names it.
func (i Instance) encrypting() []Permission {
	key := keyARN(i.VolumeKey)
	if key == "" {
		return nil
	}
	const why = "EC2 uses the key of the volume in the name of whoever launches or starts the instance"
	return []Permission{
		i.ID.UseKey(key, "ec2", why, "kms:CreateGrant").when("Bool", "kms:GrantIsForAWSResource", "true"),
		i.ID.UseKey(key, "ec2", why, volumeActions...),
	}
}

// launching is what RunInstances needs: on the objects that it creates, on existing
// objects of ours, and on the image, the subnet and the key pair, which may not be ours. What
// others may change can be any.
func (i Instance) launching() []Permission {
	image := i.ImageName
	if i.byRelease() || i.ignored.Has(fieldImage) {
		image = "*"
	}
	// The ARN of an image has no account.
	from := on("arn:"+i.ID.Partition+":ec2:"+i.ID.Region+"::image/"+image, "ec2:RunInstances")
	for _, s := range i.Subnets {
		from = from.and(i.ID.ec2("subnet/" + s))
	}
	if len(i.Subnets) == 0 {
		from = from.and(i.ID.ec2("subnet/*"))
	}
	groups := i.OtherGroups
	if i.ignored.Has("security groups") {
		groups = []string{"*"}
	}
	for _, id := range groups {
		from = from.and(i.ID.ec2("security-group/" + id))
	}
	if key, _ := i.Key.Expect(); i.ignored.Has("key pair") {
		from = from.and(i.ID.ec2("key-pair/*"))
	} else if i.Key.Set() {
		from = from.and(i.ID.ec2("key-pair/" + cmp.Or(i.KeyName, key.Name)))
	}
	profile, _ := i.profile().Expect()
	return []Permission{
		i.ID.requested(on(i.ID.ec2("instance/*"), "ec2:RunInstances").and(i.ID.ec2("volume/*"), i.ID.ec2("network-interface/*"))).composite(),
		from.composite(),
		i.ID.tagged(exampleInstance, "ec2:RunInstances").composite(),
		i.ID.passRole(profile.RoleARN, profile.roleARNs...),
	}
}
