package resource

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Create implements provision.Resource.
func (i Instance) Create(ctx context.Context) (*InstanceState, error) { return nil, i.launch(ctx) }

// launch launches an instance in the first zone that has capacity.
func (i Instance) launch(ctx context.Context) error {
	n, ok := i.Network.Get()
	if !ok {
		return errors.New("launch: the subnets are not known")
	}
	o, err := i.Offering.Await(ctx)
	if err != nil {
		return err
	}
	if o.deviceErr != nil {
		return o.deviceErr
	}
	if text := i.unavailable(o); text != "" {
		return errors.New(text)
	}
	for _, n := range o.keyNotes { // EC2 would launch the instance, and end it
		if n.Severity == provision.Error {
			return errors.New(n.Text)
		}
	}
	var full error
	for _, s := range n.Subnets {
		if !o.offers(s.Zone) {
			continue
		}
		if stopped := provision.Stopped(ctx); stopped != nil {
			return stopped
		}
		in, err := i.request(s, o.device)
		if err != nil {
			return err
		}
		if err = i.run(ctx, in); err == nil {
			return nil
		}
		if awserr.Classify(err) != awserr.Capacity {
			return i.launchError(ctx, err)
		}
		full = fmt.Errorf("launch in %s: %w", s.Zone, err)
	}
	return full
}

// request returns the launch request without its client token.
func (i Instance) request(s Subnet, device string) (*ec2.RunInstancesInput, error) {
	image, _ := i.Image.Get()
	profile, ok := i.profile().Get()
	groups, known := i.groups()
	if !ok || !known {
		return nil, errors.New("launch: the instance profile or a security group is not known")
	}
	if _, ok := i.Events.Get(); i.Events.Set() && !ok {
		return nil, errors.New("launch: the event queue is not known")
	}
	tags := i.ID.Tags(i.Name)
	instanceTags := i.ID.Tags(i.Name)
	instanceTags[KeyLaunch] = i.launchTag()
	volume := &types.EbsBlockDevice{
		VolumeSize: new(int32(i.VolumeGiB)), VolumeType: types.VolumeTypeGp3, Encrypted: new(true), DeleteOnTermination: new(true),
	}
	if key := keyARN(i.VolumeKey); key != "" {
		volume.KmsKeyId = &key
	}
	in := &ec2.RunInstancesInput{
		MinCount: new(int32(1)), MaxCount: new(int32(1)), InstanceType: types.InstanceType(i.Type), ImageId: &image.ID,
		IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: &profile.Name},
		// Only a network interface can request a public address. The groups must then be
		// in the interface, too.
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: new(int32(0)), SubnetId: &s.ID, Groups: groups, AssociatePublicIpAddress: &s.Public,
			DeleteOnTermination: new(true), Description: &i.Name,
		}},
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: &device, Ebs: volume}},
		MetadataOptions: &types.InstanceMetadataOptionsRequest{
			HttpEndpoint: types.InstanceMetadataEndpointStateEnabled, HttpTokens: types.HttpTokensStateRequired,
			HttpPutResponseHopLimit: new(int32(1)),
		},
		InstanceInitiatedShutdownBehavior: i.onShutdown(),
		TagSpecifications: append(ec2TagsFor(instanceTags, types.ResourceTypeInstance),
			ec2TagsFor(tags, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface)...),
	}
	if k, ok := i.Key.Get(); ok {
		in.KeyName = &k.Name
	}
	if u := i.userData(); u != "" {
		in.UserData = new(base64.StdEncoding.EncodeToString([]byte(u)))
	}
	return in, nil
}

// onShutdown is what EC2 does when the instance shuts itself down. In an environment with
// a ttl, it does so on expiry, and then must not cost anything.
func (i Instance) onShutdown() types.ShutdownBehavior {
	if i.ID.Life != nil {
		return types.ShutdownBehaviorTerminate
	}
	return types.ShutdownBehaviorStop
}

const (
	maxGenerations = 1000 // limits the search for a token; EC2 forgets used tokens after a day
	maxChanged     = 5    // how many live instances of earlier launches may no longer be the agent
)

