package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

func init() { core.Register(service, runInstances, runAccess) }

// runInstances starts one instance. As on AWS, it looks at the client token first:
// a repeated request returns the instance that it created, even if it would fail
// now. A failed request does not use up its token.
func runInstances(r *request, in *ec2.RunInstancesInput) (*ec2.RunInstancesOutput, error) {
	if aws.ToInt32(in.MinCount) != 1 || aws.ToInt32(in.MaxCount) != 1 {
		return nil, core.Fail("InvalidParameterValue", "the sandbox starts one instance at a time")
	}
	l := launch{request: r, d: r.db(), in: in, print: fingerprint(in)}
	steps := []func() error{l.place, l.token, l.sold, l.software, l.access, l.identity, l.userData, l.disks, l.labels}
	for _, check := range steps {
		if err := check(); err != nil {
			return nil, err
		}
		if l.earlier != nil {
			return &ec2.RunInstancesOutput{OwnerId: &r.AccountID, Instances: []types.Instance{r.instance(l.earlier)}}, nil
		}
	}
	i := l.start()
	out := &ec2.RunInstancesOutput{OwnerId: &r.AccountID, Instances: []types.Instance{r.instance(i)}}
	if why := r.undecrypted(i); why != "" { // the reply does not tell yet
		r.end(i, why)
	}
	return out, nil
}

// fingerprint returns a hash that is equal for equal requests.
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

// launch is a request to run an instance. Its checks fill in the fields.
type launch struct {
	*request
	d       *database
	in      *ec2.RunInstancesInput
	print   string
	earlier *instance // created by an earlier request with this token

	subnet   *subnet
	public   bool
	groups   []string
	about    string // of the interface
	image    *image
	profile  *iam.Profile
	volumes  []*volume
	own      core.Tags
	ofDisk   core.Tags
	ofIface  core.Tags
	metadata metadata
}

// place finds the subnet and the groups. Either the interface or the request itself
// names them, but not both.
func (l *launch) place() error {
	id, groups := aws.ToString(l.in.SubnetId), l.in.SecurityGroupIds
	var iface *types.InstanceNetworkInterfaceSpecification
	switch len(l.in.NetworkInterfaces) {
	case 0:
	case 1:
		iface = &l.in.NetworkInterfaces[0]
		if id != "" || len(groups) > 0 {
			return core.Fail("InvalidParameterCombination", "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request")
		}
		id, groups, l.about = aws.ToString(iface.SubnetId), iface.Groups, aws.ToString(iface.Description)
	default:
		return core.Fail("InvalidParameterValue", "the sandbox attaches one interface")
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
	return l.enter(groups)
}

// enter sets the interface's groups, by default the VPC's default group.
func (l *launch) enter(groups []string) error {
	l.groups = slices.Clone(groups)
	for _, g := range groups {
		switch o := l.d.Groups[g]; {
		case o == nil:
			return noGroup(g)
		case o.VPC != l.subnet.VPC:
			return core.Fail("InvalidParameter", "Security group %s and subnet %s belong to different networks.", g, l.subnet.ID)
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
		return core.Fail("MissingInput", "No subnets found for the default VPC '%s'. Please specify a subnet.", v.ID)
	}
	return nil
}

func (d *database) defaultGroup(vpc string) string {
	for _, g := range d.Groups {
		if g.VPC == vpc && g.Name == "default" {
			return g.ID
		}
	}
	return ""
}

// token looks for an earlier request. A token is valid in the zone of the subnet:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html
func (l *launch) token() error {
	token := aws.ToString(l.in.ClientToken)
	if len(token) > 64 {
		return core.Fail("InvalidParameterValue", "Value (%s) for parameter clientToken is invalid. It must have at most 64 ASCII characters.", token)
	}
	for _, id := range slices.Sorted(maps.Keys(l.d.Instances)) {
		i := l.d.Instances[id]
		if token == "" || i.Token != token || i.Zone != l.subnet.Zone {
			continue
		}
		switch {
		case i.Fingerprint != l.print:
			return core.Fail("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
		case l.state(i) == "terminated":
			return core.Fail("IdempotentInstanceTerminated", "The client token you have provided is associated with a terminated instance. Please use a different client token.")
		}
		l.earlier = i
	}
	return nil
}

func (l *launch) start() *instance {
	i := &instance{
		ID: l.ID("i"), Type: string(l.in.InstanceType), Image: l.image.ID, Key: aws.ToString(l.in.KeyName),
		Subnet: l.subnet.ID, VPC: l.subnet.VPC, Zone: l.subnet.Zone,
		State: "pending", Since: l.Now, Launched: l.Now.UTC().Truncate(time.Second),
		ShutdownBehavior: "stop", NoTerminate: aws.ToBool(l.in.DisableApiTermination), NoStop: aws.ToBool(l.in.DisableApiStop),
		Metadata: l.metadata, UserData: aws.ToString(l.in.UserData),
		Token: aws.ToString(l.in.ClientToken), Fingerprint: l.print, Tags: l.own,
	}
	if b := l.in.InstanceInitiatedShutdownBehavior; b != "" {
		i.ShutdownBehavior = string(b)
	}
	if l.profile != nil {
		i.Profile, i.ProfileID, i.Association = l.profile.ARN, l.profile.ID, l.ID("iip-assoc")
	}
	for _, v := range l.volumes {
		v.ID, v.Instance, v.Zone, v.Created, v.Tags = l.ID("vol"), i.ID, i.Zone, l.Now, maps.Clone(l.ofDisk)
		l.d.Volumes[v.ID] = v
	}
	l.subnet.Used++
	n := &nic{
		ID: l.ID("eni"), Instance: i.ID, Description: l.about, Subnet: l.subnet.ID, VPC: l.subnet.VPC, Zone: l.subnet.Zone,
		PrivateIP: hostAddress(l.subnet.CIDR, 9+l.subnet.Used), Groups: l.groups, Tags: l.ofIface,
	}
	if l.public { // from the range reserved for documentation
		n.PublicIP = fmt.Sprintf("203.0.113.%d", 10+l.Serial()%240)
	}
	l.d.Interfaces[n.ID] = n
	l.d.Instances[i.ID] = i
	return i
}
