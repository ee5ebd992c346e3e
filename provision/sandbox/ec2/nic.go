package ec2

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeNetworkInterfaces, core.Anything)
	core.Register(service, createNetworkInterface, createInterfaceAccess)
	core.Register(service, deleteNetworkInterface, deleteInterfaceAccess)
	core.Register(service, modifyNetworkInterfaceAttribute, interfaceAccess)
	core.Register(service, describeVolumes, core.Anything)
}

func noInterface(id string) error {
	return core.Fail("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", id)
}

func noVolume(id string) error {
	return core.Fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
}

func describeNetworkInterfaces(r *request, in *ec2.DescribeNetworkInterfacesInput) (*ec2.DescribeNetworkInterfacesOutput, error) {
	list, err := chosen(r.interfaces(), in.NetworkInterfaceIds, noInterface)
	if err != nil {
		return nil, err
	}
	var all []types.NetworkInterface
	for _, n := range list {
		if !r.exists(n) {
			if len(in.NetworkInterfaceIds) > 0 {
				return nil, noInterface(n.ID)
			}
			continue
		}
		ok, err := matches(in.Filters, n.Tags, map[string][]string{
			"group-id":               slices.Clone(n.Groups),
			"network-interface-id":   {n.ID},
			"attachment.instance-id": {n.Instance},
			"subnet-id":              {n.Subnet},
			"vpc-id":                 {n.VPC},
			"description":            {n.Description},
		})
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, r.shown(n))
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 1000)
	return &ec2.DescribeNetworkInterfacesOutput{NetworkInterfaces: some, NextToken: next}, err
}

// interfaces are all interfaces. Those of NAT gateways and VPC endpoints are EC2's own, and have no tags.
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html
func (r *request) interfaces() map[string]*nic {
	all := maps.Clone(r.db().Interfaces)
	for _, g := range r.db().NATs {
		if g.exists(r.Now) {
			n := &nic{ID: "eni-" + strings.TrimPrefix(g.ID, "nat-"), Description: "Interface for NAT Gateway " + g.ID, Subnet: g.Subnet, VPC: g.VPC, NAT: true}
			all[n.ID] = n
		}
	}
	for _, e := range r.db().Endpoints {
		for subnet, id := range e.Subnets {
			if e.exists(r.Now) {
				all[id] = &nic{ID: id, Description: "VPC Endpoint Interface " + e.ID, Subnet: subnet, VPC: e.VPC, Groups: e.Groups, Endpoint: true}
			}
		}
	}
	return all
}

// shown is an interface as EC2 shows it.
func (r *request) shown(n *nic) types.NetworkInterface {
	o := types.NetworkInterface{
		NetworkInterfaceId: &n.ID, Description: &n.Description, SubnetId: &n.Subnet, VpcId: &n.VPC,
		AvailabilityZone: &n.Zone, OwnerId: &r.AccountID, Groups: r.db().identifiers(n.Groups),
		PrivateIpAddress: &n.PrivateIP, InterfaceType: types.NetworkInterfaceTypeInterface,
		RequesterManaged: aws.Bool(false), Status: types.NetworkInterfaceStatusAvailable, TagSet: tagList(n.Tags),
	}
	if n.NAT {
		o.InterfaceType, o.RequesterManaged = types.NetworkInterfaceTypeNatGateway, aws.Bool(true)
	}
	if n.Endpoint {
		o.InterfaceType, o.RequesterManaged = types.NetworkInterfaceTypeVpcEndpoint, aws.Bool(true)
	}
	if n.Instance != "" || n.Task || n.NAT || n.Endpoint {
		o.Status = types.NetworkInterfaceStatusInUse
		o.Attachment = &types.NetworkInterfaceAttachment{
			InstanceOwnerId: &r.AccountID, DeviceIndex: aws.Int32(0),
			DeleteOnTermination: aws.Bool(true), Status: types.AttachmentStatusAttached,
		}
	}
	if n.Instance != "" {
		o.Attachment.InstanceId = &n.Instance
	}
	if n.PublicIP != "" {
		o.Association = &types.NetworkInterfaceAssociation{PublicIp: &n.PublicIP}
	}
	return o
}

