package resource

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
)

// Instance is the EC2 instance of the agent. An environment has one.
//
// Read finds it by its owner tags. If its type, image, volume, key, subnet or user data
// differ, up replaces the instance: it launches a new one, and terminates the old one as
// soon as the new one is running. Up repairs all other drift in place.
type Instance struct {
	API           *ec2.Client
	ID            Identity
	Name          string
	Type          string
	ImageName     string // as in the spec; a newer AMI with this name does not replace the instance
	Image         provision.Ref[ImageState]
	Offering      provision.Ref[OfferingState] // on demand; unset for down
	VolumeGiB     int
	Key           provision.Ref[KeyPairState] // may be unset
	Profile       provision.Ref[ProfileState]
	Groups        []provision.Ref[SecurityGroupState] // none means the VPC's default group
	Network       provision.Ref[NetworkState]
	DefaultGroups provision.Ref[DefaultGroupsState] // on demand, for Delete
	UserData      func() string                     // in plain text; nil means none
	Events        provision.Ref[QueueState]         // the queue that the agent looks for when it starts; may be unset

	// The external objects that the spec names. A policy can be limited to them.
	Subnets []string // ids; empty means all public subnets of the VPC
	KeyName string   // of an existing key pair

	// After are steps that must be done before the agent starts.
	After []provision.Edge
}

// InstanceState is the actual state of the agent: one EC2 instance, or several during a
// replacement.
type InstanceState struct {
	EC2Instance               // the newest that is running, or else the newest
	Others      []EC2Instance // all others, oldest first

	offering OfferingState // read only if no instance has the desired type
}

// EC2Instance is one EC2 instance.
type EC2Instance struct {
	ID, State, Reason   string // Reason tells why it is in this state
	Type, ImageID, Key  string
	VPC, Subnet, Zone   string
	PublicIP, PrivateIP string
	Profile, ProfileID  string // the ARN and the unique id of the instance profile
	Interface           string // the first network interface
	Groups              []string
	Volumes             []string
	Metadata            string // the options of its metadata service
	Launched            time.Time
	Launch              string // its launch specification; see launchTag
	Tags                Tags
}

var (
	_ Kind[InstanceState]                    = Instance{}
	_ Discoverer                             = Instance{}
	_ provision.Patient                      = Instance{}
	_ provision.Validator[InstanceState]     = Instance{}
	_ provision.DeleteChecker[InstanceState] = Instance{}
	_ provision.Explainer[InstanceState]     = Instance{}
	_ provision.Labelled                     = InstanceState{}
)

// Owner implements provision.State.
func (s InstanceState) Owner() provision.Owner { return s.Tags.Owner() }

// terminating reports whether the instance is shutting down or terminated.
func (m EC2Instance) terminating() bool { return m.State == "shutting-down" || m.State == "terminated" }

// all returns all instances, oldest first.
func (s InstanceState) all() []EC2Instance {
	if s.ID == "" {
		return nil
	}
	list := append(slices.Clone(s.Others), s.EC2Instance)
	slices.SortFunc(list, older)
	return list
}

func older(a, b EC2Instance) int {
	return cmp.Or(a.Launched.Compare(b.Launched), cmp.Compare(a.ID, b.ID))
}

// live returns the instances that are not terminating, oldest first.
func (s InstanceState) live() []EC2Instance {
	return slices.DeleteFunc(s.all(), EC2Instance.terminating)
}

// Patience implements provision.Patient: EC2 may take minutes to start an instance, to
// show it, and to terminate it.
func (Instance) Patience() time.Duration { return 5 * time.Minute }

// Read implements provision.Resource. It includes instances that are shutting down,
// because down must wait for them. It leaves out terminated ones, which EC2 still shows
// for an hour.
func (i Instance) Read(ctx context.Context) (s InstanceState, err error) {
	pages := ec2.NewDescribeInstancesPaginator(i.API, &ec2.DescribeInstancesInput{Filters: []types.Filter{
		filter("tag:"+KeyEnvironment, i.ID.Env), filter("tag:"+KeyRegion, i.ID.Region),
		filter("instance-state-name", "pending", "running", "stopping", "stopped", "shutting-down"),
	}})
	var list []EC2Instance
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s, fmt.Errorf("read instance: %w", err)
		}
		for _, r := range page.Reservations {
			for _, o := range r.Instances {
				list = append(list, ec2InstanceOf(o))
			}
		}
	}
	if i.Offering.Set() && !slices.ContainsFunc(list, func(m EC2Instance) bool { return !m.terminating() && m.Type == i.Type }) {
		if s.offering, err = i.Offering.Await(ctx); err != nil {
			return s, err
		}
	}
	if len(list) == 0 {
		return s, fmt.Errorf("read instance: %w", provision.ErrAbsent)
	}
	// If we have an instance, ignore those of others with the name of our environment.
	ours := func(m EC2Instance) bool { return m.Tags.Owner().By == i.ID.Owner() }
	if slices.ContainsFunc(list, ours) {
		list = slices.DeleteFunc(list, func(m EC2Instance) bool { return !ours(m) })
	}
	slices.SortFunc(list, older)
	at := len(list) - 1
	for n, m := range slices.Backward(list) {
		if m.State == "running" {
			at = n
			break
		}
	}
	s.EC2Instance = list[at]
	for n, m := range list {
		if n != at {
			s.Others = append(s.Others, m)
		}
	}
	return s, nil
}

