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

// Instance is the one instance on which the agent runs.
//
// It is found by its owner tags. What an instance cannot change later (its type,
// image, volume, key, subnets and user data) makes it another instance: a new
// one is started, and as soon as it runs, the old one is terminated. Everything
// else is repaired in place.
type Instance struct {
	API       *ec2.Client
	ID        Identity
	Name      string
	Type      string
	ImageName string // in the spec's words: what it resolves to may change without consequence
	Image     provision.Ref[ImageState]
	Offer     provision.Ref[OfferState] // on demand; unset for a removal
	VolumeGiB int
	Key       provision.Ref[KeyPairState] // may be unset
	Profile   provision.Ref[ProfileState]
	Groups    []provision.Ref[SecurityGroupState] // none means the VPC's default group
	Network   provision.Ref[NetworkState]
	Refuge    provision.Ref[DefaultGroupsState] // on demand; for a deletion
	UserData  func() string                     // in plain text; nil means none

	// What the spec names of what is not ours, to which a policy can be narrowed.
	Subnets []string // ids; none if any public one will do
	KeyName string   // of an existing key pair

	// After are steps that must be done before the agent starts.
	After []provision.Edge
}

// InstanceState is what there is of the agent: one machine, or for the time of
// a roll-over several.
type InstanceState struct {
	Machine           // the one to talk to: the newest that runs, or else the newest
	Others  []Machine // all others, oldest first

	offer OfferState // known only if no machine has the type
}

// Machine is one instance.
type Machine struct {
	ID, State, Reason   string // Reason says why it is in this state
	Type, ImageID, Key  string
	VPC, Subnet, Zone   string
	PublicIP, PrivateIP string
	Profile, ProfileID  string // the instance profile's ARN, and its unique id
	Interface           string // the first network interface
	Groups              []string
	Volumes             []string
	Metadata            string // how its metadata service can be used
	Launched            time.Time
	Launch              string // what it was launched with; see launchTag
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

// ends reports whether the machine is on its way out.
func (m Machine) ends() bool { return m.State == "shutting-down" || m.State == "terminated" }

// all are the machines, oldest first.
func (s InstanceState) all() []Machine {
	if s.ID == "" {
		return nil
	}
	list := append(slices.Clone(s.Others), s.Machine)
	slices.SortFunc(list, older)
	return list
}

func older(a, b Machine) int { return cmp.Or(a.Launched.Compare(b.Launched), cmp.Compare(a.ID, b.ID)) }

// live are the machines that are there to stay, oldest first.
func (s InstanceState) live() []Machine { return slices.DeleteFunc(s.all(), Machine.ends) }

// Patience implements provision.Patient: EC2 may take minutes to start an
// instance, to show it, and to end it.
func (Instance) Patience() time.Duration { return 5 * time.Minute }

// Read implements provision.Resource. A machine that is shutting down still
// counts: down has to wait for its end. A terminated one does not, though EC2
// shows it for an hour.
func (i Instance) Read(ctx context.Context) (s InstanceState, err error) {
	pages := ec2.NewDescribeInstancesPaginator(i.API, &ec2.DescribeInstancesInput{Filters: []types.Filter{
		filter("tag:"+KeyEnvironment, i.ID.Env), filter("tag:"+KeyRegion, i.ID.Region),
		filter("instance-state-name", "pending", "running", "stopping", "stopped", "shutting-down"),
	}})
	var list []Machine
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s, fmt.Errorf("read instance: %w", err)
		}
		for _, r := range page.Reservations {
			for _, o := range r.Instances {
				list = append(list, machineOf(o))
			}
		}
	}
	if i.Offer.Set() && !slices.ContainsFunc(list, func(m Machine) bool { return !m.ends() && m.Type == i.Type }) {
		if s.offer, err = i.Offer.Await(ctx); err != nil {
			return s, err
		}
	}
	if len(list) == 0 {
		return s, fmt.Errorf("read instance: %w", provision.ErrAbsent)
	}
	// Beside ours, somebody else's under our environment's name does not matter.
	ours := func(m Machine) bool { return m.Tags.Owner().By == i.ID.Owner() }
	if slices.ContainsFunc(list, ours) {
		list = slices.DeleteFunc(list, func(m Machine) bool { return !ours(m) })
	}
	slices.SortFunc(list, older)
	at := len(list) - 1
	for n, m := range slices.Backward(list) {
		if m.State == "running" {
			at = n
			break
		}
	}
	s.Machine = list[at]
	for n, m := range list {
		if n != at {
			s.Others = append(s.Others, m)
		}
	}
	return s, nil
}

func machineOf(o types.Instance) Machine {
	m := Machine{
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
		if id := deref(p.Id); !strings.HasPrefix(id, "iip-assoc-") { // moto has the association's id here
			m.ProfileID = id
		}
	}
	for _, n := range o.NetworkInterfaces {
		if n.Attachment == nil || deref(n.Attachment.DeviceIndex) == 0 {
			m.Interface = deref(n.NetworkInterfaceId)
			for _, g := range n.Groups {
				m.Groups = append(m.Groups, deref(g.GroupId))
			}
		}
	}
	for _, b := range o.BlockDeviceMappings {
		if b.Ebs != nil {
			m.Volumes = append(m.Volumes, deref(b.Ebs.VolumeId))
		}
	}
	slices.Sort(m.Groups)
	return m
}

// Discover implements Discoverer. What is shutting down is as good as gone.
func (i Instance) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	pages := ec2.NewDescribeInstancesPaginator(i.API, &ec2.DescribeInstancesInput{Filters: []types.Filter{
		anyOfOurs(), filter("instance-state-name", "pending", "running", "stopping", "stopped"),
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

// wantMetadata is IMDSv2 without a way for containers to reach it.
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

// Explain implements provision.Explainer. If there is no instance, it looks for
// one that has just ended: a launch may succeed, and the instance fail to start,
// for example because the account has no room for its volume.
func (i Instance) Explain(ctx context.Context, have InstanceState) string {
	list := have.all()
	if len(list) == 0 {
		list = i.ended(ctx)
	}
	var said []string
	for _, m := range list {
		s := m.ID + " is " + m.State
		if m.Reason != "" {
			s += ": " + m.Reason
		}
		said = append(said, s)
	}
	return strings.Join(said, "; ")
}

const justNow = 15 * time.Minute // longer than a run waits for an instance

// ended is the newest instance of ours that has ended, if it is not long ago.
func (i Instance) ended(ctx context.Context) []Machine {
	list, err := i.find(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{
		filter("tag:"+KeyEnvironment, i.ID.Env), filter("tag:"+KeyRegion, i.ID.Region), filter("instance-state-name", "terminated"),
	}})
	if err != nil || len(list) == 0 {
		return nil
	}
	m := slices.MaxFunc(list, older)
	if time.Since(m.Launched) > justNow || m.Tags.Owner().By != i.ID.Owner() {
		return nil
	}
	return []Machine{m}
}
