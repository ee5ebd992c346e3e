package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func init() { on(runInstances) }

const mostUserData = 16384 // bytes, before base64

// runInstances starts one instance. The token is looked at first, as on AWS: a
// repeated request is answered with the instance that it has made, even if the
// request would fail now. A request that failed does not use up its token.
func runInstances(r *request, in *ec2.RunInstancesInput) (*ec2.RunInstancesOutput, error) {
	if aws.ToInt32(in.MinCount) != 1 || aws.ToInt32(in.MaxCount) != 1 {
		return nil, fail("InvalidParameterValue", "the sandbox starts one instance at a time")
	}
	l := launch{request: r, d: r.ec2(), in: in, print: fingerprint(in)}
	steps := []func() error{l.place, l.token, l.sold, l.software, l.access, l.identity, l.userData, l.disks, l.labels}
	for _, check := range steps {
		if err := check(); err != nil {
			return nil, err
		}
		if l.earlier != nil {
			return &ec2.RunInstancesOutput{OwnerId: &r.Account, Instances: []types.Instance{r.instance(l.earlier)}}, nil
		}
	}
	return &ec2.RunInstancesOutput{OwnerId: &r.Account, Instances: []types.Instance{r.instance(l.start())}}, nil
}

// fingerprint is equal for equal requests.
func fingerprint(in *ec2.RunInstancesInput) string {
	c := *in
	c.ClientToken = nil
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // the SDK's inputs are plain data
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// launch is a request to run an instance, as far as it has been checked.
type launch struct {
	*request
	d       *ec2DB
	in      *ec2.RunInstancesInput
	print   string
	earlier *instance // what an earlier request with this token has made

	subnet   *subnet
	public   bool
	groups   []string
	about    string // of the interface
	image    *image
	profile  *iamProfile
	volumes  []*volume
	own      tags
	ofDisk   tags
	ofIface  tags
	metadata metadata
}

// place finds the subnet and the groups, which stand in the interface or in the
// request itself, but not in both.
func (l *launch) place() error {
	id, groups := aws.ToString(l.in.SubnetId), l.in.SecurityGroupIds
	var iface *types.InstanceNetworkInterfaceSpecification
	switch len(l.in.NetworkInterfaces) {
	case 0:
	case 1:
		iface = &l.in.NetworkInterfaces[0]
		if id != "" || len(groups) > 0 {
			return fail("InvalidParameterCombination", "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request")
		}
		id, groups, l.about = aws.ToString(iface.SubnetId), iface.Groups, aws.ToString(iface.Description)
	default:
		return fail("InvalidParameterValue", "the sandbox attaches one interface")
	}
	if l.subnet = l.d.Subnets[id]; id != "" && l.subnet == nil {
		return noSubnet(id)
	}
	if id == "" {
		if err := l.defaultSubnet(); err != nil {
			return err
		}
	}
	l.public = l.subnet.MapPublicIP
	if iface != nil && iface.AssociatePublicIpAddress != nil {
		l.public = *iface.AssociatePublicIpAddress
	}
	l.groups = slices.Clone(groups)
	for _, g := range groups {
		switch o := l.d.Groups[g]; {
		case o == nil:
			return noGroup(g)
		case o.VPC != l.subnet.VPC:
			return fail("InvalidParameter", "Security group %s and subnet %s belong to different networks.", g, l.subnet.ID)
		}
	}
	if len(groups) == 0 {
		l.groups = []string{l.d.defaultGroup(l.subnet.VPC)}
	}
	return nil
}

func (l *launch) defaultSubnet() error {
	v, err := l.d.vpcOrDefault(nil)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(l.d.Subnets)) {
		if s := l.d.Subnets[id]; s.Default && (l.subnet == nil || s.Zone < l.subnet.Zone) {
			l.subnet = s
		}
	}
	if l.subnet == nil {
		return fail("MissingInput", "No subnets found for the default VPC '%s'. Please specify a subnet.", v.ID)
	}
	return nil
}

func (d *ec2DB) defaultGroup(vpc string) string {
	for _, g := range d.Groups {
		if g.VPC == vpc && g.Name == "default" {
			return g.ID
		}
	}
	return ""
}

