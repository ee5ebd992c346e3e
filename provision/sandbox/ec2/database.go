// Package ec2 is the sandbox's EC2: networks, security groups, key pairs, images
// and instances.
//
// It reads instance profiles from iam. ssm asks it whether an instance runs
// (Running) and which AMI a public parameter names (PublicImage). machine runs what is
// on the instances (Machines).
package ec2

import (
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

var service = core.NewService("ec2", func(r *core.Request) *request { return &request{r} }, core.Rules{
	RegionOff: core.Fail("AuthFailure", "AWS was not able to validate the provided access credentials"),
	Denied: func(d core.Denial) error {
		return core.Fail("UnauthorizedOperation", "You are not authorized to perform this operation. %s. Encoded authorization failure message: %s", d.Text(), d.Encoded())
	},
})

var part = core.Regional("ec2", fresh, inventory)

// request is one call to EC2.
type request struct{ *core.Request }

func (r *request) db() *database { return part.In(r.Request) }

// gateways are the internet gateways. A file of an earlier version lacks that of the default VPC.
func (r *request) gateways() map[string]*gateway {
	d := r.db()
	if d.Gateways == nil {
		d.Gateways = fresh(r.Region).Gateways
	}
	return d.Gateways
}

// database is EC2's part of a region.
type database struct {
	VPCs       map[string]*vpc           `json:"vpcs"`
	Subnets    map[string]*subnet        `json:"subnets"`
	Routes     map[string]*routeTable    `json:"routes"`
	Gateways   map[string]*gateway       `json:"gateways,omitempty"` // nil in a file of an earlier version
	Addresses  map[string]*address       `json:"addresses,omitempty"`
	NATs       map[string]*natGateway    `json:"nats,omitempty"`
	Endpoints  map[string]*endpoint      `json:"endpoints,omitempty"`
	ACLs       map[string]*networkACL    `json:"acls,omitempty"`        // without the default ones
	EgressOnly map[string]*gateway       `json:"egress_only,omitempty"` // for IPv6
	VPNs       map[string]*gateway       `json:"vpns,omitempty"`
	Block      blockPublicAccess         `json:"block,omitzero"`
	Groups     map[string]*securityGroup `json:"groups"`
	Keys       map[string]*keyPair       `json:"keys"` // by name
	Instances  map[string]*instance      `json:"instances"`
	Volumes    map[string]*volume        `json:"volumes"`
	VolumeKey  string                    `json:"volume_key,omitempty"` // for volumes that name none; empty is AWS's own
	Interfaces map[string]*nic           `json:"interfaces"`
}

type vpc struct {
	ID      string    `json:"id"`
	CIDR    string    `json:"cidr"`
	Default bool      `json:"default"`
	NoDNS   bool      `json:"no_dns,omitempty"`
	NoNames bool      `json:"no_names,omitempty"` // no DNS host names for public addresses
	Tags    core.Tags `json:"tags"`
}

// gateway is an internet gateway.
type gateway struct {
	ID   string    `json:"id"`
	VPC  string    `json:"vpc"` // to which it is attached; may be empty
	Tags core.Tags `json:"tags"`
}

type subnet struct {
	ID          string    `json:"id"`
	VPC         string    `json:"vpc"`
	Zone        string    `json:"zone"`
	CIDR        string    `json:"cidr"`
	MapPublicIP bool      `json:"map_public_ip"`
	Default     bool      `json:"default"`
	Used        int       `json:"used"` // addresses assigned so far
	Tags        core.Tags `json:"tags"`
}

type routeTable struct {
	ID      string            `json:"id"`
	VPC     string            `json:"vpc"`
	Main    bool              `json:"main"`
	Gateway string            `json:"gateway"`        // the target of the default route; may be empty
	More    map[string]string `json:"more,omitempty"` // the targets of other routes, by destination
	Subnets map[string]string `json:"subnets"`        // by the id of their association
	Tags    core.Tags         `json:"tags,omitempty"`
	Token   string            `json:"token,omitempty"` // the client token of its creation
}

type securityGroup struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	VPC         string    `json:"vpc"`
	Ingress     []rule    `json:"ingress"`
	Egress      []rule    `json:"egress"`
	Tags        core.Tags `json:"tags"`
}

