package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/awserr"
)

// machines are two instances: one of each hypervisor.
type machines struct {
	ready once
	image string
	group string
	nitro machine // t3.micro
	xen   machine // t2.micro
}

// machine is an instance, and when what was seen of it first. The fields below err
// belong to watch until watched is closed.
type machine struct {
	input    *ec2.RunInstancesInput
	id       string
	launched time.Time
	refused  []string // before it could be launched
	took     time.Duration
	err      error

	watched  chan struct{}
	latest   time.Duration // until the marker was in the latest output; 0 for never
	ordinary time.Duration // until it was in the ordinary output
	online   time.Duration // until Systems Manager knew the instance
	refusal  string        // of the latest output
	broken   error         // why watching ended early
}

func machineQuestions() []question {
	return []question{
		{
			Name: "fresh-profile", Lane: laneMachines, Ask: askFreshProfile,
			Asks:    "How does RunInstances refuse an instance profile that is new, and for how long?",
			Assumed: "with InvalidParameterValue and one of two texts, for at most 2 minutes",
			Relies:  "profileUnseen in provision/resource/instance_errors.go",
			Change:  "the texts in profileUnseen, and in provision/sandbox/ec2/profile.go",
		},
		{
			Name: "console-nitro", Lane: laneMachines,
			Ask:     func(ctx context.Context, r *run) (answer, error) { return r.askConsole(ctx, &r.machines.nitro) },
			Asks:    "When do the console's latest and its ordinary output come on a t3.micro (Nitro)?",
			Assumed: "the latest output within a minute or two, the ordinary one some minutes later",
			Relies:  "explainConsole in provision/resource/console.go",
			Change:  "what `agent logs` and the end of up wait for",
		},
		{
			Name: "console-xen", Lane: laneMachines,
			Ask:     func(ctx context.Context, r *run) (answer, error) { return r.askConsole(ctx, &r.machines.xen) },
			Asks:    "When does the console's output come on a t2.micro (Xen)?",
			Assumed: "the latest output is refused with UnsupportedOperation; the ordinary one comes within 10 minutes",
			Relies:  "explainConsole in provision/resource/console.go; provision/sandbox/ec2/console.go",
			Change:  "what `agent logs` and the end of up wait for; the sandbox's refusal",
		},
		{
			Name: "ssm-online", Lane: laneMachines, Ask: askOnline,
			Asks:    "How long after its launch does Systems Manager run commands on an instance?",
			Assumed: "within 5 minutes on both types",
			Relies:  "provision/resource/shell.go; `flowbed agent logs`",
			Change:  "how long `agent logs` waits for Systems Manager",
		},
		systemdRestarts,
		{
			Name: "launch-token", Lane: laneMachines, Ask: askToken,
			Asks:    "What does RunInstances say to a client token that was used before?",
			Assumed: "the same request returns the same instance; another one is refused with IdempotentParameterMismatch, and after the termination with IdempotentInstanceTerminated",
			Relies:  "docs/decisions/0005-client-tokens.md; provision/resource/instance_launch.go",
			Change:  "try in provision/resource/instance_launch.go",
		},
		{
			Name: "group-release", Lane: laneMachines, Ask: askGroup,
			Asks:    "How long is a security group in use after its instances have terminated?",
			Assumed: "at most 15 minutes, with DependencyViolation",
			Relies:  "DependencyViolation in provision/resource/securitygroup.go; DeletePatience in provision/resource/securitygroup_blockers.go",
			Change:  "leaves in provision/resource/runningtasks.go",
		},
	}
}

// publicImage is the parameter with the id of Amazon Linux 2023's image.
const publicImage = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"

func (r *run) marker() string { return "FLOWBED: canary " + r.Name }

// prepare makes what the instances need. The profile is the last, so that it is fresh.
func (r *run) prepare(ctx context.Context) error {
	m := &r.machines
	out, err := r.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(publicImage)})
	if err != nil {
		return fmt.Errorf("find the image: %w", err)
	}
	m.image = aws.ToString(out.Parameter.Value)
	if m.group, err = r.group(ctx, "machines"); err != nil {
		return err
	}
	if err := r.role(ctx, "machine", nobodysTrust, ""); err != nil {
		return err
	}
	name := aws.String(r.object("machine"))
	if _, err := r.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name,
		PolicyArn: aws.String("arn:" + r.partition() + ":iam::aws:policy/AmazonSSMManagedInstanceCore")}); err != nil {
		return fmt.Errorf("attach the policy for Systems Manager: %w", err)
	}
	if err := r.profile(ctx, "machine"); err != nil {
		return err
	}
	if _, err := r.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: name}); err != nil {
		return fmt.Errorf("add the role to the instance profile: %w", err)
	}
	r.launch(ctx, &m.nitro, types.InstanceTypeT3Micro)
	r.launch(ctx, &m.xen, types.InstanceTypeT2Micro)
	return nil
}

