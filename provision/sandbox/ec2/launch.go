package ec2

import (
	"encoding/base64"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

const maxUserData = 16384 // bytes, before base64

func (l *launch) sold() error {
	name := string(l.in.InstanceType)
	if _, ok := findType(name); !ok {
		return core.Fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", name)
	}
	if t, _ := findType(name); l.Account.Plan == "FREE" && !t.free {
		return core.Fail("InvalidParameterCombination", "The specified instance type is not eligible for Free Tier. "+
			"For a list of Free Tier instance types, run 'describe-instance-types' with the filter 'free-tier-eligible=true'.")
	}
	if !offered(name, l.Region, l.subnet.Zone) {
		return core.Fail("Unsupported", "Your requested instance type (%s) is not supported in your requested Availability Zone (%s).", name, l.subnet.Zone)
	}
	return nil
}

func (l *launch) software() error {
	id := aws.ToString(l.in.ImageId)
	if l.image = l.request.image(id); l.image == nil {
		return core.Fail("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
	}
	t, _ := findType(string(l.in.InstanceType))
	if t.architecture != l.image.Architecture {
		return core.Fail("InvalidParameterValue", "The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
			t.architecture, l.image.Architecture)
	}
	return nil
}

func (l *launch) access() error {
	if k := l.in.KeyName; k != nil && l.d.Keys[*k] == nil {
		return core.Fail("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", *k)
	}
	l.metadata = metadata{Tokens: "optional", HopLimit: 1, Endpoint: "enabled", InstanceTags: "disabled"}
	if strings.HasPrefix(l.image.Name, "al2023") { // these images require IMDSv2
		l.metadata.Tokens, l.metadata.HopLimit = "required", 2
	}
	if m := l.in.MetadataOptions; m != nil {
		return l.metadata.set(m.HttpTokens, m.HttpPutResponseHopLimit, m.HttpEndpoint, m.InstanceMetadataTags)
	}
	return nil
}

func (m *metadata) set(tokens types.HttpTokensState, hops *int32, endpoint types.InstanceMetadataEndpointState, inTags types.InstanceMetadataTagsState) error {
	if h := aws.ToInt32(hops); hops != nil && (h < 1 || h > 64) {
		return core.Fail("InvalidParameterValue", "The HttpPutResponseHopLimit must be between 1 and 64")
	}
	if tokens != "" {
		m.Tokens = string(tokens)
	}
	if hops != nil {
		m.HopLimit = *hops
	}
	if endpoint != "" {
		m.Endpoint = string(endpoint)
	}
	if inTags != "" {
		m.InstanceTags = string(inTags)
	}
	return nil
}

func (l *launch) identity() (err error) {
	if l.in.IamInstanceProfile != nil {
		l.profile, err = l.usableProfile(l.in.IamInstanceProfile)
	}
	return err
}

// usableProfile finds an instance profile as EC2 sees it, which lags behind IAM.
func (r *request) usableProfile(p *types.IamInstanceProfileSpecification) (*iam.Profile, error) {
	name, field := aws.ToString(p.Name), "name"
	if p.Arn != nil {
		name, field = (*p.Arn)[strings.LastIndex(*p.Arn, "/")+1:], "arn"
	}
	have := iam.ProfileNamed(r.Request, name)
	if have == nil || p.Arn != nil && have.ARN != *p.Arn || r.Now.Before(have.Created.Add(r.Account.ProfileLag)) {
		return nil, core.Fail("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.%s is invalid. Invalid IAM Instance Profile %s", name, field, field)
	}
	if have.Role == "" || r.Now.Before(have.Changed.Add(r.Account.ProfileLag)) {
		return nil, core.Fail("InvalidParameterValue", "IAM Instance Profile \"%s\" has no associated IAM Roles", have.ARN)
	}
	return have, nil
}

func (l *launch) userData() error {
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(l.in.UserData))
	if err != nil {
		return core.Fail("InvalidParameterValue", "Invalid BASE64 encoding of user data")
	}
	if len(raw) > maxUserData {
		return core.Fail("InvalidUserData.Malformed", "User data is limited to %d bytes", maxUserData)
	}
	return nil
}

// disks adds the image's root volume to the request's mappings. A mapping with
// another device name is a second volume.
func (l *launch) disks() error {
	root := &volume{Device: l.image.RootDevice, Type: "gp3", GiB: l.image.RootGiB, Ends: true}
	l.volumes = []*volume{root}
	for _, m := range l.in.BlockDeviceMappings {
		v := root
		if name := aws.ToString(m.DeviceName); name != root.Device {
			v = &volume{Device: name, Type: "gp3"}
			l.volumes = append(l.volumes, v)
		}
		if m.Ebs == nil {
			continue
		}
		if m.Ebs.VolumeSize != nil {
			v.GiB = *m.Ebs.VolumeSize
		}
		if m.Ebs.VolumeType != "" {
			v.Type = string(m.Ebs.VolumeType)
		}
		if m.Ebs.DeleteOnTermination != nil {
			v.Ends = *m.Ebs.DeleteOnTermination
		}
		v.Encrypted, v.Key = aws.ToBool(m.Ebs.Encrypted), aws.ToString(m.Ebs.KmsKeyId)
		if v.Key != "" && !v.Encrypted {
			return core.Fail("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
		}
		if v.Encrypted && v.Key == "" {
			v.Key = l.d.VolumeKey
		}
	}
	if root.GiB < l.image.RootGiB {
		return core.Fail("InvalidBlockDeviceMapping", "Volume of size %dGB is smaller than snapshot, expect size >= %dGB", root.GiB, l.image.RootGiB)
	}
	return nil
}

func (l *launch) labels() (err error) {
	kinds := []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface}
	for i, t := range []*core.Tags{&l.own, &l.ofDisk, &l.ofIface} {
		if *t, err = specified(l.in.TagSpecifications, kinds[i], kinds...); err != nil {
			return err
		}
	}
	return nil
}