// token looks for an earlier request. With a subnet, a token belongs to its zone:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html
func (l *launch) token() error {
	token := aws.ToString(l.in.ClientToken)
	if len(token) > 64 {
		return fail("InvalidParameterValue", "Value (%s) for parameter clientToken is invalid. It must have at most 64 ASCII characters.", token)
	}
	for _, id := range slices.Sorted(maps.Keys(l.d.Instances)) {
		i := l.d.Instances[id]
		if token == "" || i.Token != token || i.Zone != l.subnet.Zone {
			continue
		}
		switch {
		case i.Fingerprint != l.print:
			return fail("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
		case l.state(i) == "terminated":
			return fail("IdempotentInstanceTerminated", "The client token you have provided is associated with a terminated instance. Please use a different client token.")
		}
		l.earlier = i
	}
	return nil
}

func (l *launch) sold() error {
	name := string(l.in.InstanceType)
	if _, ok := findType(name); !ok {
		return fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", name)
	}
	if !offered(name, l.region, l.subnet.Zone) {
		return fail("Unsupported", "Your requested instance type (%s) is not supported in your requested Availability Zone (%s).", name, l.subnet.Zone)
	}
	return nil
}

func (l *launch) software() error {
	id := aws.ToString(l.in.ImageId)
	if l.image = l.request.image(id); l.image == nil {
		return fail("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
	}
	t, _ := findType(string(l.in.InstanceType))
	if t.architecture != l.image.Architecture {
		return fail("InvalidParameterValue", "The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
			t.architecture, l.image.Architecture)
	}
	return nil
}

func (l *launch) access() error {
	if k := l.in.KeyName; k != nil && l.d.Keys[*k] == nil {
		return fail("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", *k)
	}
	l.metadata = metadata{Tokens: "optional", HopLimit: 1, Endpoint: "enabled", InstanceTags: "disabled"}
	if strings.HasPrefix(l.image.Name, "al2023") { // its images ask for version 2
		l.metadata.Tokens, l.metadata.HopLimit = "required", 2
	}
	if m := l.in.MetadataOptions; m != nil {
		return l.metadata.set(m.HttpTokens, m.HttpPutResponseHopLimit, m.HttpEndpoint, m.InstanceMetadataTags)
	}
	return nil
}

func (m *metadata) set(tokens types.HttpTokensState, hops *int32, endpoint types.InstanceMetadataEndpointState, inTags types.InstanceMetadataTagsState) error {
	if h := aws.ToInt32(hops); hops != nil && (h < 1 || h > 64) {
		return fail("InvalidParameterValue", "The HttpPutResponseHopLimit must be between 1 and 64")
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

// usableProfile finds an instance profile as EC2 sees it, which is some time
// after IAM.
func (r *request) usableProfile(p *types.IamInstanceProfileSpecification) (*iamProfile, error) {
	name, field := aws.ToString(p.Name), "name"
	if p.Arn != nil {
		name, field = (*p.Arn)[strings.LastIndex(*p.Arn, "/")+1:], "arn"
	}
	have := r.IAM.profile(name)
	if have == nil || p.Arn != nil && have.ARN != *p.Arn || r.now.Before(have.Created.Add(r.a.ProfileLag)) {
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.%s is invalid. Invalid IAM Instance Profile %s", name, field, field)
	}
	if have.Role == "" || r.now.Before(have.Changed.Add(r.a.ProfileLag)) {
		return nil, fail("InvalidParameterValue", "IAM Instance Profile \"%s\" has no associated IAM Roles", have.ARN)
	}
	return have, nil
}

func (l *launch) userData() error {
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(l.in.UserData))
	if err != nil {
		return fail("InvalidParameterValue", "Invalid BASE64 encoding of user data")
	}
	if len(raw) > mostUserData {
		return fail("InvalidUserData.Malformed", "User data is limited to %d bytes", mostUserData)
	}
	return nil
}

// disks adds the image's root volume to what the request maps. A mapping under
// another name is a second volume.
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
		v.Encrypted = aws.ToBool(m.Ebs.Encrypted)
	}
	if root.GiB < l.image.RootGiB {
		return fail("InvalidBlockDeviceMapping", "Volume of size %dGB is smaller than snapshot, expect size >= %dGB", root.GiB, l.image.RootGiB)
	}
	return nil
}

func (l *launch) labels() (err error) {
	kinds := []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface}
	for i, t := range []*tags{&l.own, &l.ofDisk, &l.ofIface} {
		if *t, err = specified(l.in.TagSpecifications, kinds[i], kinds...); err != nil {
			return err
		}
	}
	return nil
}

func (l *launch) start() *instance {
	i := &instance{
		ID: l.id("i"), Type: string(l.in.InstanceType), Image: l.image.ID, Key: aws.ToString(l.in.KeyName),
		Subnet: l.subnet.ID, VPC: l.subnet.VPC, Zone: l.subnet.Zone,
		State: "pending", Since: l.now, Launched: l.now.UTC().Truncate(time.Second),
		ShutdownBehavior: "stop", NoTerminate: aws.ToBool(l.in.DisableApiTermination), NoStop: aws.ToBool(l.in.DisableApiStop),
		Metadata: l.metadata, UserData: aws.ToString(l.in.UserData),
		Token: aws.ToString(l.in.ClientToken), Fingerprint: l.print, Tags: l.own,
	}
	if b := l.in.InstanceInitiatedShutdownBehavior; b != "" {
		i.ShutdownBehavior = string(b)
	}
	if l.profile != nil {
		i.Profile, i.ProfileID, i.Association = l.profile.ARN, l.profile.ID, l.id("iip-assoc")
	}
	for _, v := range l.volumes {
		v.ID, v.Instance, v.Zone, v.Created, v.Tags = l.id("vol"), i.ID, i.Zone, l.now, maps.Clone(l.ofDisk)
		l.d.Volumes[v.ID] = v
	}
	l.subnet.Used++
	n := &nic{
		ID: l.id("eni"), Instance: i.ID, Description: l.about, Subnet: l.subnet.ID, VPC: l.subnet.VPC, Zone: l.subnet.Zone,
		PrivateIP: hostAddress(l.subnet.CIDR, 9+l.subnet.Used), Groups: l.groups, Tags: l.ofIface,
	}
	if l.public { // from the addresses that are kept for documentation
		n.PublicIP = fmt.Sprintf("203.0.113.%d", 10+l.Serial%240)
	}
	l.d.Interfaces[n.ID] = n
	l.d.Instances[i.ID] = i
	return i
}