// group makes a security group in the default VPC.
func (r *run) group(ctx context.Context, what string) (string, error) {
	vpcs, err := r.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: []types.Filter{{Name: aws.String("is-default"), Values: []string{"true"}}}})
	if err != nil {
		return "", fmt.Errorf("find the default VPC: %w", err)
	}
	if len(vpcs.Vpcs) == 0 {
		return "", unasked("the region has no default VPC")
	}
	out, err := r.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String(r.object(what)), Description: aws.String("flowbed canary"), VpcId: vpcs.Vpcs[0].VpcId,
		TagSpecifications: r.ec2Tags(types.ResourceTypeSecurityGroup)})
	if err != nil {
		return "", fmt.Errorf("create security group %s: %w", r.object(what), err)
	}
	return aws.ToString(out.GroupId), nil
}

func (r *run) ec2Tags(kinds ...types.ResourceType) (list []types.TagSpecification) {
	for _, k := range kinds {
		list = append(list, types.TagSpecification{ResourceType: k, Tags: []types.Tag{
			{Key: aws.String(tag), Value: &r.Name}, {Key: aws.String("Name"), Value: aws.String(r.object("probe"))}}})
	}
	return list
}

func (r *run) profile(ctx context.Context, what string) error {
	_, err := r.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{
		InstanceProfileName: aws.String(r.object(what)), Path: aws.String(r.folder()),
		Tags: []iamtypes.Tag{{Key: aws.String(tag), Value: &r.Name}}})
	if err != nil {
		return fmt.Errorf("create instance profile %s: %w", r.object(what), err)
	}
	return nil
}

// launch launches an instance that says the marker on its console, and terminates
// itself after an hour whatever happens.
func (r *run) launch(ctx context.Context, m *machine, kind types.InstanceType) {
	subnet, err := r.subnetFor(ctx, kind)
	if err != nil {
		m.err = err
		return
	}
	script := "#!/bin/sh\nshutdown -P +60\necho '" + r.marker() + "' >/dev/console\n"
	m.input = &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceType: kind, ImageId: &r.machines.image,
		ClientToken:        aws.String(r.object(strings.ReplaceAll(string(kind), ".", "-"))),
		IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: aws.String(r.object("machine"))},
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: aws.Int32(0), SubnetId: &subnet, AssociatePublicIpAddress: aws.Bool(true), Groups: []string{r.machines.group}}},
		MetadataOptions:                   &types.InstanceMetadataOptionsRequest{HttpTokens: types.HttpTokensStateRequired},
		InstanceInitiatedShutdownBehavior: types.ShutdownBehaviorTerminate,
		UserData:                          aws.String(base64.StdEncoding.EncodeToString([]byte(script))),
		TagSpecifications:                 r.ec2Tags(types.ResourceTypeInstance, types.ResourceTypeVolume),
	}
	m.took, m.err = until(ctx, 3*time.Minute, 2*time.Second, func() (bool, error) {
		out, err := r.ec2.RunInstances(ctx, m.input)
		if err != nil {
			m.refused = append(m.refused, codeOf(err))
			if awserr.Classify(err) != awserr.Transient {
				return false, fmt.Errorf("launch a %s: %w", kind, err)
			}
			return false, nil
		}
		m.id, m.launched = aws.ToString(out.Instances[0].InstanceId), time.Now()
		return true, nil
	})
	if m.err == nil {
		m.watched = make(chan struct{})
		go r.watch(ctx, m)
	}
}

// subnetFor is a default subnet in a zone that has the type.
func (r *run) subnetFor(ctx context.Context, kind types.InstanceType) (string, error) {
	offered, err := r.ec2.DescribeInstanceTypeOfferings(ctx, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZone, Filters: []types.Filter{{Name: aws.String("instance-type"), Values: []string{string(kind)}}}})
	if err != nil {
		return "", fmt.Errorf("find the zones that have %s: %w", kind, err)
	}
	subnets, err := r.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []types.Filter{{Name: aws.String("default-for-az"), Values: []string{"true"}}}})
	if err != nil {
		return "", fmt.Errorf("find the default subnets: %w", err)
	}
	for _, s := range subnets.Subnets {
		for _, o := range offered.InstanceTypeOfferings {
			if aws.ToString(o.Location) == aws.ToString(s.AvailabilityZone) {
				return aws.ToString(s.SubnetId), nil
			}
		}
	}
	return "", unasked("no default subnet is in a zone that has " + string(kind))
}

