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
// An instance is ours if it has our tags and our instance profile. Tags alone prove nothing:
// the EC2 console copies them in "Launch more like this". If its type, image, volume, key, subnet or user data
// differ, up replaces the instance: it launches a new one, and terminates the old one as
// soon as the new one is running. Up repairs all other drift in place.
type Instance struct {
	API       *ec2.Client
	ID        Identity
	Name      string
	Type      string
	ImageName string // as in the spec; a newer AMI with this name does not replace the instance
	Image     provision.Ref[ImageState]
	Offering  provision.Ref[OfferingState] // on demand; unset for down
	VolumeGiB int
	VolumeKey provision.Ref[KMSKeyState]          // that encrypts the volume; may be unset
	Key       provision.Ref[KeyPairState]         // may be unset
	Profile   provision.Ref[ProfileState]         // of the environment
	Groups    []provision.Ref[SecurityGroupState] // none means the VPC's default group

	// OtherGroups are the ids of those that the spec names.
	OtherGroups []string
	Network     provision.Ref[NetworkState]
	UserData    func() string             // in plain text; nil means none
	Shown       func() string             // UserData with words in place of what is not known yet; may be nil
	Causes      Causes                    // of user data that differ; may be nil
	Events      provision.Ref[QueueState] // the queue that the agent looks for when it starts; may be unset

	// Lent is an external profile that the instance gets instead; may be unset. Others may
	// have it, too, so it does not tell whose an instance is; see lent.
	Lent provision.Ref[ProfileState]

	// The external objects that the spec names. A policy can be limited to them.
	Subnets []string // ids; empty means all public subnets of the VPC
	KeyName string   // of an existing key pair

	// After are steps that must be done before the agent starts.
	After []provision.Edge

	Public   func() bool // whether it gets a public address, as far as that is known; for Costs
	Launched *Launched   // by this run; may be nil

	ignored provision.Fields
}

// InstanceState is the actual state of the agent: one EC2 instance, or several during a
// replacement.
type InstanceState struct {
	EC2Instance               // the newest that is running, or else the newest
	Others      []EC2Instance // all others, oldest first

	Doubtful []Doubtful // those that are not certainly ours
	Guests   []Doubtful // those that are certainly not ours, in one of our groups

	offering OfferingState // read only if no instance has the desired type
	running  runningScript // read only by Detail
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
	Volumes             []string // those that EC2 deletes with it
	Metadata            string   // the options of its metadata service
	Launched            time.Time
	Launch              string // its launch specification; see launchTag
	Token               string // the client token of its launch
	Tags                Tags
}

var (
	_ Kind[InstanceState]                    = Instance{}
	_ Discoverer                             = Instance{}
	_ provision.Patient                      = Instance{}
	_ provision.DeletePatient                = Instance{}
	_ provision.Validator[InstanceState]     = Instance{}
	_ provision.DeleteChecker[InstanceState] = Instance{}
	_ provision.Explainer[InstanceState]     = Instance{}
	_ provision.Detailer[InstanceState]      = Instance{}
	_ provision.Keeper[InstanceState]        = Instance{}
	_ provision.Labelled                     = InstanceState{}
	_ provision.Named                        = Instance{}
	_ provision.Ignorer[InstanceState]       = Instance{}
)

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

// Patience implements provision.Patient: EC2 may take minutes to start an instance, and to
// show it.
func (Instance) Patience() time.Duration { return 5 * time.Minute }

// DeletePatience implements provision.DeletePatient: EC2 waits for the instance's own shutdown.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/TroubleshootingInstancesShuttingDown.html
func (Instance) DeletePatience() time.Duration { return leaves }

func ec2InstanceOf(o types.Instance) EC2Instance {
	m := EC2Instance{
		ID: deref(o.InstanceId), Type: string(o.InstanceType), ImageID: deref(o.ImageId), Key: deref(o.KeyName),
		VPC: deref(o.VpcId), Subnet: deref(o.SubnetId), PublicIP: deref(o.PublicIpAddress), PrivateIP: deref(o.PrivateIpAddress),
		Token: deref(o.ClientToken), Launched: deref(o.LaunchTime), Metadata: metadataOf(o.MetadataOptions), Tags: ec2Tags(o.Tags),
	}
	m.Launch, m.State = m.Tags[KeyLaunch], string(deref(o.State).Name)
	m.Reason, m.Zone = deref(deref(o.StateReason).Message), deref(deref(o.Placement).AvailabilityZone)
	if p := o.IamInstanceProfile; p != nil {
		m.Profile = deref(p.Arn)
		if id := deref(p.Id); !strings.HasPrefix(id, "iip-assoc-") { // moto returns the association's id here
			m.ProfileID = id
		}
	}
	groups := o.SecurityGroups // of the first interface; EC2 may not show the interface yet
	for _, n := range o.NetworkInterfaces {
		if deref(deref(n.Attachment).DeviceIndex) == 0 {
			m.Interface, groups = deref(n.NetworkInterfaceId), n.Groups
		}
	}
	for _, g := range groups {
		m.Groups = append(m.Groups, deref(g.GroupId))
	}
	for _, b := range o.BlockDeviceMappings {
		// Not one that somebody has attached: EC2 keeps that when it ends the instance.
		if b.Ebs != nil && (deref(deref(b.Ebs).DeleteOnTermination) || deref(b.DeviceName) == deref(o.RootDeviceName)) {
			m.Volumes = append(m.Volumes, deref(deref(b.Ebs).VolumeId))
		}
	}
	slices.Sort(m.Groups)
	return m
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
	return strings.Join(states, "; ") + i.keyHint(ctx, list)
}

// keyHint says what to look at if EC2 ended an instance whose volume a customer's key encrypts. For
// a key that whoever launches may not use, EC2 gives no better reason than an internal error.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
func (i Instance) keyHint(ctx context.Context, list []EC2Instance) string {
	if !slices.ContainsFunc(list, func(m EC2Instance) bool {
		return strings.HasPrefix(m.Reason, "Client.InvalidKMSKey") || strings.HasPrefix(m.Reason, "Client.InternalError")
	}) {
		return ""
	}
	key := keyARN(i.VolumeKey)
	if o, err := i.Offering.Await(ctx); key == "" && err == nil {
		key = o.key
	}
	if key == "" {
		return ""
	}
	return " → check that EC2 can use the key " + key + ": `flowbed doctor` reads its state and its policy"
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
