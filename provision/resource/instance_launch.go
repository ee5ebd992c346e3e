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

// launch starts an instance, in the first zone that has one to give.
func (i Instance) launch(ctx context.Context) error {
	n, ok := i.Network.Get()
	if !ok {
		return errors.New("launch: the subnets are not known")
	}
	o, err := i.Offer.Await(ctx)
	if err != nil {
		return err
	}
	if o.deviceErr != nil {
		return o.deviceErr
	}
	if text := i.unsold(o); text != "" {
		return errors.New(text)
	}
	var full error
	for _, s := range n.Subnets {
		if !o.sells(s.Zone) {
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

// request is the whole launch, but for its token.
func (i Instance) request(s Subnet, device string) (*ec2.RunInstancesInput, error) {
	image, _ := i.Image.Get()
	profile, ok := i.Profile.Get()
	groups, known := i.groups()
	if !ok || !known {
		return nil, errors.New("launch: the instance profile or a security group is not known")
	}
	tags := i.ID.Tags(i.Name)
	ofInstance := i.ID.Tags(i.Name)
	ofInstance[KeyLaunch] = i.launchTag()
	in := &ec2.RunInstancesInput{
		MinCount: new(int32(1)), MaxCount: new(int32(1)), InstanceType: types.InstanceType(i.Type), ImageId: &image.ID,
		IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: &profile.Name},
		// In the interface, because only there a public address can be asked for;
		// the groups then have to stand there, too.
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: new(int32(0)), SubnetId: &s.ID, Groups: groups, AssociatePublicIpAddress: &s.Public,
			DeleteOnTermination: new(true), Description: &i.Name,
		}},
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: &device, Ebs: &types.EbsBlockDevice{
			VolumeSize: new(int32(i.VolumeGiB)), VolumeType: types.VolumeTypeGp3, Encrypted: new(true), DeleteOnTermination: new(true),
		}}},
		MetadataOptions: &types.InstanceMetadataOptionsRequest{
			HttpEndpoint: types.InstanceMetadataEndpointStateEnabled, HttpTokens: types.HttpTokensStateRequired,
			HttpPutResponseHopLimit: new(int32(1)),
		},
		InstanceInitiatedShutdownBehavior: i.onShutdown(),
		TagSpecifications: append(ec2TagsFor(ofInstance, types.ResourceTypeInstance),
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

// onShutdown is what becomes of an instance that shuts itself down. One whose
// life is limited does so when it has expired, and then must not go on costing.
func (i Instance) onShutdown() types.ShutdownBehavior {
	if i.ID.Life != nil {
		return types.ShutdownBehaviorTerminate
	}
	return types.ShutdownBehaviorStop
}

const (
	mostGenerations = 1000 // bounds the search for a token; EC2 forgets used ones after a day
	mostStrangers   = 5    // live instances of earlier launches that are not the agent any more
)

// run starts one instance, or finds the one that an earlier run has started
// with the same request: RunInstances is the one call that can double without
// an error, and a new instance may be invisible for many seconds.
//
// So the token is no random number but a function of the request, and a run
// that was killed and started anew sends the same one. EC2 refuses the token of
// an instance that is terminated: then the next generation's is tried. Because
// each run begins at generation 0, each finds the same first one that is free.
func (i Instance) run(ctx context.Context, in *ec2.RunInstancesInput) error {
	strangers := 0
	for generation := range mostGenerations {
		if stopped := provision.Stopped(ctx); stopped != nil {
			return stopped
		}
		in.ClientToken = new(i.token(in, generation))
		m, done, err := i.try(ctx, in)
		if err != nil || done {
			return err
		}
		if m.ID != "" && !m.ends() {
			strangers++
		}
		if strangers > mostStrangers {
			return fmt.Errorf("launch: %d instances that were started for %s, the last one %s, have been changed by somebody: terminate or retag them",
				strangers, i.Name, m.ID)
		}
	}
	return fmt.Errorf("launch: %d earlier instances with this specification are remembered", mostGenerations)
}

// try sends the request with one token. It is not done if the token has been
// used for an instance that is not the agent: m, if EC2 has shown it.
func (i Instance) try(ctx context.Context, in *ec2.RunInstancesInput) (m Machine, done bool, err error) {
	out, err := i.API.RunInstances(ctx, in)
	switch awserr.Code(err) {
	case "IdempotentInstanceTerminated":
		return m, false, nil
	case "IdempotentParameterMismatch":
		// EC2 sees a difference in what we think is the same request.
		done, err = i.launchedWith(ctx, *in.ClientToken)
		return m, done, err
	}
	if err != nil {
		return m, false, fmt.Errorf("launch: %w", err)
	}
	if len(out.Instances) == 0 {
		return m, false, errors.New("launch: EC2 has answered without an instance")
	}
	m = machineOf(out.Instances[0])
	done, err = i.usable(ctx, m)
	return m, done, err
}

// token is at most 64 ASCII characters, as EC2 demands.
func (i Instance) token(in *ec2.RunInstancesInput, generation int) string {
	c := *in
	c.ClientToken = nil
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // the SDK's inputs are plain data
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d\n%s", i.ID.Account, i.ID.Region, i.ID.Env, generation, b))
	return "flowbed-" + hex.EncodeToString(h[:24])
}

// launchedWith reports whether the instance of a token is there to stay.
func (i Instance) launchedWith(ctx context.Context, token string) (bool, error) {
	list, err := i.find(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{filter("client-token", token)}})
	return slices.ContainsFunc(list, i.isAgent), err
}

// usable reports whether the answer to a launch is the agent, and not what has
// become of an earlier launch: an instance that is ending, that somebody has
// changed, or has taken over. An answer that looks so is not believed before
// EC2 shows the same, and not of an instance that is still starting: to start
// another one by mistake would be worse.
func (i Instance) usable(ctx context.Context, m Machine) (bool, error) {
	if m.ends() || i.isAgent(m) {
		return !m.ends(), nil
	}
	list, err := i.find(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{m.ID}})
	if awserr.Code(err) == "InvalidInstanceID.NotFound" {
		return true, nil // not visible yet: it is new
	}
	return slices.ContainsFunc(list, func(m Machine) bool { return m.State == "pending" || i.isAgent(m) }), err
}

func (i Instance) isAgent(m Machine) bool {
	return !m.ends() && m.Tags.Owner().By == i.ID.Owner() && len(i.outdated(m)) == 0
}

func (i Instance) find(ctx context.Context, in *ec2.DescribeInstancesInput) (list []Machine, err error) {
	out, err := i.API.DescribeInstances(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("read the instance of an earlier launch: %w", err)
	}
	for _, r := range out.Reservations {
		for _, o := range r.Instances {
			list = append(list, machineOf(o))
		}
	}
	return list, nil
}

// launchError adds what to do where AWS's message leaves it to a search.
func (i Instance) launchError(ctx context.Context, err error) error {
	if awserr.Code(err) != "InvalidParameterCombination" || !strings.Contains(err.Error(), "Free Tier") {
		return err
	}
	if free := (Offer{API: i.API, Type: i.Type}).freeTypes(ctx); len(free) > 0 {
		return fmt.Errorf("%w; this account may use %s: set agent.instance_type", err, strings.Join(free, ", "))
	}
	return err
}