func ec2InstanceOf(o types.Instance) EC2Instance {
	m := EC2Instance{
		ID: deref(o.InstanceId), Type: string(o.InstanceType), ImageID: deref(o.ImageId), Key: deref(o.KeyName),
		VPC: deref(o.VpcId), Subnet: deref(o.SubnetId), PublicIP: deref(o.PublicIpAddress), PrivateIP: deref(o.PrivateIpAddress),
		Launched: deref(o.LaunchTime), Metadata: metadataOf(o.MetadataOptions), Tags: ec2Tags(o.Tags),
	}
	m.Launch = m.Tags[KeyLaunch]
	if o.State != nil {
		m.State = string(o.State.Name)
	}
	if o.StateReason != nil {
		m.Reason = deref(o.StateReason.Message)
	}
	if o.Placement != nil {
		m.Zone = deref(o.Placement.AvailabilityZone)
	}
	if p := o.IamInstanceProfile; p != nil {
		m.Profile = deref(p.Arn)
		if id := deref(p.Id); !strings.HasPrefix(id, "iip-assoc-") { // moto returns the association's id here
			m.ProfileID = id
		}
	}
	groups := o.SecurityGroups // of the first interface; EC2 may not show the interface yet
	for _, n := range o.NetworkInterfaces {
		if n.Attachment == nil || deref(n.Attachment.DeviceIndex) == 0 {
			m.Interface, groups = deref(n.NetworkInterfaceId), n.Groups
		}
	}
	for _, g := range groups {
		m.Groups = append(m.Groups, deref(g.GroupId))
	}
	for _, b := range o.BlockDeviceMappings {
		if b.Ebs != nil {
			m.Volumes = append(m.Volumes, deref(b.Ebs.VolumeId))
		}
	}
	slices.Sort(m.Groups)
	return m
}

// Discover implements Discoverer. It leaves out instances that are shutting down.
func (i Instance) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	pages := ec2.NewDescribeInstancesPaginator(i.API, &ec2.DescribeInstancesInput{Filters: []types.Filter{
		hasOwnerTag(), filter("instance-state-name", "pending", "running", "stopping", "stopped"),
	}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list instances in %s: %w", i.ID.Region, err)
		}
		for _, r := range page.Reservations {
			for _, o := range r.Instances {
				list = append(list, Found{
					Kind: "instance", Name: deref(o.InstanceId), Created: deref(o.LaunchTime), Tags: ec2Tags(o.Tags),
				})
			}
		}
	}
	return list, nil
}

// wantMetadata requires IMDSv2 and keeps containers from reaching it.
const wantMetadata = "on, token required, hop limit 1"

func metadataOf(o *types.InstanceMetadataOptionsResponse) string {
	if o == nil {
		return ""
	}
	on := "on"
	if o.HttpEndpoint == types.InstanceMetadataEndpointStateDisabled {
		on = "off"
	}
	return fmt.Sprintf("%s, token %s, hop limit %d", on, o.HttpTokens, deref(o.HttpPutResponseHopLimit))
}

// Explain implements provision.Explainer. If there is no instance, it looks for one that
// has just terminated: after a successful launch, the instance may fail to start, for
// example because the account is at its volume quota.
func (i Instance) Explain(ctx context.Context, have InstanceState) string {
	list := have.all()
	if len(list) == 0 {
		list = i.recentlyTerminated(ctx)
	}
	var states []string
	for _, m := range list {
		s := m.ID + " is " + m.State
		if m.Reason != "" {
			s += ": " + m.Reason
		}
		states = append(states, s)
	}
	return strings.Join(states, "; ")
}

const recent = 15 * time.Minute // longer than a run waits for an instance

// recentlyTerminated returns our newest terminated instance, if its launch was recent.
func (i Instance) recentlyTerminated(ctx context.Context) []EC2Instance {
	list, err := i.find(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{
		filter("tag:"+KeyEnvironment, i.ID.Env), filter("tag:"+KeyRegion, i.ID.Region), filter("instance-state-name", "terminated"),
	}})
	if err != nil || len(list) == 0 {
		return nil
	}
	m := slices.MaxFunc(list, older)
	if time.Since(m.Launched) > recent || m.Tags.Owner().By != i.ID.Owner() {
		return nil
	}
	return []EC2Instance{m}
}
