package ec2

import (
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeInstances, core.Anything)
	core.Register(service, describeInstanceAttribute, instanceAccess)
}

const remembered = time.Hour // how long EC2 shows a terminated instance

func noInstance(id string) error {
	return core.Fail("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
}

// state returns the current state of an instance. Transitional states end after
// BootTime.
func (r *request) state(i *instance) string {
	if r.Now.Before(i.Since.Add(r.Account.BootTime)) {
		return i.State
	}
	switch i.State {
	case "pending":
		return "running"
	case "stopping":
		return "stopped"
	case "shutting-down":
		return "terminated"
	}
	return i.State
}

// Running reports whether an instance exists and runs, and returns the ARN of its
// instance profile, which may be empty.
func Running(call *core.Request, id string) (profile string, ok bool) {
	r := &request{call}
	if i := r.db().Instances[id]; i != nil && r.state(i) == "running" {
		return i.Profile, true
	}
	return "", false
}

// move puts an instance into a new state.
func (r *request) move(i *instance, state string) { i.State, i.Since = state, r.Now }

// attached reports whether an interface is attached to an instance that exists. It is
// deleted with its instance.
func (r *request) attached(n *nic) bool {
	i := r.db().Instances[n.Instance]
	return i != nil && r.state(i) != "terminated"
}

// exists reports whether an interface exists: it may also be attached to nothing.
func (r *request) exists(n *nic) bool {
	if n.Task { // it is deleted some time after its task
		return !n.gone(r.Now)
	}
	return n.Instance == "" || r.attached(n)
}

// profileShown reports whether EC2 already shows the profile with which an instance was
// launched.
func (r *request) profileShown(i *instance) bool {
	return !r.Now.Before(i.Launched.Add(r.Account.ProfileShown))
}

func (r *request) interfaceOf(i *instance) *nic {
	for _, n := range r.db().Interfaces {
		if n.Instance == i.ID && r.attached(n) {
			return n
		}
	}
	return nil
}

func (r *request) find(id string) (*instance, error) {
	i := r.db().Instances[id]
	if i == nil || r.forgotten(i) {
		return nil, noInstance(id)
	}
	return i, nil
}

func (r *request) forgotten(i *instance) bool {
	return r.state(i) == "terminated" && r.Now.After(i.Since.Add(remembered))
}

var stateCodes = map[string]int32{
	"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80,
}

func (r *request) instanceState(i *instance) *types.InstanceState {
	s := r.state(i)
	return &types.InstanceState{Name: types.InstanceStateName(s), Code: aws.Int32(stateCodes[s])}
}

// instance returns an instance as EC2 shows it. A terminated instance has no
// network.
func (r *request) instance(i *instance) types.Instance {
	d := r.db()
	t, _ := findType(i.Type)
	o := types.Instance{
		InstanceId: &i.ID, InstanceType: types.InstanceType(i.Type), ImageId: &i.Image, State: r.instanceState(i),
		LaunchTime: aws.Time(i.Launched), Placement: &types.Placement{AvailabilityZone: &i.Zone},
		Architecture: types.ArchitectureValues(t.architecture), Hypervisor: types.HypervisorTypeXen,
		RootDeviceName: aws.String("/dev/xvda"), RootDeviceType: types.DeviceTypeEbs, Tags: tagList(i.Tags),
		MetadataOptions: &types.InstanceMetadataOptionsResponse{
			HttpTokens: types.HttpTokensState(i.Metadata.Tokens), HttpPutResponseHopLimit: aws.Int32(i.Metadata.HopLimit),
			HttpEndpoint:         types.InstanceMetadataEndpointState(i.Metadata.Endpoint),
			InstanceMetadataTags: types.InstanceMetadataTagsState(i.Metadata.InstanceTags),
			State:                types.InstanceMetadataOptionsStateApplied,
		},
	}
	if i.Token != "" {
		o.ClientToken = &i.Token
	}
	if i.Key != "" {
		o.KeyName = &i.Key
	}
	if i.Reason != "" {
		o.StateReason = &types.StateReason{Code: aws.String(i.Reason), Message: aws.String(i.Reason)}
	}
	if r.state(i) == "terminated" {
		return o
	}
	o.SubnetId, o.VpcId = &i.Subnet, &i.VPC
	if i.Profile != "" && r.profileShown(i) {
		o.IamInstanceProfile = &types.IamInstanceProfile{Arn: aws.String(i.Profile), Id: aws.String(i.ProfileID)}
	}
	for _, v := range d.sortedVolumes(i.ID) {
		o.BlockDeviceMappings = append(o.BlockDeviceMappings, types.InstanceBlockDeviceMapping{
			DeviceName: &v.Device, Ebs: &types.EbsInstanceBlockDevice{
				VolumeId: &v.ID, DeleteOnTermination: aws.Bool(v.Ends), Status: types.AttachmentStatusAttached,
			},
		})
	}
	if n := r.interfaceOf(i); n != nil {
		o.PrivateIpAddress, o.SecurityGroups = &n.PrivateIP, d.identifiers(n.Groups)
		iface := types.InstanceNetworkInterface{
			NetworkInterfaceId: &n.ID, Description: &n.Description, Groups: o.SecurityGroups, SubnetId: &n.Subnet, VpcId: &n.VPC,
			PrivateIpAddress: &n.PrivateIP, OwnerId: &r.AccountID, Status: types.NetworkInterfaceStatusInUse,
			Attachment: &types.InstanceNetworkInterfaceAttachment{DeviceIndex: aws.Int32(0), DeleteOnTermination: aws.Bool(true)},
		}
		if s := r.state(i); n.PublicIP != "" && s == "running" { // assigned at start, released at stop
			o.PublicIpAddress = &n.PublicIP
			iface.Association = &types.InstanceNetworkInterfaceAssociation{PublicIp: &n.PublicIP}
		}
		o.NetworkInterfaces = []types.InstanceNetworkInterface{iface}
	}
	return o
}

func (d *database) sortedVolumes(instance string) (list []*volume) {
	all, _ := chosen(d.Volumes, nil, nil)
	for _, v := range all {
		if v.Instance == instance {
			list = append(list, v)
		}
	}
	return list
}

func (d *database) identifiers(ids []string) (list []types.GroupIdentifier) {
	for _, id := range ids {
		g := types.GroupIdentifier{GroupId: aws.String(id)}
		if o := d.Groups[id]; o != nil {
			g.GroupName = &o.Name
		}
		list = append(list, g)
	}
	return list
}

func describeInstances(r *request, in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
	list, err := chosen(r.db().Instances, in.InstanceIds, noInstance)
	if err != nil {
		return nil, err
	}
	var all []types.Reservation
	for _, i := range list {
		if r.forgotten(i) {
			if len(in.InstanceIds) > 0 {
				return nil, noInstance(i.ID)
			}
			continue
		}
		ok, err := matches(in.Filters, i.Tags, r.instanceFilter(i))
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, types.Reservation{OwnerId: &r.AccountID, Instances: []types.Instance{r.instance(i)}})
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 1000)
	return &ec2.DescribeInstancesOutput{Reservations: some, NextToken: next}, err
}