// seen waits until an instance has been watched.
func (r *run) seen(ctx context.Context, m *machine) error {
	if err := r.machines.ready.do(func() error { return r.prepare(ctx) }); err != nil {
		return err
	}
	if m.err != nil {
		return m.err
	}
	select {
	case <-m.watched:
		return m.broken
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func askFreshProfile(ctx context.Context, r *run) (answer, error) {
	if err := r.machines.ready.do(func() error { return r.prepare(ctx) }); err != nil {
		return answer{}, err
	}
	m := &r.machines.nitro
	switch {
	case tooLong(m.err):
		return no("still refused after %s: %s", rough(m.took), m.refused[len(m.refused)-1])
	case m.err != nil && strings.Contains(m.err.Error(), "rofile"):
		return no("the text is not one that flowbed knows: %s", m.refused[len(m.refused)-1])
	case m.err != nil:
		return answer{}, m.err
	case len(m.refused) == 0:
		return couldNot("EC2 accepted the new profile at once; another run may see a refusal")
	}
	return judged(m.took <= 2*time.Minute, "%d refusals in %s, the first: %s", len(m.refused), rough(m.took), m.refused[0])
}

func askOnline(ctx context.Context, r *run) (answer, error) {
	var said []string
	fast, answered := true, false
	for _, m := range []*machine{&r.machines.nitro, &r.machines.xen} {
		if err := r.seen(ctx, m); err != nil {
			if m.err == nil {
				return answer{}, err
			}
			said = append(said, "not launched: "+m.err.Error())
			continue
		}
		text := "it ran no command in 12 minutes"
		if m.online > 0 {
			text, answered = "a command ran after "+rough(m.online), true
		}
		fast = fast && m.online > 0 && m.online <= 5*time.Minute
		said = append(said, fmt.Sprintf("%s: %s", m.input.InstanceType, text))
	}
	if !answered {
		return couldNot("%s", strings.Join(said, "; "))
	}
	return judged(fast, "%s", strings.Join(said, "; "))
}

func askToken(ctx context.Context, r *run) (answer, error) {
	m := &r.machines.nitro
	if err := r.seen(ctx, m); m.err != nil || m.watched == nil {
		return answer{}, err
	}
	again := r.relaunch(ctx, m, m.input)
	other := *m.input
	other.UserData = nil
	mismatch := r.relaunch(ctx, m, &other)
	if err := r.terminate(ctx, m.id); err != nil {
		return answer{}, err
	}
	gone := r.relaunch(ctx, m, m.input)
	return judged(again == sameInstance && strings.HasPrefix(mismatch, "IdempotentParameterMismatch ") && strings.HasPrefix(gone, "IdempotentInstanceTerminated "),
		"the same request: %s; another request: %s; after the termination: %s", again, mismatch, gone)
}

const sameInstance = "the same instance"

// relaunch says what RunInstances answers. An instance that it should not have launched
// is terminated at once.
func (r *run) relaunch(ctx context.Context, m *machine, in *ec2.RunInstancesInput) string {
	out, err := r.ec2.RunInstances(ctx, in)
	switch {
	case err != nil:
		return codeOf(err)
	case len(out.Instances) == 0:
		return "nothing"
	case aws.ToString(out.Instances[0].InstanceId) == m.id:
		return sameInstance
	}
	if err := r.terminate(ctx, aws.ToString(out.Instances[0].InstanceId)); err != nil {
		return "another instance, which is still there: " + codeOf(err)
	}
	return "another instance"
}

// terminate terminates instances and waits until they have.
func (r *run) terminate(ctx context.Context, ids ...string) error {
	if _, err := r.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}); err != nil {
		return fmt.Errorf("terminate %s: %w", strings.Join(ids, ", "), err)
	}
	_, err := until(ctx, 8*time.Minute, 5*time.Second, func() (bool, error) {
		out, err := r.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids})
		if err != nil {
			return false, fmt.Errorf("read %s: %w", strings.Join(ids, ", "), err)
		}
		for _, res := range out.Reservations {
			for _, i := range res.Instances {
				if i.State == nil || i.State.Name != types.InstanceStateNameTerminated {
					return false, nil
				}
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the termination of %s: %w", strings.Join(ids, ", "), err)
	}
	return nil
}

func askGroup(ctx context.Context, r *run) (answer, error) {
	if err := r.machines.ready.do(func() error { return r.prepare(ctx) }); err != nil {
		return answer{}, err
	}
	var ids []string
	for _, m := range []machine{r.machines.nitro, r.machines.xen} {
		if m.id != "" {
			ids = append(ids, m.id)
		}
	}
	if len(ids) == 0 {
		return couldNot("no instance could be launched")
	}
	in := &ec2.DeleteSecurityGroupInput{GroupId: &r.machines.group}
	used := "not looked at: the only instance had terminated"
	if r.machines.xen.id != "" { // the other one is terminated by now
		_, err := r.ec2.DeleteSecurityGroup(ctx, in)
		if used = codeOf(err); awserr.Code(err) != "DependencyViolation" {
			return no("while an instance used the group: %s", used)
		}
	}
	if err := r.terminate(ctx, ids...); err != nil {
		return answer{}, err
	}
	t, err := resting(ctx, 16*time.Minute, func() error {
		_, err := r.ec2.DeleteSecurityGroup(ctx, in)
		return awserr.Gone(err)
	})
	if err != nil {
		return answer{}, err
	}
	return judged(t.within(15*time.Minute), "in use: %s; after the termination: %s", used, t)
}

// watching waits for the goroutines that watch instances. The context has ended, or
// they have.
func (m *machines) watching() {
	var all sync.WaitGroup
	for _, one := range []*machine{&m.nitro, &m.xen} {
		if one.watched != nil {
			all.Go(func() { <-one.watched })
		}
	}
	all.Wait()
}