// createNetworkInterface creates an interface that is attached to nothing.
func createNetworkInterface(r *request, in *ec2.CreateNetworkInterfaceInput) (*ec2.CreateNetworkInterfaceOutput, error) {
	d := r.db()
	s := d.Subnets[aws.ToString(in.SubnetId)]
	if s == nil {
		return nil, noSubnet(aws.ToString(in.SubnetId))
	}
	t, err := specified(in.TagSpecifications, types.ResourceTypeNetworkInterface)
	if err != nil {
		return nil, err
	}
	n := &nic{Description: aws.ToString(in.Description), Subnet: s.ID, VPC: s.VPC, Zone: s.Zone, Tags: t}
	groups := in.Groups
	if len(groups) == 0 {
		groups = []string{d.defaultGroup(s.VPC)}
	}
	if err := r.join(n, groups); err != nil {
		return nil, err
	}
	s.Used++
	n.ID, n.PrivateIP = r.ID("eni"), hostAddress(s.CIDR, 9+s.Used)
	d.Interfaces[n.ID] = n
	return &ec2.CreateNetworkInterfaceOutput{NetworkInterface: new(r.shown(n))}, nil
}

func deleteNetworkInterface(r *request, in *ec2.DeleteNetworkInterfaceInput) (*ec2.DeleteNetworkInterfaceOutput, error) {
	id := aws.ToString(in.NetworkInterfaceId)
	n := r.db().Interfaces[id]
	switch {
	case n == nil || !r.exists(n):
		return nil, noInterface(id)
	case n.Instance != "" || n.Task:
		return nil, core.Fail("InvalidNetworkInterface.InUse", "Network interface '%s' is currently in use.", id)
	}
	delete(r.db().Interfaces, id)
	return &ec2.DeleteNetworkInterfaceOutput{}, nil
}

func modifyNetworkInterfaceAttribute(r *request, in *ec2.ModifyNetworkInterfaceAttributeInput) (*ec2.ModifyNetworkInterfaceAttributeOutput, error) {
	n := r.db().Interfaces[aws.ToString(in.NetworkInterfaceId)]
	if n == nil || !r.exists(n) {
		return nil, noInterface(aws.ToString(in.NetworkInterfaceId))
	}
	if len(in.Groups) == 0 {
		return nil, core.Fail("InvalidParameterCombination", "the sandbox only changes the groups of an interface")
	}
	return &ec2.ModifyNetworkInterfaceAttributeOutput{}, r.join(n, in.Groups)
}

// join replaces the groups of an interface.
func (r *request) join(n *nic, groups []string) error {
	d := r.db()
	if n == nil {
		return core.Fail("IncorrectInstanceState", "The instance has no network interface.")
	}
	for _, id := range groups {
		switch g := d.Groups[id]; {
		case g == nil:
			return noGroup(id)
		case g.VPC != n.VPC:
			return core.Fail("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
		}
	}
	n.Groups = slices.Clone(groups)
	return nil
}

func describeVolumes(r *request, in *ec2.DescribeVolumesInput) (*ec2.DescribeVolumesOutput, error) {
	list, err := chosen(r.db().Volumes, in.VolumeIds, noVolume)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVolumesOutput{}
	for _, v := range list {
		ok, err := matches(in.Filters, v.Tags, map[string][]string{
			"attachment.instance-id": {v.Instance},
			"volume-id":              {v.ID},
			"encrypted":              {truth(v.Encrypted)},
		})
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		o := types.Volume{
			VolumeId: &v.ID, AvailabilityZone: &v.Zone, Size: &v.GiB, VolumeType: types.VolumeType(v.Type),
			Encrypted: &v.Encrypted, CreateTime: &v.Created, State: types.VolumeStateAvailable, Tags: tagList(v.Tags),
		}
		if v.Key != "" {
			o.KmsKeyId = &v.Key
		}
		if v.Instance != "" {
			o.State = types.VolumeStateInUse
			o.Attachments = []types.VolumeAttachment{{
				InstanceId: aws.String(v.Instance), VolumeId: &v.ID, Device: &v.Device,
				DeleteOnTermination: aws.Bool(v.Ends), State: types.VolumeAttachmentStateAttached,
			}}
		}
		out.Volumes = append(out.Volumes, o)
	}
	return out, nil
}