// rule is one permission: one source, one range of ports.
type rule struct {
	Protocol    string `json:"protocol"` // "tcp", "udp", "icmp", "-1", …
	From        int32  `json:"from"`
	To          int32  `json:"to"`
	CIDR        string `json:"cidr"`                  // IPv4 or IPv6, or
	Group       string `json:"group"`                 // another group
	Account     string `json:"account,omitempty"`     // of the group, if it belongs to another account
	PrefixList  string `json:"prefix_list,omitempty"` // or a prefix list
	Description string `json:"description"`
}

type keyPair struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	PublicKey   string    `json:"public_key"`
	Fingerprint string    `json:"fingerprint"`
	Type        string    `json:"type"`
	Created     time.Time `json:"created"`
	Tags        core.Tags `json:"tags"`
}

// image is one of AWS's AMIs. The sandbox has no others.
type image struct {
	ID           string
	Name         string
	Architecture string
	RootDevice   string
	RootGiB      int32
	Created      time.Time
}

type instance struct {
	ID               string    `json:"id"`
	Type             string    `json:"type"`
	Image            string    `json:"image"`
	Key              string    `json:"key"`
	Profile          string    `json:"profile"` // ARN; may be empty
	ProfileID        string    `json:"profile_id"`
	Association      string    `json:"association"` // id of the profile's association
	Subnet           string    `json:"subnet"`
	VPC              string    `json:"vpc"`
	Zone             string    `json:"zone"`
	State            string    `json:"state"` // the state at Since; see (*request).state
	Since            time.Time `json:"since"`
	Reason           string    `json:"reason"` // of the state
	Launched         time.Time `json:"launched"`
	ShutdownBehavior string    `json:"shutdown_behavior"`
	NoTerminate      bool      `json:"no_terminate"`
	NoStop           bool      `json:"no_stop"`
	Metadata         metadata  `json:"metadata"`
	UserData         string    `json:"user_data"` // base64
	Token            string    `json:"token"`
	Fingerprint      string    `json:"fingerprint"` // of the launch request, to compare repeated client tokens
	Tags             core.Tags `json:"tags"`
	Console          string    `json:"console,omitempty"` // what was written to it last
	ConsoleTime      time.Time `json:"console_time,omitzero"`
}

type metadata struct {
	Tokens       string `json:"tokens"`
	HopLimit     int32  `json:"hop_limit"`
	Endpoint     string `json:"endpoint"`
	InstanceTags string `json:"instance_tags"`
}

type volume struct {
	ID        string    `json:"id"`
	Instance  string    `json:"instance"`
	Device    string    `json:"device"`
	Zone      string    `json:"zone"`
	Type      string    `json:"type"`
	GiB       int32     `json:"gib"`
	Encrypted bool      `json:"encrypted"`
	Key       string    `json:"key,omitempty"` // of KMS
	Ends      bool      `json:"ends"`          // is deleted with its instance
	Created   time.Time `json:"created"`
	Tags      core.Tags `json:"tags"`
}

// nic is a network interface.
type nic struct {
	ID          string    `json:"id"`
	Instance    string    `json:"instance"`       // may be empty
	Task        bool      `json:"task,omitempty"` // of a task
	NAT         bool      `json:"-"`              // of a NAT gateway
	Endpoint    bool      `json:"-"`              // of a VPC endpoint
	Ends        time.Time `json:"ends,omitzero"`  // when that of a task disappears; zero if it is not known yet
	Description string    `json:"description"`
	Subnet      string    `json:"subnet"`
	VPC         string    `json:"vpc"`
	Zone        string    `json:"zone"`
	PrivateIP   string    `json:"private_ip"`
	PublicIP    string    `json:"public_ip"`
	Groups      []string  `json:"groups"`
	Tags        core.Tags `json:"tags"`
}