func (r *request) instanceFilter(i *instance) map[string][]string {
	groups := []string{}
	if n := r.interfaceOf(i); n != nil {
		groups = n.Groups
	}
	return map[string][]string{
		"instance-id": {i.ID}, "instance-state-name": {r.state(i)}, "instance-type": {i.Type}, "image-id": {i.Image},
		"client-token": {i.Token}, "key-name": {i.Key}, "availability-zone": {i.Zone},
		"subnet-id": {i.Subnet}, "network-interface.subnet-id": {i.Subnet}, "vpc-id": {i.VPC},
		"iam-instance-profile.arn": {i.Profile}, "iam-instance-profile.id": {i.ProfileID},
		"instance.group-id": groups, "network-interface.group-id": groups,
	}
}

func describeInstanceAttribute(r *request, in *ec2.DescribeInstanceAttributeInput) (*ec2.DescribeInstanceAttributeOutput, error) {
	i, err := r.find(aws.ToString(in.InstanceId))
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeInstanceAttributeOutput{InstanceId: &i.ID}
	switch in.Attribute {
	case types.InstanceAttributeNameDisableApiTermination:
		out.DisableApiTermination = &types.AttributeBooleanValue{Value: aws.Bool(i.NoTerminate)}
	case types.InstanceAttributeNameDisableApiStop:
		out.DisableApiStop = &types.AttributeBooleanValue{Value: aws.Bool(i.NoStop)}
	case types.InstanceAttributeNameUserData:
		out.UserData = &types.AttributeValue{}
		if i.UserData != "" {
			out.UserData.Value = aws.String(i.UserData)
		}
	case types.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		out.InstanceInitiatedShutdownBehavior = &types.AttributeValue{Value: aws.String(i.ShutdownBehavior)}
	case types.InstanceAttributeNameInstanceType:
		out.InstanceType = &types.AttributeValue{Value: aws.String(i.Type)}
	default:
		return nil, core.Fail("InvalidParameterValue", "the sandbox does not show the attribute %s", in.Attribute)
	}
	return out, nil
}

// hostAddress returns the n-th address of a subnet.
func hostAddress(cidr string, n int) string {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return ""
	}
	a := p.Addr()
	for range n {
		a = a.Next()
	}
	return a.String()
}