// run launches one instance, or finds the one that an earlier run launched with the same
// request. RunInstances is the only call that can create a duplicate without an error,
// and a new instance may be invisible for many seconds.
//
// So the client token is not random: it follows from the request, and a second run after
// a killed one sends the same token. EC2 rejects the token of a terminated instance; then
// the next generation is tried. Each run starts at generation 0, so all runs find the same
// first free token.
func (i Instance) run(ctx context.Context, in *ec2.RunInstancesInput) error {
	changed := 0
	for generation := range maxGenerations {
		if stopped := provision.Stopped(ctx); stopped != nil {
			return stopped
		}
		in.ClientToken = new(i.token(in, generation))
		m, done, err := i.try(ctx, in)
		if err != nil || done {
			return err
		}
		if m.ID != "" && !m.terminating() {
			changed++
		}
		if changed > maxChanged {
			return fmt.Errorf("launch: somebody changed %d instances that were launched as %s, such as %s → terminate them, or restore their tags",
				changed, i.Name, m.ID)
		}
	}
	return fmt.Errorf("launch: EC2 still remembers %d earlier launches with these exact settings, so it refuses another → try again in a day, or change the agent block", maxGenerations)
}

// try sends the request with one token. It returns done as false if the token belongs to
// an instance that is not the agent, and returns that instance as m if EC2 shows it.
func (i Instance) try(ctx context.Context, in *ec2.RunInstancesInput) (m EC2Instance, done bool, err error) {
	out, err := i.API.RunInstances(ctx, in)
	switch awserr.Code(err) {
	case "IdempotentInstanceTerminated":
		return m, false, nil
	case "IdempotentParameterMismatch":
		// For EC2, this is not the same request.
		done, err = i.launchedWith(ctx, *in.ClientToken)
		return m, done, err
	}
	if err != nil {
		return m, false, fmt.Errorf("launch: %w", err)
	}
	if len(out.Instances) == 0 {
		return m, false, errors.New("launch: the reply from EC2 contains no instance")
	}
	m = ec2InstanceOf(out.Instances[0])
	if done, err = i.usable(ctx, m); done {
		i.Launched.add(m.ID)
	}
	return m, done, err
}

const tokenPrefix = "flowbed-"

// token is the client token for a request. EC2 allows 64 ASCII characters.
func (i Instance) token(in *ec2.RunInstancesInput, generation int) string {
	c := *in
	c.ClientToken = nil
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // the SDK's inputs are plain data
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d\n%s", i.ID.Account, i.ID.Region, i.ID.Env, generation, b))
	return tokenPrefix + hex.EncodeToString(h[:24])
}

// launchedWith reports whether a token belongs to an instance that is the agent.
func (i Instance) launchedWith(ctx context.Context, token string) (bool, error) {
	list, err := i.find(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{filter("client-token", token)}})
	return slices.ContainsFunc(list, i.isAgent), err
}

// usable reports whether the instance in the reply to a launch is the agent. It is not if
// an earlier launch used the token and the instance is terminating, or if somebody changed
// its configuration or its owner tags since. The reply alone does not prove a change:
// usable reads the instance again, and takes a pending one for the agent, because a second
// instance would be worse.
func (i Instance) usable(ctx context.Context, m EC2Instance) (bool, error) {
	if m.terminating() || i.isAgent(m) {
		return !m.terminating(), nil
	}
	list, err := i.find(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{m.ID}})
	if awserr.Code(err) == "InvalidInstanceID.NotFound" {
		return true, nil // not visible yet: it is new
	}
	return slices.ContainsFunc(list, func(m EC2Instance) bool { return m.State == "pending" || i.isAgent(m) }), err
}

func (i Instance) isAgent(m EC2Instance) bool {
	return !m.terminating() && m.Tags.Owner().By == i.ID.Owner() && !i.obsolete(m)
}

func (i Instance) find(ctx context.Context, in *ec2.DescribeInstancesInput) (list []EC2Instance, err error) {
	out, err := i.API.DescribeInstances(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("read instances of earlier launches: %w", err)
	}
	for _, r := range out.Reservations {
		for _, o := range r.Instances {
			list = append(list, ec2InstanceOf(o))
		}
	}
	return list, nil
}

// launchError adds the instance types that a free-plan account can use, if that is why
// the launch failed.
func (i Instance) launchError(ctx context.Context, err error) error {
	if awserr.Code(err) != "InvalidParameterCombination" || !strings.Contains(err.Error(), "Free Tier") {
		return err
	}
	if free := (Offering{API: i.API, Type: i.Type}).freeTypes(ctx); len(free) > 0 {
		return &advised{err, included(free)}
	}
	return err
}
