package resource

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Delete implements provision.Resource. A security group cannot go as long as
// an interface is in it, and an interface lives as long as its instance takes
// to shut down. So it moves to the VPC's default group, and the group can go at
// once; the instance, which takes longest of all, is ended at the same time.
func (i Instance) Delete(ctx context.Context, have InstanceState) error {
	for _, m := range have.live() {
		if stopped := provision.Stopped(ctx); stopped != nil {
			return stopped
		}
		group, err := i.defaultGroup(ctx, m)
		if err != nil {
			return err
		}
		if err := atOnce(ctx, i.leaveGroups(m, group), i.terminate(m)); err != nil {
			return err
		}
	}
	return nil
}

// defaultGroup is the id of the default group of a machine's VPC; empty if there is
// none, or nothing to move there.
func (i Instance) defaultGroup(ctx context.Context, m Machine) (string, error) {
	if m.Interface == "" {
		return "", nil
	}
	out, err := i.API.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{filter("vpc-id", m.VPC), filter("group-name", "default")},
	})
	if err != nil {
		return "", fmt.Errorf("read the default security group: %w", err)
	}
	if len(out.SecurityGroups) == 0 {
		return "", nil
	}
	return deref(out.SecurityGroups[0].GroupId), nil
}

// leaveGroups moves a machine to a group. If the machine was quicker to end, its
// interface cannot move any more, and goes with it.
func (i Instance) leaveGroups(m Machine, group string) do {
	return func(ctx context.Context) error {
		if group == "" {
			return nil
		}
		err := i.join(m, []string{group})(ctx)
		switch awserr.Classify(err) {
		case awserr.Absent, awserr.Conflict:
			return nil
		}
		if err != nil {
			return fmt.Errorf("leave the security groups: %w", err)
		}
		return nil
	}
}

// terminate does not take "not found" for the end: EC2 may not know an instance
// yet that is starting. Whoever calls looks again.
func (i Instance) terminate(m Machine) do {
	return func(ctx context.Context) error {
		_, err := i.API.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{m.ID}})
		if err != nil {
			return fmt.Errorf("terminate %s: %w", m.ID, err)
		}
		return nil
	}
}

// CheckDelete implements provision.DeleteChecker. Somebody has protected the instance
// on purpose; taking the protection away is for a person to do.
func (i Instance) CheckDelete(ctx context.Context, have InstanceState) (notes []provision.Note, err error) {
	attributes := []types.InstanceAttributeName{types.InstanceAttributeNameDisableApiTermination, types.InstanceAttributeNameDisableApiStop}
	for _, m := range have.live() {
		set := make([]bool, len(attributes))
		ask := func(n int) func(context.Context) error {
			return func(ctx context.Context) error {
				out, err := i.API.DescribeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{InstanceId: &m.ID, Attribute: attributes[n]})
				if err != nil {
					return awserr.Gone(err)
				}
				for _, v := range []*types.AttributeBooleanValue{out.DisableApiTermination, out.DisableApiStop} {
					set[n] = set[n] || v != nil && deref(v.Value)
				}
				return nil
			}
		}
		if err := atOnce(ctx, ask(0), ask(1)); err != nil {
			return nil, fmt.Errorf("read protection of %s: %w", m.ID, err)
		}
		for n, protected := range set {
			if protected {
				notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
					"%s is protected by its attribute %s: turn it off first (aws ec2 modify-instance-attribute --instance-id %s --no-%s)",
					m.ID, attributes[n], m.ID, option(attributes[n]))})
			}
		}
	}
	return notes, nil
}

// option is an attribute as the AWS CLI spells it.
func option(a types.InstanceAttributeName) string {
	if a == types.InstanceAttributeNameDisableApiStop {
		return "disable-api-stop"
	}
	return "disable-api-termination"
}
